"""Floating point of few bits, and its case without a fraction: powers of two, with which a product is a shift.

    E = width - mantissa_width bits of exponent with bias B, M = mantissa_width bits of fraction; the sign is one bit more
    e = floor(log2 |v|)     m = |v| / 2^e     q = sign(v) 2^clip(e, -B, 2^E - 1 - B) round(m 2^M) / 2^M
    q = 0 where |v| <= 2^-B / 2

A value too large keeps its m at the top exponent. The gradient is that of the value itself.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from mayo.override.base import Around, Array, Overrider, Quantizer, State, Tensor, argument, number, numbers_shown, overrider
from mayo.override.rounding import STOCHASTIC, exponent_of, power_of_two, rounded, straight_through
from mayo.util.kinds import BELOW_ONE, whole_between
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')

WIDTH = whole_between(1, 32)
MOST_MANTISSA = 23
MANTISSA = whole_between(0, MOST_MANTISSA)
LEAST_BIAS, MOST_BIAS = -512, 512
BIAS = whole_between(LEAST_BIAS, MOST_BIAS)
MOST_EXPONENT_BITS = 9


@dataclass(frozen=True, kw_only=True)
class _Floating(Quantizer):
    """Abstract: the formula and the search for the bias."""

    width: int = argument(WIDTH)
    exponent_bias: int = argument(BIAS)
    stochastic: str | None = argument(STOCHASTIC, None)

    old_names: ClassVar[Mapping[str, str]] = {'bias': 'exponent_bias'}

    def apply(self, value: Tensor, state: State) -> Tensor:
        parts = state['width'], state['exponent_bias'], state['mantissa_width']
        return straight_through(lambda value: floating(value, *parts, self.stochastic), value)

    def bits(self, state: State) -> float:
        return number(state['width']) + 1

    def shown(self, state: State) -> Mapping[str, str]:
        return numbers_shown(state, ('mantissa_width', 'exponent_bias'))

    def is_random(self) -> bool:
        return self.stochastic is not None

    def bias(self, value: Array, state: State, overflow_rate: float) -> Mapping[str, Any]:
        """The bias of the least exponents at which few enough values are too large."""
        return {
            'exponent_bias': best_bias(value, round(number(state['width']) - number(state['mantissa_width'])), overflow_rate)
        }


@overrider
@dataclass(frozen=True, kw_only=True)
class FloatingPointQuantizer(_Floating):
    """Floating point."""

    mantissa_width: int = argument(MANTISSA)
    overflow_rate: float = argument(BELOW_ONE, 0.0)

    profiles: ClassVar[tuple[str, ...]] = ('mantissa_width', 'exponent_bias')

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> Overrider:
        """Of each width of the fraction, or of the one that stays, the bias for `top`; the one of least square error."""
        least, most = max(0, self.width - MOST_EXPONENT_BITS), min(self.width, MOST_MANTISSA)
        widths = range(least, most + 1) if 'mantissa_width' in targets else [self.mantissa_width]
        tried = [
            replace(
                self,
                mantissa_width=mantissa,
                exponent_bias=bias_of(top, self.width - mantissa) if 'exponent_bias' in targets else self.exponent_bias,
            )
            for mantissa in widths
        ]
        return min(tried, key=lambda candidate: candidate.square_error(sample))

    def square_error(self, sample: Array) -> float:
        """mean (q - v)^2"""
        parts = (tf.constant(part, tf.float32) for part in (self.width, self.exponent_bias, self.mantissa_width))
        return float(np.mean(np.square(floating(tf.constant(sample, tf.float32), *parts).numpy() - sample)))

    def problem(self) -> str | None:
        exponent = self.width - self.mantissa_width
        if 0 <= exponent <= MOST_EXPONENT_BITS:
            return None
        return (
            f'width {self.width} less mantissa_width {self.mantissa_width} leaves {exponent} bits for the exponent, '
            f'expected 0 to {MOST_EXPONENT_BITS}'
        )

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        parts = {'width': self.width, 'exponent_bias': self.exponent_bias, 'mantissa_width': self.mantissa_width}
        return {name: float(part) for name, part in parts.items()}

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        return self.bias(value, state, self.overflow_rate)


@overrider
@dataclass(frozen=True, kw_only=True)
class ShiftQuantizer(_Floating):
    """Powers of two: floating point without a fraction, so that m, rounded, is 1 or 2."""

    overflow_rate: float = argument(BELOW_ONE)

    profiles: ClassVar[tuple[str, ...]] = ('exponent_bias',)

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> Overrider:
        return replace(self, exponent_bias=bias_of(top, self.width)) if 'exponent_bias' in targets else self

    def problem(self) -> str | None:
        if self.width <= MOST_EXPONENT_BITS:
            return None
        return f'width is {self.width}, expected at most {MOST_EXPONENT_BITS}: all are bits of the exponent'

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'width': float(self.width), 'exponent_bias': float(self.exponent_bias), 'mantissa_width': 0.0}

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        return self.bias(value, state, self.overflow_rate)


def floating(value: Tensor, width: Tensor, bias: Tensor, mantissa: Tensor, stochastic: str | None = None) -> Tensor:
    """The formula above. value: float32; the parts are floats that hold whole numbers."""
    exponent = exponent_of(value)
    fraction = rounded(tf.abs(value) * power_of_two(-exponent) * power_of_two(mantissa), stochastic) / power_of_two(mantissa)
    top = power_of_two(width - mantissa) - 1 - bias
    magnitude = power_of_two(tf.clip_by_value(exponent, -bias, top)) * fraction
    return tf.where(tf.abs(value) <= power_of_two(-bias - 1), 0.0, tf.sign(value) * magnitude)


def bias_of(top: float, exponent_bits: int) -> int:
    """2^E - 1 - e for the least e with `top` < 2^(e + 1).

    >>> bias_of(0.9, 4), bias_of(1.0, 4), bias_of(0.0, 4)
    (16, 15, 15)
    """
    exponent = math.frexp(top)[1] - 1 if top else 0
    return min(max(2**exponent_bits - 1 - exponent, LEAST_BIAS), MOST_BIAS)


def best_bias(value: Array, exponent_bits: int, overflow_rate: float) -> int:
    """2^E - 1 - e for the least e with a share of |v| > 2^(e + 1) of at most `overflow_rate`."""
    span = 2**exponent_bits
    exponents = np.arange(min(-span, -4), max(span, 10))
    ascending = np.sort(np.abs(value), axis=None).astype(np.float64)
    larger = ascending.size - np.searchsorted(ascending, np.ldexp(1.0, exponents + 1), side='right')
    fitting = exponents[larger <= overflow_rate * ascending.size]
    least = int(fitting[0]) if fitting.size else int(exponents[-1])
    return int(span - 1 - least)
