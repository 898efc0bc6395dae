"""Which quantizers a profile is made for: profile.parameters.overriders. Needs no TensorFlow.

DGQuantizer:
    targets: [point]                        arguments that may change; without it all that a profile finds
    percentile: {weights: 99, activations: 90, default: 99}         or a number for all
    width: 8                                where the model itself has no such quantizer
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.config import Config
from mayo.net.graph import Graph
from mayo.override import Overrider, of_layer, overriders, parse
from mayo.override.parse import ACTIVATION, GRADIENT
from mayo.util.errors import Problems, UserError, did_you_mean, nearest
from mayo.util.kinds import number, shown, whole_between

KEY = 'profile.parameters.overriders'
WHOLE: dict[str, Any] = {'percentile': 100}  # what is asked of quantizers that nothing is said of: the maximum
DEFAULT = {'FixedPointQuantizer': {'width': 8}, 'ShiftQuantizer': {'width': 4}, 'FloatingPointQuantizer': {'width': 8}}
PERCENTAGE = 99.0  # as the original has it, where a quantizer is named without one
_KEYS = ('targets', 'percentile', 'width')
_KINDS = ('default', 'weights', 'biases', 'activations', 'gradients')
_MISSPELT = {'biass': 'biases', 'gradients:': 'gradients'}  # in the original's example
_PERCENTAGE = number('a number in (0, 100]', lambda value: 0 < value <= 100)
_WIDTH = whole_between(1, 32)


MARK = 'Quantizers that `profile` found'  # in the first line of its files


@dataclass(frozen=True)
class Asked:
    """What is asked of the quantizers of one class. percentages: by what is quantized."""

    name: str
    targets: tuple[str, ...]
    percentages: Mapping[str, float]
    width: int | None

    def percentile(self, target: str) -> float:
        """The percentage of values that the range is to hold."""
        return self.percentages.get(kind_of(target), self.percentages['default'])

    def start(self) -> Overrider:
        """One of the class, for a model that has none."""
        width = self.width or DEFAULT.get(self.name, {}).get('width', 8)
        given = {'width': width, 'overflow_rate': 0.0, 'exponent_bias': 0, 'mantissa_width': 0}
        known = {field.name for field in dataclasses.fields(overriders[self.name])}
        return parse({'type': self.name, **{key: value for key, value in given.items() if key in known}}, KEY)


@dataclass(frozen=True)
class Plan:
    """start, end: epochs. samples: batches that are looked at. asked: by the quantizers' classes; path: of the overlay."""

    start: float
    end: float
    samples: int
    asked: Mapping[str, Asked]
    path: pathlib.Path
    saves: bool


def kind_of(target: str) -> str:
    """As percentages are given.

    >>> [kind_of(target) for target in ('depthwise_weights', 'biases', 'activation', 'gradient/error')]
    ['weights', 'biases', 'activations', 'gradients']
    """
    if target.startswith(GRADIENT):
        return 'gradients'
    return {ACTIVATION: 'activations', 'biases': 'biases'}.get(target, 'weights')


def asked_of(config: Config, graph: Graph) -> dict[str, Asked]:
    """By the names of classes. Errors: UserError with everything wrong."""
    given = config.get(KEY)
    where = f'{config.origin(KEY)}: {KEY}'
    if not given:
        is_overridden = any(of_layer(node.overriders, str(node)) for node in graph)
        given = dict.fromkeys(_profiling(), WHOLE) if is_overridden else {name: own | WHOLE for name, own in DEFAULT.items()}
    problems, asked = Problems(), {}
    for key, settings in given.items():
        with problems.collecting():
            name = str(key).removeprefix('mayo.override.')
            asked[name] = _read(name, settings or {}, f'{where}.{key}')
    problems.raise_any()
    return asked


def _profiling() -> list[str]:
    """The quantizers that have arguments that a profile finds."""
    return [name for name in overriders if overriders[name].profiles]


def _read(name: str, settings: Any, where: str) -> Asked:
    if name not in _profiling():
        hint = did_you_mean(name, _profiling()) or '.'
        raise UserError(f'{where}: a profile finds nothing of it{hint} Expected one of {", ".join(_profiling())}.')
    _keys(settings, _KEYS, where)
    known, targets = overriders[name].profiles, settings.get('targets')
    targets = [targets] if isinstance(targets, str) else known if targets is None else targets
    if not isinstance(targets, list | tuple) or not targets or not set(targets) <= set(known):
        raise UserError(f'{where}.targets is {shown(settings["targets"])}, expected some of {", ".join(known)}.')
    width = settings.get('width')
    return Asked(
        name,
        tuple(targets),
        _percentages(settings.get('percentile'), f'{where}.percentile'),
        None if width is None else _WIDTH.checked(width, f'{where}.width'),
    )


def _percentages(value: Any, where: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {'default': PERCENTAGE if value is None else _PERCENTAGE.checked(value, where)}
    named = {_MISSPELT.get(str(key), str(key)): own for key, own in value.items()}
    _keys(named, _KINDS, where)
    return {'default': PERCENTAGE} | {key: _PERCENTAGE.checked(own, f'{where}.{key}') for key, own in named.items()}


def _keys(value: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(value, Mapping):
        raise UserError(f'{where} is {shown(value)}, expected a mapping with some of {", ".join(known)}.')
    for key in value:
        if key not in known:
            near = nearest(str(key), known)
            raise UserError(f'{where} takes no {key}{f"; did you mean {near}?" if near else "."} Its keys: {", ".join(known)}.')
