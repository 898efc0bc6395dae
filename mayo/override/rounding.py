"""Rounding that gradients pass through, and powers of two without rounding errors."""

import math
from collections.abc import Callable
from typing import Any

from mayo.override.base import Tensor
from mayo.util.kinds import Kind
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

_LEAST, _MOST = -126, 127  # exponents of float32
_FRACTION_BITS = 23


def _stochastic(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if value not in ('naive', 'ulp'):
        raise ValueError
    return str(value)


STOCHASTIC = Kind('naive, ulp, false or null', _stochastic, ('naive', 'ulp'))


def straight_through(function: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    """function(value), with the gradient of the value itself."""

    def passed(value: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        return function(value), tf.identity

    return tf.custom_gradient(passed)(value)


def rounded(value: Tensor, stochastic: str | None = None) -> Tensor:
    """The nearest whole number, halves to even, with the gradient of the value itself.

    stochastic: 'naive', up or down with the same probability; 'ulp', up with the fraction's probability.
    """

    def drawn(value: Tensor) -> Tensor:
        below = tf.floor(value)
        up = 0.5 if stochastic == 'naive' else value - below
        return tf.where(tf.random.uniform(tf.shape(value)) < up, tf.math.ceil(value), below)

    return straight_through(tf.round if stochastic is None else drawn, value)


def power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent exactly, for whole exponents as floats; its gradient is 2^exponent ln 2."""

    def power(exponent: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        biased = tf.cast(tf.clip_by_value(exponent, _LEAST, _MOST), tf.int32) + 127
        result = tf.bitcast(tf.bitwise.left_shift(biased, _FRACTION_BITS), tf.float32)
        return result, lambda upstream: upstream * result * math.log(2)

    return tf.custom_gradient(power)(tf.cast(exponent, tf.float32))


def exponent_of(value: Tensor) -> Tensor:
    """floor(log2 |v|) exactly, as float; no gradient. value: float32."""
    bits = tf.bitcast(tf.abs(value), tf.int32)
    return tf.cast(tf.bitwise.right_shift(bits, _FRACTION_BITS) - 127, tf.float32)
