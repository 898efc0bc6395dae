"""Floating point and powers of two, one value at a time in Python's numbers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.util.errors import UserError
from tests.override.conftest import gradients, make, run


def floated(value: float, exponent_bits: int, bias: int, mantissa: int) -> float:
    if abs(value) <= 2.0**-bias / 2:
        return 0.0
    fraction, exponent = math.frexp(abs(value))
    fraction, exponent = fraction * 2, exponent - 1  # frexp's fraction is in [1/2, 1)
    exponent = max(-bias, min(2**exponent_bits - 1 - bias, exponent))
    return math.copysign(2.0**exponent * round(fraction * 2**mantissa) / 2**mantissa, value)


@pytest.mark.parametrize('width, bias, mantissa', [(8, 2, 2), (6, 7, 3), (4, 5, 2), (3, 0, 3), (31, 127, 23)])
def test_floating_point_is_sign_exponent_and_mantissa(values: Any, width: int, bias: int, mantissa: int) -> None:
    quantizer = make('FloatingPointQuantizer', width=width, exponent_bias=bias, mantissa_width=mantissa)
    expected = [floated(float(value), width - mantissa, bias, mantissa) for value in values.ravel() * 2]
    assert run(quantizer, values * 2).ravel().tolist() == expected


@pytest.mark.parametrize('width, bias', [(4, 10), (3, 6), (2, 1), (1, 0)])
def test_shift_makes_powers_of_two(values: Any, width: int, bias: int) -> None:
    quantizer = make('ShiftQuantizer', width=width, exponent_bias=bias, overflow_rate=0.0)
    result = run(quantizer, values)
    assert result.ravel().tolist() == [floated(float(value), width, bias, 0) for value in values.ravel()]
    assert set(np.frexp(np.abs(result[result != 0]))[0].tolist()) <= {0.5}


def test_a_value_halfway_between_two_powers_goes_up() -> None:
    assert run(make('ShiftQuantizer', width=4, bias=8, overflow_rate=0), [1.49, 1.5, -3.0, 0.7]).tolist() == [1, 2, -4, 0.5]


@given(st.floats(-1e4, 1e4, width=32), st.integers(0, 6), st.integers(0, 5), st.integers(-4, 20))
def test_any_value_comes_out_as_the_formula_has_it(value: float, mantissa: int, exponent_bits: int, bias: int) -> None:
    quantizer = make(
        'FloatingPointQuantizer', width=max(mantissa + exponent_bits, 1), exponent_bias=bias, mantissa_width=mantissa
    )
    bits = max(mantissa + exponent_bits, 1) - mantissa
    value = 0.0 if abs(value) < 2.0**-120 else value
    assert quantizer.overridden(np.float32(value), quantizer.initial(())).numpy() == floated(value, bits, bias, mantissa)


def test_the_gradient_is_that_of_the_value() -> None:
    quantizer = make('ShiftQuantizer', width=3, exponent_bias=2, overflow_rate=0.0)
    assert gradients(quantizer, [0.3, -100.0, 0.001], upstream=[1.0, 2.0, 3.0]).tolist() == [1, 2, 3]


def best(values: Any, exponent_bits: int, rate: float) -> int:
    span = int(2**exponent_bits)
    for exponent in range(min(-span, -4), max(span, 10)):
        if np.mean(np.abs(values.astype(float)) > 2.0 ** (exponent + 1)) <= rate:
            return span - 1 - exponent
    raise AssertionError


@pytest.mark.parametrize('width, rate', [(4, 0.0), (4, 0.1), (2, 0.0), (6, 0.02)])
def test_an_update_takes_the_least_exponents_with_little_overflow(values: Any, width: int, rate: float) -> None:
    quantizer = make('ShiftQuantizer', width=width, bias=-3, overflow_rate=rate)
    state = quantizer.updated(values, quantizer.initial(values.shape))
    assert state['ShiftQuantizer.exponent_bias'] == best(values, width, rate)
    quantizer = make('FloatingPointQuantizer', width=width, exponent_bias=0, mantissa_width=1, overflow_rate=rate)
    state = quantizer.updated(values, quantizer.initial(values.shape))
    assert state['FloatingPointQuantizer.exponent_bias'] == best(values, width - 1, rate)


def test_parts_that_do_not_fit_each_other_are_told() -> None:
    with pytest.raises(UserError, match='width 4 less mantissa_width 5 leaves -1 bits for the exponent, expected 0 to 9'):
        make('FloatingPointQuantizer', width=4, exponent_bias=0, mantissa_width=5)
    with pytest.raises(UserError, match='width is 16, expected at most 9'):
        make('ShiftQuantizer', width=16, exponent_bias=0, overflow_rate=0)


def test_the_sign_is_one_bit_more_than_the_width() -> None:
    quantizer = make('ShiftQuantizer', width=4, exponent_bias=2, overflow_rate=0.0)
    assert quantizer.bits_of(quantizer.initial((3,))) == 5
