"""Whether overriders can override what they are put on."""

import logging
from collections.abc import Container, Iterable

from mayo.override.base import Overrider
from mayo.override.parse import ACTIVATION, VARIABLES
from mayo.override.slimmer import NetworkSlimmer
from mayo.util.errors import UserError

_log = logging.getLogger(__name__)

SCALE = 'BatchNorm/gamma'


def require_fit(chain: Overrider, target: str, shape: tuple[int, ...], own: Container[str], where: str) -> None:
    """shape: of the value; own: names of the layer's variables. Errors: UserError for a chain that cannot override the value."""
    problem = chain.shape_problem(shape)
    if problem is None and any(isinstance(member, NetworkSlimmer) for member in chain.members()):
        if target != ACTIVATION:
            problem = 'silences channels of an activation, so it belongs under `activation`'
        elif SCALE not in own:
            problem = f'reads the scale of batch norm, and the layer has no {SCALE}'
    if problem is None and target not in (*VARIABLES, ACTIVATION) and any(member.weighs() for member in chain.members()):
        problem = 'adds to the loss what it changes of a value, which a gradient is not: no `reg` and `reg_factor` here'
    if problem is not None:
        name = '' if len(chain.members()) > 1 else f'{chain.name} '
        raise UserError(f'{where}: {name}{problem}.')


def tell_absent(absent: Iterable[tuple[str, str]]) -> None:
    """Warn, all at once, of overriders that have nothing to override. absent: (what is overridden, the layer that has it not)."""
    layers: dict[str, list[str]] = {}
    for target, layer in absent:
        layers.setdefault(target, []).append(layer)
    if layers:
        listed = '; '.join(f'{target} of {", ".join(names)}' for target, names in layers.items())
        _log.warning('there is nothing that these overriders could override: %s', listed)
