"""ceil_decimal against exact fractions."""

import fractions
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.util.decimals import ceil_decimal


@pytest.mark.parametrize(
    ('fraction', 'count', 'kept'),
    [
        (0.28, 100, 28),
        (0.07, 100, 7),
        (0.5, 3, 2),
        (1.0, 64, 64),
        (0.01, 10, 1),
        (0.29, 100, 29),
        (1e-9, 64, 1),
        (0.0, 5, 0),
        (0.55, 100, 55),
        (0.1, 10, 1),
        (1, 7, 7),
    ],
)
def test_the_ceiling_is_that_of_the_decimal_as_written(fraction: float, count: int, kept: int) -> None:
    assert ceil_decimal(fraction, count) == kept


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 10**5))
def test_it_agrees_with_exact_fractions(digits: Any, places: Any, count: Any) -> None:
    exact = fractions.Fraction(digits, 10**places)
    assert ceil_decimal(float(f'{digits}e-{places}'), count) == math.ceil(exact * count)


@pytest.mark.parametrize('fraction', [math.inf, math.nan])
def test_numbers_that_are_not_finite_are_refused(fraction: Any) -> None:
    with pytest.raises(ValueError, match='is not a finite number'):
        ceil_decimal(fraction, 3)
