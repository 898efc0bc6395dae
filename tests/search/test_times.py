"""Times of choices: what the table says is what a clock said, and it is checked against whole networks."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.config import Config
from mayo.net.gates import widths_of
from mayo.search.space import Space
from mayo.search.times import MIXED, Check, Times, Timing, measure, native_clock
from mayo.session.spec import input_shape, model_graph

CHANNELS = {'conv0': 6, 'conv1': 6}


@pytest.fixture
def network(config_of: Callable[..., Config]) -> Any:
    config = config_of(gated=True)
    return model_graph(config), input_shape(config)


class Clock:
    """Whose layers take a formula of what they read and put out, and whole networks 0.2 ms more, times `drift` at last."""

    def __init__(self, drift: float = 1.0) -> None:
        self.asked: list[Any] = []
        self.drift = drift

    def layers(self, keeps: Any) -> dict[str, float]:
        first, second = keeps['conv0'], keeps['conv1']
        own = {'conv0': 0.1 + 0.02 * first, 'conv1': 0.05 + 0.01 * first * second, 'logits': 0.001 * second}
        return {'drop': 0.0, 'pool': 0.0, **own}

    def __call__(self, keeps: Any) -> Timing:
        self.asked.append(dict(keeps))
        layers = self.layers(keeps)
        return Timing(layers, (0.2 + sum(layers.values())) * (self.drift if len(self.asked) > 2 * (8 + MIXED) else 1))


def test_the_table_tells_the_time_of_choices_that_it_has_not_seen(network: Any) -> None:
    clock = Clock()
    times = measure(network[0], network[1], CHANNELS, clock)
    for first in range(1, 7):
        for second in range(1, 7):
            keeps = {'conv0': first, 'conv1': second}
            assert times.ms(keeps) == pytest.approx(0.2 + sum(clock.layers(keeps).values()))
    assert not times.is_off
    assert 2 * len(times.checks) == len(clock.asked) - 2 * (8 + MIXED)


def test_the_checks_say_by_how_much_whole_networks_differ(network: Any) -> None:
    times = measure(network[0], network[1], CHANNELS, Clock(drift=1.25))
    assert times.is_off
    assert all(check.error == pytest.approx(-0.2) for check in times.checks)
    text = times.render()
    assert '(-20 %)' in text
    assert text.splitlines()[0].split() == [
        'ms',
        'at',
        'density',
        '0.125',
        '0.25',
        '0.375',
        '0.5',
        '0.625',
        '0.75',
        '0.875',
        '1.0',
    ]
    assert [line.split()[0] for line in text.splitlines()[2:-1]] == ['conv0', 'conv1', 'logits', 'whole']
    assert next(line for line in text.splitlines() if line.startswith('conv0')).split()[-1] == '0.220'


def test_what_disturbs_the_machine_for_a_while_does_not_get_into_the_table(network: Any) -> None:
    clock = Clock()

    def disturbed(keeps: Any) -> Timing:
        timing = clock(keeps)
        slower = 2 if 5 < len(clock.asked) < 12 else 1
        return Timing({name: slower * own for name, own in timing.layers.items()}, slower * timing.whole)

    times = measure(network[0], network[1], CHANNELS, disturbed)
    keeps = {'conv0': 2, 'conv1': 5}
    assert times.ms(keeps) == pytest.approx(0.2 + sum(clock.layers(keeps).values()))


@pytest.mark.parametrize('error, is_off', [(0.09, False), (-0.11, True)])
def test_a_tenth_is_how_much_a_check_may_be_off(network: Any, error: float, is_off: bool) -> None:
    times = Times(network[0], network[1], {}, 0, {}, [Check(1.0, 1.0), Check(1 + error, 1.0)])
    assert times.is_off == is_off


def test_a_budget_of_time_is_kept_to(network: Any) -> None:
    times = measure(network[0], network[1], CHANNELS, Clock())
    space = Space(CHANNELS, CHANNELS, lambda keeps: 1000 * sum(keeps.values()), times.ms)
    keeps = space.within({'conv0': 1.0, 'conv1': 0.5}, 0.6)
    assert keeps is not None
    assert times.ms(keeps) <= 0.6 < times.ms({name: keep + 1 for name, keep in keeps.items()})
    assert dataclasses.replace(space, time=None).price(keeps) == 1000 * sum(keeps.values())


def test_the_native_clock_times_every_layer_that_computes(config_of: Callable[..., Config]) -> None:
    from mayo.net.tf.compact import native
    from mayo.session.base import Session

    if native.library() is None:
        pytest.skip('the native engine was not built: there is no C compiler')
    session = Session(config_of(gated=True))
    weights = {name: np.asarray(value) for name, value in session.network.named_variables().items()}
    clock = native_clock(session.graph, session.input_shape, weights, widths_of(session.graph))
    timing = clock({'conv0': 3, 'conv1': 2})
    assert set(timing.layers) == {node.name for node in session.graph.nodes}
    assert all(timing.layers[name] > 0 for name in ('conv0', 'conv1', 'logits'))
    assert sum(timing.layers.values()) < 3 * timing.whole
