"""Decimals as they were written: 0.28 of 100 is 28, although the floats' product is a little more."""
import decimal
import math


def ceil_decimal(fraction: float, count: int) -> int:
    """`ceil(fraction * count)` computed exactly, on the shortest decimal that reads as `fraction`.

    fraction: finite, else ValueError; count: an integer.

    >>> ceil_decimal(0.28, 100), math.ceil(0.28 * 100)
    (28, 29)
    """
    if not math.isfinite(fraction):
        raise ValueError(f'{fraction} is not a finite number')
    numerator, denominator = decimal.Decimal(str(fraction)).as_integer_ratio()
    return -(-numerator * count // denominator)
