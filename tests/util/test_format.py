"""Numbers and tables for people."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.util.format import count, fit, percent, short, size, table


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        (0, '0'),
        (999, '999'),
        (1000, '1.00k'),
        (9_994, '9.99k'),
        (9_996, '10.0k'),
        (99_940, '99.9k'),
        (99_960, '100k'),
        (999_400, '999k'),
        (999_600, '1.00M'),
        (174_301_824, '174M'),
        (15_470_264_320, '15.5G'),
        (10**21, '1000000P'),
    ],
)
def test_short_numbers_have_three_digits_and_a_unit(number: int, text: str) -> None:
    assert short(number) == text


@given(st.integers(1, 10**17))
def test_a_short_number_is_within_half_a_percent_and_five_letters(number: Any) -> None:
    text = short(number)
    scale = {'k': 1e3, 'M': 1e6, 'G': 1e9, 'T': 1e12, 'P': 1e15}
    value = float(text.rstrip('kMGTP')) * scale.get(text[-1], 1)
    assert value == pytest.approx(number, rel=0.006)
    assert len(text) <= 5


@pytest.mark.parametrize(
    ('number', 'text'),
    [(0, '0 B'), (1023, '1023 B'), (1024, '1.00 KiB'), (230_400, '225 KiB'), (1 << 20, '1.00 MiB'), (5 << 30, '5.00 GiB')],
)
def test_sizes_are_in_units_of_1024(number: int, text: str) -> None:
    assert size(number) == text


def test_counts_show_every_digit_and_percentages_two() -> None:
    assert (count(1234567), percent(1 / 3), percent(0.9054, 1)) == ('1,234,567', '33.33 %', '90.5 %')


def test_a_table_is_as_wide_as_its_cells_and_ends_no_line_in_spaces() -> None:
    text = table(['name', 'type', 'n'], [['a', 'conv', '1'], ['bb', '', '']], left=2, footer=[['total', '', '10']])
    assert text.splitlines() == [
        'name   type   n',
        '---------------',
        'a      conv   1',
        'bb',
        '---------------',
        'total        10',
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert table(['a', 'b'], []) == 'a  b\n----'


def test_a_row_of_another_length_is_a_defect() -> None:
    with pytest.raises(ValueError, match='shorter'):
        table(['a', 'b'], [['1', '2'], ['1']])


def test_a_text_fits_if_its_widest_line_does() -> None:
    assert fit('123\n12345', 5)
    assert not fit('123\n12345', 4)
    assert fit('12345', None)
    assert fit('', 0)
