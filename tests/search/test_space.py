"""Choices that use up the MACs and never exceed them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.search import Space
from mayo.search.space import kept
from mayo.util.decimals import ceil_decimal


def macs(keeps: Any) -> Any:
    return keeps['a'] * keeps['b'] + 5 * keeps['b']


SPACE = Space({'a': 20, 'b': 50}, {'a': 10, 'b': 25}, macs)


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(6, 1300))
def test_a_choice_stays_within_the_budget_and_one_channel_more_of_everything_would_not(
    first: Any, second: Any, budget: Any
) -> None:
    keeps = SPACE.within({'a': first, 'b': second}, budget)
    assert 6 <= macs(keeps) <= budget
    assert all(1 <= keep <= SPACE.channels[name] for name, keep in keeps.items())
    more = {name: min(keep + 1, SPACE.channels[name]) for name, keep in keeps.items()}
    assert macs(more) > budget or more == keeps


def test_a_budget_that_one_channel_each_exceeds_has_no_choice() -> None:
    assert SPACE.within({'a': 1.0, 'b': 1.0}, 5) is None


@given(st.integers(1, 20), st.integers(1, 50))
def test_the_shares_of_a_choice_and_its_macs_give_it_again(first: Any, second: Any) -> None:
    keeps = {'a': first, 'b': second}
    again = SPACE.within(SPACE.shares(keeps), macs(keeps))
    assert macs(again) <= macs(keeps)
    assert all(abs(again[name] - keep) <= 1 for name, keep in keeps.items())


@pytest.mark.parametrize('density, channels', [(0.28, 100), (0.5, 64), (0.001, 10), (1.0, 7)])
def test_a_density_keeps_as_many_channels_as_the_gate_does(density: float, channels: int) -> None:
    assert kept(density, channels) == max(1, ceil_decimal(density, channels))
