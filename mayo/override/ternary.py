"""Ternary: sign(v) 2^base scale, with a scale that the loss trains. No gradient reaches v.

https://arxiv.org/abs/1612.01064 trains the scales of ternary weights, two a layer; here it is one, or one a channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mayo.override.base import Quantizer, State, Tensor, argument, numbers_shown, overrider
from mayo.override.rounding import power_of_two
from mayo.util.kinds import whole_between
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@dataclass(frozen=True, kw_only=True)
class _Ternary(Quantizer):
    """Abstract: the formula, of one scale or [C]."""

    base: int = argument(whole_between(0, 64), 1)
    trainable: ClassVar[tuple[str, ...]] = ('scale',)

    def apply(self, value: Tensor, state: State) -> Tensor:
        return tf.stop_gradient(tf.sign(value)) * power_of_two(state['base']) * state['scale']

    def bits(self, state: State) -> float:
        return 2

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('base',)) | {'scale': f'{np.mean(np.asarray(state["scale"])):.4g}'}


@overrider
@dataclass(frozen=True, kw_only=True)
class TernaryQuantizer(_Ternary):
    """One scale for all."""

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'base': self.base, 'scale': 1.0}


@overrider
@dataclass(frozen=True, kw_only=True)
class ChannelTernaryQuantizer(_Ternary):
    """A scale for each channel, the last axis."""

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'base': self.base, 'scale': np.ones(shape[-1:], np.float32)}
