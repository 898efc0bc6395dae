"""Pruners of single values: v mask, in the value and in its gradient.

MeanStdPruner                   mask = |v| > T          T = mean |v| + alpha std |v|
DynamicNetworkSurgeryPruner     mask = (mask or |v| > on_factor T) and |v| > off_factor T

The second takes back a value that has grown again: https://arxiv.org/abs/1608.04493
An activation has one mask for all images, from the means of |v| over a batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import (
    Around,
    Array,
    Overrider,
    State,
    Tensor,
    argument,
    number,
    numbers_shown,
    overrider,
    per_place,
    share,
)
from mayo.util.kinds import AMOUNT, NUMBER
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@dataclass(frozen=True, kw_only=True)
class _Pruner(Overrider):
    """Abstract: a mask of the value's shape and the threshold."""

    alpha: float = argument(NUMBER, -2.0)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'mask': np.ones(shape, bool), 'alpha': float(self.alpha)}

    def apply(self, value: Tensor, state: State) -> Tensor:
        return value * tf.cast(state['mask'], value.dtype)

    def kept(self, state: State) -> float:
        return share(state['mask'])

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('alpha',))


@overrider
@dataclass(frozen=True, kw_only=True)
class MeanStdPruner(_Pruner):
    """Silences values that are small beside the others."""

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        size = per_place(np.abs(value), state['mask'])
        return {'mask': size > threshold(size, number(state['alpha']))}


@overrider
@dataclass(frozen=True, kw_only=True)
class DynamicNetworkSurgeryPruner(_Pruner):
    """The same with a margin on each side, in which a value stays as it is."""

    on_factor: float = argument(AMOUNT, 1.1)
    off_factor: float = argument(AMOUNT, 0.9)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        size = per_place(np.abs(value), state['mask'])
        cut = threshold(size, number(state['alpha']))
        return {'mask': (np.asarray(state['mask']) | (size > self.on_factor * cut)) & (size > self.off_factor * cut)}


def threshold(value: Array, alpha: float) -> float:
    """mean |v| + alpha std |v|."""
    size = np.abs(value).astype(np.float64)
    return float(size.mean() + alpha * size.std())
