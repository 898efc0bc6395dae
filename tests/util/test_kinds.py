"""What a value may be: the one vocabulary, against every kind of value that YAML can hold."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.util import kinds
from mayo.util.errors import UserError
from mayo.util.kinds import Kind, choice, each, is_number, number, or_null, pair_of, shown, when, whole

HUGE = 10**400  # a whole number that no float can hold
NO_NUMBERS = [math.nan, math.inf, -math.inf, HUGE, -HUGE, True, False, None, '', '1', 'nan', [], [1], {}, {'a': 1}]
NUMBERS = {
    'NUMBER': kinds.NUMBER,
    'AMOUNT': kinds.AMOUNT,
    'ABOVE_ZERO': kinds.ABOVE_ZERO,
    'FRACTION': kinds.FRACTION,
    'BELOW_ONE': kinds.BELOW_ONE,
    'number': number('a number below 3', lambda value: value < 3),
    'whole': whole(),
    'whole(0)': whole(0),
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6
)
ALL = [
    *NUMBERS.values(),
    kinds.FLAG,
    kinds.TEXT,
    kinds.MAPPING,
    choice('a', 'b'),
    each(kinds.NUMBER),
    each(choice('a'), least=0),
    or_null(whole(1)),
    pair_of(whole(0), 'a whole number, or [height, width]'),
    when('odd', lambda value: isinstance(value, int) and value % 2 == 1),
]


@pytest.mark.parametrize('value', NO_NUMBERS, ids=lambda value: shown(value)[:20])
@pytest.mark.parametrize('name', NUMBERS)
def test_no_kind_of_number_takes_what_is_none(name: str, value: object) -> None:
    assert not NUMBERS[name].fits(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_every_finite_number_is_one(value: float) -> None:
    assert is_number(value)
    assert kinds.NUMBER.read(value) is value
    assert kinds.AMOUNT.fits(value) == (value >= 0)
    assert kinds.ABOVE_ZERO.fits(value) == (value > 0)
    assert kinds.FRACTION.fits(value) == (0 < value <= 1)
    assert kinds.BELOW_ONE.fits(value) == (0 <= value < 1)


@given(st.integers(-(2**53), 2**53), st.sampled_from([int, float]), st.integers(-3, 3))
def test_a_whole_number_may_be_written_with_a_point(value: int, written: Callable[[int], float], least: int) -> None:
    assert whole().read(written(value)) == value
    assert isinstance(whole().read(written(value)), int)
    assert whole(least).fits(written(value)) == (value >= least)


@pytest.mark.parametrize('value', [2**53 + 2, 10**19, 1e30])
def test_a_whole_number_that_libraries_do_not_hold_is_told_the_most(value: float) -> None:
    with pytest.raises(UserError, match=r'^at: x is \S+, expected a whole number from 0 up, at most 9007199254740992\.$'):
        whole(0).checked(value, 'at: x')
    assert not whole(0).fits(value)


@given(st.floats(-1e9, 1e9).filter(lambda value: value != int(value)))
def test_a_number_with_a_fraction_is_not_whole(value: float) -> None:
    assert not whole().fits(value)


@pytest.mark.parametrize('kind', ALL, ids=lambda kind: kind.expected)
@given(value=VALUES)
def test_every_value_is_read_or_refused_with_a_sentence(kind: Kind, value: Any) -> None:
    if kind.fits(value):
        assert kind.fits(kind.checked(value, 'here'))
        return
    with pytest.raises(UserError) as caught:
        kind.checked(value, 'here')
    assert str(caught.value).startswith(f'here is {shown(value)}, expected {kind.expected}')


def test_the_nearest_name_is_told_with_the_choice() -> None:
    with pytest.raises(UserError) as caught:
        choice('batch', 'channel').checked('bacth', 'x.yaml:3: norm')
    assert str(caught.value) == 'x.yaml:3: norm is bacth, expected one of batch, channel; did you mean batch?'
    with pytest.raises(UserError) as caught:
        or_null(choice('batch')).checked(3, 'norm')
    assert str(caught.value) == 'norm is 3, expected one of batch, or null.'


@pytest.mark.parametrize('value', ['a', True, 1, None, ['a'], {'a': 1}])
def test_a_choice_is_one_of_its_names(value: object) -> None:
    assert choice('a', 'b').fits(value) == (value == 'a')


def test_a_list_is_read_item_by_item_and_may_be_empty_only_if_that_is_said() -> None:
    assert each(whole(1)).read([1, 2.0]) == [1, 2]
    assert not each(whole(1)).fits([])
    assert each(whole(1), least=0).read([]) == []
    assert not each(whole(1), least=0).fits([1, 0])
    assert not each(kinds.TEXT).fits('abc')


def test_a_pair_is_one_value_for_both_or_a_list_of_two() -> None:
    pair = pair_of(whole(1), 'a whole number, or [height, width]')
    assert (pair.read(3), pair.read([3.0, 4]), pair.read((1, 2))) == ((3, 3), (3, 4), (1, 2))
    assert not any(map(pair.fits, ([3], [1, 2, 3], [0, 1], 'ab', None, {1: 2, 3: 4})))


def test_null_is_taken_only_where_that_is_said() -> None:
    assert or_null(kinds.NUMBER).read(None) is None
    assert or_null(whole(1)).read(2.0) == 2
    assert not or_null(kinds.NUMBER).fits(math.nan)


@pytest.mark.parametrize(
    ('value', 'text'),
    [(math.nan, '.nan'), (-math.inf, '-.inf'), (' ', "' '"), ({'a': [True, None]}, '{a: [true, null]}'), ((1, 'b'), '[1, b]')],
)
def test_values_are_shown_as_yaml_writes_them(value: object, text: str) -> None:
    assert shown(value) == text
