"""The parameters of a gate: what the YAML key `gate_params` takes, and what a gate costs.

A gate chooses, for each image, the `kept(C)` of a convolution's C output channels that are worth computing, from a saliency

    g = relu(pool(x) phi + rho)         mayo/net/tf/gate holds the formulas, docs/fbs.md explains them

Letters: C' input channels, C output channels.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from mayo.util.decimals import ceil_decimal
from mayo.util.errors import Problems, UserError, did_you_mean

Check = tuple[Callable[[Any], bool], str]  # whether a value is good, and what was expected
POLICIES = ('parametric', 'squeeze', 'naive')
POOLS = ('avg', 'l1', 'l2', 'max')
GRANULARITIES = ('channel', 'vector')
THRESHOLDS = ('online', 'local', 'global')
NORMS = ('batch', 'channel')
REGULARIZERS = ('l1', 'l2', 'moe', 'moi')


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateParams:
    """What a gate does. Every field is a key of `gate_params`; the comment is its effect."""

    enable: bool = True  # false: no gate; the layer is the convolution that it is without one
    policy: str = 'parametric'  # parametric: FBS; squeeze: boosts after the activation; naive: only suppresses
    density: float = 1.0  # fraction of channels kept, in (0, 1]
    pool: str = 'avg'  # summary of a channel: mean of x (avg), |x| (l1), x^2 (l2), or the maximum of x
    granularity: str = 'channel'  # channel: one gate for each image; vector: one for each row of the output
    threshold: str = 'online'  # online: of each image; local: moving average; global: one for the network
    decay: float = 0.99  # of that moving average, in [0, 1)
    regularizer: Mapping[str, float] = dataclasses.field(default_factory=dict)  # weights of l1, l2, moe, moi
    factor: float = 0.0  # f > 0: predict saliency through a hidden layer of ceil(C / f) units
    parametric_beta: bool = False  # predict b, too, from what saliency is predicted from
    add_beta_first: bool = False  # relu(mask g (norm + b)), the paper's equation, not relu(mask g norm + mask b)
    norm: str = 'batch'  # channel: normalizes each channel of each image alone, not over the batch
    trainable: bool = True  # false: phi, rho and b stay as they are
    epsilon: float = 0.001  # added to what is divided by: in norm `channel`, moe and moi

    def __post_init__(self) -> None:
        Problems(_problems(dataclasses.asdict(self))).raise_any()

    @classmethod
    def from_yaml(cls, params: Mapping[str, Any] | None, where: str = 'gate_params') -> 'GateParams':
        """`params` as YAML gives them, checked; keys that start with `_` are left alone.

        where: starts each message, e.g. 'models/x.yaml:7: conv0.gate_params'. Errors: UserError with all problems.
        """
        if params is not None and not isinstance(params, Mapping):
            raise UserError(f'{where} is {_shown(params)}, expected a mapping such as {{density: 0.5}}.')
        given = {str(key): value for key, value in (params or {}).items() if not str(key).startswith('_')}
        known = sorted(field.name for field in dataclasses.fields(cls))
        listed = f'; known: {", ".join(known)}.'
        problems = Problems()
        for key in given.keys() - known:
            problems.append(f'{where}: unknown key `{key}`{did_you_mean(key, known) or listed}')
        problems.sort()
        values = {key: value for key, value in given.items() if key in known and not (key == 'regularizer' and value is None)}
        problems += [f'{where}.{problem}' for problem in _problems(values)]
        problems.raise_any()
        return cls(**values)

    def kept(self, channels: int) -> int:
        """How many of `channels` stay active: ceil(density * channels), on the decimal as written.

        >>> GateParams(density=0.28).kept(100)
        28
        """
        return ceil_decimal(self.density, channels)

    def hidden(self, channels: int) -> int:
        """Units of the hidden layer that predicts saliency, ceil(C / factor); 0 without one."""
        return math.ceil(channels / self.factor) if self.factor else 0

    def gate_macs(self, channels_in: int, channels_out: int, rows: int = 1) -> int:
        """Multiply-accumulates of the gate's predictors. `rows` of the output count if granularity is `vector`."""
        hidden = self.hidden(channels_out)
        saliency = channels_in * hidden + hidden * channels_out if hidden else channels_in * channels_out
        beta = channels_in * channels_out if self._predicts_beta else 0
        return (saliency + beta) * (rows if self.granularity == 'vector' else 1)

    def gate_weights(self, channels_in: int, channels_out: int) -> int:
        """Parameters of the gate: phi and rho, the hidden layer's, and b or its predictor where the policy has one."""
        beta = channels_out if self.policy != 'naive' else 0
        return self.gate_macs(channels_in, channels_out) + channels_out + self.hidden(channels_out) + beta

    @property
    def _predicts_beta(self) -> bool:
        return self.parametric_beta and self.policy != 'naive'

    @property
    def norm_has_scale(self) -> bool:
        """Whether the normalization keeps its own scale and shift: only the naive policy has nothing in their place."""
        return self.policy == 'naive'


def _one_of(*names: str) -> Check:
    return lambda value: value in names, f'one of {", ".join(names)}'


def _number(low: float, high: float, said: str, low_open: bool = False, high_open: bool = False) -> Check:
    def check(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return False
        return not ((low_open and value == low) or (high_open and value == high))

    return check, said


_BOOLEAN = (lambda value: isinstance(value, bool), 'true or false')
_CHECKS: dict[str, Check] = {
    'enable': _BOOLEAN,
    'policy': _one_of(*POLICIES),
    'density': _number(0, 1, 'a number in (0, 1]', low_open=True),
    'pool': _one_of(*POOLS),
    'granularity': _one_of(*GRANULARITIES),
    'threshold': _one_of(*THRESHOLDS),
    'decay': _number(0, 1, 'a number in [0, 1)', high_open=True),
    'factor': _number(0, math.inf, 'a number, 0 or more', high_open=True),
    'parametric_beta': _BOOLEAN,
    'add_beta_first': _BOOLEAN,
    'norm': _one_of(*NORMS),
    'trainable': _BOOLEAN,
    'epsilon': _number(0, math.inf, 'a number above 0', low_open=True, high_open=True),
}


def _problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with `values`, each starting with its key."""
    problems = []
    for key, value in values.items():
        if key == 'regularizer':
            problems += _regularizer_problems(value)
            continue
        good, expected = _CHECKS[key]
        if not good(value):
            hint = did_you_mean(value, expected.removeprefix('one of ').split(', ')) if isinstance(value, str) else ''
            problems.append(f'{key} is {_shown(value)}, expected {expected}{hint or "."}')
    return problems


def _regularizer_problems(value: Any) -> list[str]:
    """`regularizer` maps names to weights in the loss, 0 or more."""
    if not isinstance(value, Mapping):
        return [f'regularizer is {_shown(value)}, expected a mapping such as {{l1: 1.0e-8}}.']
    known = f'Known: {", ".join(REGULARIZERS)}.'
    problems = [
        f'regularizer: unknown name `{name}`{did_you_mean(name, REGULARIZERS) or "."} {known}'
        for name in value
        if name not in REGULARIZERS
    ]
    good, expected = _number(0, math.inf, 'a number, 0 or more', high_open=True)
    problems += [
        f'regularizer.{name} is {_shown(weight)}, expected {expected}.'
        for name, weight in value.items()
        if name in REGULARIZERS and not good(weight)
    ]
    return problems


def _shown(value: Any) -> str:
    """`value` as YAML writes it, for the short ones that people type."""
    return {True: 'true', False: 'false'}[value] if isinstance(value, bool) else 'null' if value is None else str(value)
