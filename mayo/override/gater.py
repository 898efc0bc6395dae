"""Gaters of activations: channels of an image pass whole or not at all.

ChannelGater            v [|P| >= threshold]     P = pool over space of relu(v): avg, max, or mix = max - avg
RandomChannelGater      v Bernoulli(ratio)       the control experiment: as many channels, but any
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Overrider, State, Tensor, argument, numbers_shown, overrider
from mayo.util.kinds import NUMBER, choice, number
from mayo.util.lazy import lazy

tf = lazy('tensorflow')


@dataclass(frozen=True, kw_only=True)
class _Gater(Overrider):
    """Abstract: acts on maps [N, H, W, C]."""

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        return None if len(shape) == 3 else 'gates channels of maps, so it belongs under `activation` of a layer with maps'


@overrider
@dataclass(frozen=True, kw_only=True)
class ChannelGater(_Gater):
    """Lets strong channels pass."""

    threshold: float = argument(NUMBER, 1.0)
    policy: str = argument(choice('avg', 'max', 'mix'), 'avg')

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'threshold': float(self.threshold)}

    def apply(self, value: Tensor, state: State) -> Tensor:
        positive = tf.nn.relu(value)
        mean, most = (pool(positive, (1, 2), keepdims=True) for pool in (tf.reduce_mean, tf.reduce_max))
        pooled = {'avg': mean, 'max': most, 'mix': most - mean}[self.policy]
        return value * tf.cast(tf.abs(pooled) >= state['threshold'], value.dtype)

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('threshold',))


@overrider
@dataclass(frozen=True, kw_only=True)
class RandomChannelGater(_Gater):
    """ratio: the probability that a channel of an image passes."""

    ratio: float = argument(number('a number in [0, 1]', lambda value: 0 <= value <= 1))

    def is_random(self) -> bool:
        return True

    def apply(self, value: Tensor, state: State) -> Tensor:
        shape = tf.shape(value)
        draws = tf.random.uniform([shape[0], 1, 1, shape[3]])
        return value * tf.cast(draws < self.ratio, value.dtype)
