"""Each layer by itself, and what that suggests."""

from typing import Any

import pytest

from mayo.search import Space, measure


def test_every_layer_is_measured_by_itself_and_the_configuration_once(space: Space, evaluate: Any) -> None:
    lines: list[Any] = []
    sensitivity = measure(space, [0.25, 0.5], evaluate, lines.append)
    assert evaluate.asked[0] == space.configured
    assert len(evaluate.asked) == 1 + 3 * 2, 'at 0.25 and 1, each; 0.5 is the configuration'
    assert all(sum(keeps[name] != space.configured[name] for name in keeps) == 1 for keeps in evaluate.asked[1:])
    assert [row[0] for row in sensitivity.table['conv1']] == [8, 16, 32]
    assert sensitivity.excess('conv1', 32) == pytest.approx(-0.25)
    assert sensitivity.excess('conv1', 12) == pytest.approx(((1 - 0.25) ** 2 - 0.25) / 2), 'halfway between two measured points'
    assert lines[0] == 'as configured: top-1 87.25 %, loss 1.2750'
    assert lines[2] == '2 of 3, conv1, top-1 at density 0.25: 84.12 %, 0.5: 87.25 %, 1: 89.75 %'


def test_the_layer_that_needs_little_gives_most(space: Space, evaluate: Any) -> None:
    sensitivity = measure(space, [0.125, 0.25, 0.5, 0.75], evaluate)
    keeps = sensitivity.lean(space, 600)
    assert space.macs(keeps) <= 600
    densities = {name: keep / space.channels[name] for name, keep in keeps.items()}
    assert densities['conv0'] >= densities['conv1'] > densities['conv2']


def test_a_budget_below_all_leaves_one_channel_each(space: Space, evaluate: Any) -> None:
    sensitivity = measure(space, [0.5], evaluate)
    assert sensitivity.lean(space, 0) == {'conv0': 1, 'conv1': 1, 'conv2': 1}
