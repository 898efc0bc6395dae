"""The stages of `anneal`: densities that fall, and how long the network trains at each. Needs no TensorFlow.

{from: 1.0, to: 0.3, step: 0.1, epochs: 2, final_epochs: 10}        eight stages, the last one longer
{densities: [0.7, 0.5, 0.3], epochs: [3, 6, 12]}                    three, each with its own length
{..., gate_epochs: 1}                                               each stage first trains its gates alone
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mayo.config import Config
from mayo.util.errors import Problems

PREFIX = 'gate'  # of the checkpoints' names where system.checkpoint.save is null


@dataclass(frozen=True)
class Stage:
    """One training. name: of the checkpoint of weights that it leaves; gates_only: the rest of the network stands still."""

    name: str
    density: float
    epochs: float
    gates_only: bool = False


def stages_of(config: Config) -> list[Stage]:
    """What train.anneal says, in order. UserError with all that is wrong with it."""
    settings = config.get('train.anneal')
    densities = settings['densities'] or _steps(settings['from'], settings['to'], settings['step'])
    Problems(
        f'{config.origin(f"train.anneal.{key}")}: train.anneal.{key} {problem}'
        for key, problem in _problems(settings, densities)
    ).raise_any()
    epochs = settings['epochs']
    if not isinstance(epochs, list):
        final = epochs if settings['final_epochs'] is None else settings['final_epochs']
        epochs = [epochs] * (len(densities) - 1) + [final]
    prefix = config.get('system.checkpoint.save') or PREFIX
    stages = []
    for density, length in zip(densities, epochs, strict=True):
        name = f'{prefix}{100 * density:g}'
        if settings['gate_epochs']:
            stages.append(Stage(f'{name}-gates', density, settings['gate_epochs'], gates_only=True))
        stages.append(Stage(name, density, length))
    return stages


def _steps(first: float, last: float, step: float) -> list[float]:
    """From `first` down to `last`, which is always among them; exact, for the decimals as written.

    >>> _steps(1.0, 0.65, 0.1)
    [1.0, 0.9, 0.8, 0.7, 0.65]
    """
    density, low, down = (Decimal(str(value)) for value in (first, last, step))
    densities = []
    while density > low:
        densities.append(float(density))
        density -= down
    return [*densities, float(low)]


def _problems(settings: Mapping[str, Any], densities: Sequence[float]) -> Iterator[tuple[str, str]]:
    """The key of train.anneal that is wrong, and what is wrong with it."""
    if settings['densities'] is None and settings['from'] < settings['to']:
        yield 'from', f'is {settings["from"]}, expected a density from train.anneal.to up, which is {settings["to"]}.'
    elif any(later >= earlier for earlier, later in itertools.pairwise(densities)):
        yield 'densities', f'is {list(densities)}, expected densities that fall.'
    epochs = settings['epochs']
    if isinstance(epochs, list) and len(epochs) != len(densities):
        listed = ', '.join(f'{density:g}' for density in densities)
        yield 'epochs', f'lists {len(epochs)} lengths for {len(densities)} densities: {listed}.'
