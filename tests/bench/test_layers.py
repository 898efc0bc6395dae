"""bench.layers: the time of each layer beside its multiply-accumulates."""

import pathlib
from collections.abc import Mapping

import numpy as np
import pytest

from mayo.bench import Group, Mode, Plan, Subject, latency
from mayo.bench.layers import layer_times
from mayo.bench.modes import macs_of
from mayo.bench.record import Bench, LayerTime
from mayo.bench.render import as_table
from mayo.net.gates import at_density
from mayo.net.tf.compact.native import library


def test_values_of_a_layer_are_added_up_and_the_first_round_does_not_count() -> None:
    turns = iter([9.0, 1.0, 3.0, 2.0])

    def clock(image: np.ndarray) -> Mapping[str, float]:
        assert image.shape == (1, 2, 2, 1)
        own = next(turns)
        return {'conv1': own, 'conv10/full': 10.0, 'conv10': 10.0, 'conv1/centred': own}

    macs = {'compact native': {'conv1': 5, 'conv10': 7}}
    times = layer_times({'compact native': clock}, macs, ['conv1', 'conv10'], np.zeros((2, 2, 2, 1)), 3)
    assert times == (LayerTime('compact native', 'conv1', 5, 4.0), LayerTime('compact native', 'conv10', 7, 20.0))


def test_a_table_for_each_mode_has_shares_and_rates() -> None:
    layers = (
        LayerTime('dense native', 'conv', 3_000_000, 0.003),
        LayerTime('dense native', 'pool', 0, 0.001),
        LayerTime('static native', 'conv', 1_000_000, 0.001),
    )
    bench = Bench('net', (2, 2, 1), 'random weights', 1, (Group(1, 0.5, 3_000_000, (), None, layers),), ())
    text = as_table(bench)
    rows = [' '.join(line.split()) for line in text.splitlines()]
    assert 'dense native ms of all MACs GMAC/s' in rows
    assert 'conv 3.00 75.0 % 3,000,000 1.00' in rows
    assert 'pool 1.00 25.0 % - -' in rows
    assert 'all layers, one image 4.00 100.0 % 3,000,000 0.750' in rows
    assert rows.index('static native ms of all MACs GMAC/s') > rows.index('pool 1.00 25.0 % - -')


@pytest.mark.skipif(library() is None, reason='the native engine was not built: there is no C compiler')
def test_every_layer_that_multiplies_is_timed(subject: Subject, tmp_path: pathlib.Path) -> None:
    graph = at_density(subject.graph, 0.5)
    files = latency._Files(subject, graph, 1, tmp_path)
    rows = latency._layers(files, graph, [Mode('compact', 'native')], Plan(rounds=1, images=2), 1)
    assert {row.label for row in rows} == {'compact native'}
    assert sum(row.macs for row in rows) == macs_of(graph, subject.input_shape)['compact']
    assert all(row.seconds > 0 for row in rows)
