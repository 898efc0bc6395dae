"""Logarithmic: sign(v) 2^q, where q is the dynamic fixed point of log2 |v|; zero stays zero.

The gradient is that of the value itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Quantizer, State, Tensor, argument, number, numbers_shown, overrider
from mayo.override.fixed import NO_POINT, WIDTH, fixed, least_point
from mayo.override.rounding import straight_through
from mayo.util.kinds import BELOW_ONE
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class LogQuantizer(Quantizer):
    """`width` bits of logarithm, in fixed point, beside the sign."""

    width: int = argument(WIDTH)
    overflow_rate: float = argument(BELOW_ONE)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': self.width, 'point': NO_POINT}

    def apply(self, value: Tensor, state: State) -> Tensor:
        width, point = state['width'], state['point']

        def logarithmic(value: Tensor) -> Tensor:
            zero = tf.equal(value, 0.0)
            exponent = tf.math.log(tf.where(zero, 1.0, tf.abs(value))) / math.log(2)
            return tf.where(zero, 0.0, tf.sign(value) * tf.pow(2.0, fixed(exponent, width, point)))

        return straight_through(logarithmic, value)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        nonzero = value[value != 0]
        return {'point': least_point(np.log2(np.abs(nonzero)), round(number(state['width'])), self.overflow_rate)}

    def bits(self, state: State) -> float:
        return number(state['width']) + 1

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('point',))
