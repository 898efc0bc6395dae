"""Which channels go: the smallest of all layers, within the limits, down to a density or a number of MACs."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.slim import Channels, Limits, choose_density, choose_macs, choose_widths
from mayo.util.errors import UserError

WIDTHS = (4, 6, 5)


def chain(scales: Any, pinned: Any = ()) -> Channels:
    """Layers a, b, c of WIDTHS, whose channels are all sets of their own."""
    ends = np.cumsum(WIDTHS)
    sets = {name: np.arange(end - width, end) for name, end, width in zip('abc', ends, WIDTHS, strict=True)}
    scale = np.array(scales, float)
    scale[list(pinned)] = np.inf
    return Channels(sets, scale, np.ones(len(scale), int), tuple('abc'))


RISING = chain(range(15))


def widths(channels: Any, choice: Any) -> list[Any]:
    return [int(choice.kept[channels.sets[name]].sum()) for name in channels.layers]


@pytest.mark.parametrize('density, dropped', [(1.0, 0), (0.8, 3), (0.79, 3), (0.6, 6), (0.2, 12)])
def test_the_smallest_scales_of_the_whole_network_go(density: float, dropped: int) -> None:
    """Layer a has the smallest, but keeps one."""
    choice = choose_density(RISING, density, Limits())
    assert np.flatnonzero(~choice.kept).tolist() == [index for index in range(15) if index not in (3, 9)][:dropped]
    assert choice.density == pytest.approx(1 - dropped / 15)
    assert choice.threshold == (None if dropped == 0 else np.flatnonzero(~choice.kept).max())


def test_the_order_does_not_depend_on_the_density() -> None:
    kept = [choose_density(RISING, density, Limits(2)).kept for density in (0.9, 0.7, 0.5, 0.4)]
    assert all((more >= less).all() for more, less in itertools.pairwise(kept))


@pytest.mark.parametrize('least, expected', [(1, [1, 1, 1]), (2, [2, 2, 2]), (5, [4, 5, 5]), (99, [4, 6, 5])])
def test_each_layer_keeps_its_minimum_or_all_it_has(least: int, expected: list[int]) -> None:
    assert widths(RISING, choose_density(RISING, 0.01, Limits(least))) == expected


@pytest.mark.parametrize('multiple, expected', [(1, [1, 3, 5]), (2, [2, 4, 5]), (4, [4, 4, 5]), (8, [4, 6, 5])])
def test_a_layer_gets_its_best_channels_back_up_to_the_multiple_or_to_all(multiple: int, expected: list[int]) -> None:
    choice = choose_density(RISING, 0.6, Limits(round_to=multiple))
    assert widths(RISING, choice) == expected
    best = [np.sort(RISING.scale[RISING.sets[name]])[::-1][:width] for name, width in zip('abc', expected, strict=True)]
    assert sorted(RISING.scale[choice.kept]) == sorted(np.concatenate(best))


def test_what_must_stay_is_not_counted() -> None:
    channels = chain(range(15), pinned=range(5))
    choice = choose_density(channels, 0.5, Limits())
    assert widths(channels, choice) == [4, 1, 5]
    assert choice.density == 0.5


def test_a_set_goes_whole_or_not_at_all() -> None:
    """The four channels of a are those of b's first four: of eleven scales, a set holds one or two."""
    sets = {'a': np.arange(4), 'b': np.arange(6), 'c': np.arange(6, 11)}
    channels = Channels(sets, np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0]), np.array([2] * 4 + [1] * 7), tuple('abc'))
    choice = choose_density(channels, 0.7, Limits())
    assert widths(channels, choice) == [2, 4, 5]
    assert choice.density == pytest.approx(11 / 15)  # 0.7 would cut through a set
    assert widths(channels, choose_density(channels, 0.7, Limits(round_to=3))) == [4, 6, 5]  # what b gets, a has, too


def macs(kept: Any) -> int:
    """Of the chain with an input and an output of one channel."""
    a, b, c = kept[:4].sum(), kept[4:10].sum(), kept[10:].sum()
    return int(a + a * b + b * c + c)


@given(st.integers(4, 62), st.integers(1, 2), st.lists(st.floats(0, 1), min_size=15, max_size=15))
def test_a_target_is_reached_with_as_many_channels_as_it_allows(target: Any, least: Any, scales: Any) -> None:
    channels = chain(scales)
    reachable = macs(choose_density(channels, 1e-9, Limits(least)).kept)
    if target < reachable:
        with pytest.raises(UserError, match=f'{reachable} MACs are left even if every channel goes that may'):
            choose_macs(channels, target, Limits(least), macs)
        return
    kept = choose_macs(channels, target, Limits(least), macs).kept
    assert macs(kept) <= target
    one_more = [choose_density(channels, density / 15, Limits(least)).kept for density in range(1, 16)]
    assert not any(macs(other) <= target and other.sum() > kept.sum() for other in one_more)


def test_a_target_that_the_network_meets_as_it_is_is_refused() -> None:
    with pytest.raises(UserError, match=r'slim.target_macs is 70, but the network has 63 MACs as it is; expected fewer\.'):
        choose_macs(RISING, 70, Limits(), macs)


def test_the_best_of_each_layer_stay_where_widths_are_given() -> None:
    choice = choose_widths(chain([3, 1, 2, 0, *range(11)]), {'a': 2, 'c': 4}, Limits())
    assert np.flatnonzero(~choice.kept).tolist() == [1, 3, 10]
    assert choice.density == pytest.approx(12 / 15)


def test_all_widths_that_cannot_be_are_named_at_once() -> None:
    tied = Channels({**RISING.sets, 'd': RISING.sets['c']}, RISING.scale, RISING.counted, tuple('abcd'))
    with pytest.raises(UserError) as error:
        choose_widths(tied, {'a': 5, 'b': 2, 'c': 3, 'aa': 1}, Limits(of_layer={'b': 3}))
    assert str(error.value).splitlines() == [
        'slim.channels.a is 5, expected 1 to 4.',
        'slim.channels.b is 2, expected 3 to 6.',
        'slim.channels.c is 3, but the channels of c are tied to those of other layers, or to the outputs; '
        'choose with slim.density.',
        'slim.channels: no layer `aa` has weights; did you mean a?',
    ]


def test_a_gated_layer_keeps_as_many_as_its_gate_picks() -> None:
    assert widths(RISING, choose_density(RISING, 0.01, Limits(of_layer={'a': 3, 'c': 2}))) == [3, 1, 2]
