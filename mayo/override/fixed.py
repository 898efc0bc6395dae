"""Fixed point: a whole number of `width` bits times a power of two.

    s = 2^(width - point)        q = clip(round(v s), -2^(width - 1), 2^(width - 1) - 1) / s

`point` counts the bits left of the binary point, the sign among them; halves round to even.
Dynamic fixed point finds `point` from the values: https://arxiv.org/abs/1412.7024
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mayo.override.base import Around, Array, Overrider, Quantizer, State, Tensor, argument, number, numbers_shown, overrider
from mayo.override.rounding import STOCHASTIC, power_of_two, rounded
from mayo.util.kinds import BELOW_ONE, whole_between
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')

WIDTH = whole_between(1, 64)
LEAST_POINT, MOST_POINT = -32, 64
POINT = whole_between(LEAST_POINT, MOST_POINT)
NO_WIDTH, NO_POINT = 64, 8  # a state that nothing set


@dataclass(frozen=True, kw_only=True)
class _FixedPoint(Quantizer):
    """Abstract: the formula, of whatever width and point the state has."""

    stochastic: str | None = argument(STOCHASTIC, None)

    def apply(self, value: Tensor, state: State) -> Tensor:
        return fixed(value, state['width'], state['point'], self.stochastic)

    def bits(self, state: State) -> float:
        return round(number(state['width']))

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('point',))

    def is_random(self) -> bool:
        return self.stochastic is not None

    def at_point(self, width: int, top: float, targets: Collection[str]) -> 'Overrider':
        """Fixed point of `width` bits at the least point that holds magnitudes up to `top`."""
        if 'point' not in targets:
            return self
        return FixedPointQuantizer(
            width=width, point=point_of(top), stochastic=self.stochastic, enable=self.enable, should_update=self.should_update
        )


@overrider
@dataclass(frozen=True, kw_only=True)
class FixedPointQuantizer(_FixedPoint):
    """Fixed point as configured."""

    width: int = argument(WIDTH, NO_WIDTH)
    point: int = argument(POINT, NO_POINT)

    profiles: ClassVar[tuple[str, ...]] = ('point',)

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> 'Overrider':
        return self.at_point(self.width, top, targets)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': self.width, 'point': self.point}


@overrider
@dataclass(frozen=True, kw_only=True)
class DGQuantizer(_FixedPoint):
    """Dynamic fixed point: an update takes the least point, from -width to width, at which few enough values overflow."""

    width: int = argument(WIDTH)
    overflow_rate: float = argument(BELOW_ONE)

    profiles: ClassVar[tuple[str, ...]] = ('point',)

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> 'Overrider':
        return self.at_point(self.width, top, targets)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': self.width, 'point': NO_POINT}

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        return {'point': least_point(value, round(number(state['width'])), self.overflow_rate)}


@overrider
@dataclass(frozen=True, kw_only=True)
class CourbariauxQuantizer(_FixedPoint):
    """Dynamic fixed point that moves by one an update: up if too many values overflow, down if half as many again would do."""

    width: int = argument(WIDTH)
    overflow_rate: float = argument(BELOW_ONE)

    profiles: ClassVar[tuple[str, ...]] = ('point',)

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> 'Overrider':
        return self.at_point(self.width, top, targets)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': self.width, 'point': NO_POINT}

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        width, point = round(number(state['width'])), round(number(state['point']))
        rate = overflow(value, width, point)
        if rate > self.overflow_rate:
            return {'point': point + 1}
        return {'point': point - 1} if 2 * rate <= self.overflow_rate else {}


@overrider
@dataclass(frozen=True, kw_only=True)
class DGTrainableQuantizer(_FixedPoint):
    """Dynamic fixed point whose width the loss trains: where v is in range, the gradient to the width is ln 2 (v - q)."""

    overflow_rate: float = argument(BELOW_ONE)
    trainable: ClassVar[tuple[str, ...]] = ('width',)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': 16.0, 'point': NO_POINT}

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        return {'point': least_point(value, round(number(state['width'])), self.overflow_rate)}


def fixed(value: Tensor, width: Tensor, point: Tensor, stochastic: str | None = None) -> Tensor:
    """The formula above; a width that is no whole number is rounded first. value: float32."""
    width = rounded(tf.cast(width, tf.float32))
    scale = power_of_two(width - tf.cast(point, tf.float32))
    limit = power_of_two(width - 1)
    return tf.clip_by_value(rounded(value * scale, stochastic), -limit, limit - 1) / scale


def overflow(value: Array, width: int, point: int) -> float:
    """The share that `width` bits cannot hold of the values that round to other than zero."""
    scaled = np.round(np.ldexp(value.astype(np.float64), width - point))
    scaled = scaled[scaled != 0]
    limit = math.ldexp(1, width - 1)
    return float(np.mean((scaled < -limit) | (scaled > limit - 1))) if scaled.size else 0.0


def point_of(top: float) -> int:
    """The least point whose range, up to 2^(point - 1), holds magnitudes up to `top`.

    >>> [point_of(top) for top in (1.0, 1.01, 2.0, 0.25, 0.0)]
    [1, 2, 2, -1, 1]
    """
    fraction, exponent = math.frexp(top)
    return min(max(exponent + (fraction > 0.5), LEAST_POINT), MOST_POINT) if top else 1


def least_point(value: Array, width: int, overflow_rate: float) -> int:
    """The least point from -width to width at which the overflow is at most `overflow_rate`, else width."""
    points = range(-width, width + 1)
    return next((point for point in points if overflow(value, width, point) <= overflow_rate), width)
