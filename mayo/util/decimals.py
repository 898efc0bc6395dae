"""Decimals as they were written: 0.28 of 100 is 28, although the floats' product is a little more."""

import decimal
import math

_DIGITS = 4  # of a density


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


def density_of(keep: int, channels: int) -> float:
    """A short decimal d with ceil(d C) = k: k / C rounded down.

    >>> density_of(32, 64), density_of(43, 192), density_of(192, 192)
    (0.5, 0.2239, 1.0)
    """
    return math.floor(round(keep * 10**_DIGITS / channels, 6)) / 10**_DIGITS
