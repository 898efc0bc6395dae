"""How unquoted text is typed."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.config.scalar import text_of, typed


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1', 1),
        ('-12', -12),
        ('+3', 3),
        ('1_000', 1000),
        ('010', 10),
        ('08', 8),
        ('0x1f', 31),
        ('0b11', 3),
        ('0o17', 15),
        ('1e-4', 1e-4),
        ('1E5', 1e5),
        ('1.5', 1.5),
        ('1.', 1.0),
        ('.5', 0.5),
        ('-.5e3', -500.0),
        ('.inf', math.inf),
        ('-.INF', -math.inf),
        ('true', True),
        ('False', False),
        ('YES', True),
        ('off', False),
        ('~', None),
        ('', None),
        ('Null', None),
    ],
)
def test_numbers_truths_and_nulls_are_typed(text: str, value: Any) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize(
    'text',
    [
        '1:30',
        '190:20:30',
        '2024-01-01',
        '0x',
        '0o',
        '1e',
        'e5',
        '.',
        '-',
        '+',
        '1.2.3',
        '1 2',
        'nan',
        'inf',
        'infinity',
        'tRue',
        'y',
        'n',
        '=',
        '<<',
        '_1',
        '0xg',
        '1__e',
        '١',
    ],
)
def test_everything_else_is_text(text: str) -> None:
    assert typed(text) == text


def test_nan_is_a_number() -> None:
    assert math.isnan(float(typed('.nan') or 0))


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(ValueError, match='a number of 5000 digits'):
        typed('1' * 5000)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)))
def test_text_of_a_value_reads_back_as_the_value(value: Any) -> None:
    again = typed(text_of(value))
    assert again == value
    assert type(again) is type(value)
