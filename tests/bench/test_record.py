"""Percentiles and ratios against NumPy and plain arithmetic."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.bench.modes import Mode
from mayo.bench.record import Group, Sample, Timing, compare, crossover

SECONDS = st.floats(1e-6, 1e3)
MACS = {'dense': 1000, 'masked': 1100, 'compact': 400, 'static': 250}


def sample(
    network: str, engine: str, seconds: Any, outputs: tuple[float, float] | list[int] = (1.0, 2.0), peak: int = 10
) -> Sample:
    return Sample(Mode(network, engine), Timing.of([seconds]), peak, np.array(outputs))


@given(st.lists(SECONDS, min_size=1, max_size=40))
def test_percentiles_are_on_the_line_between_the_sorted_calls(seconds: Any) -> None:
    timing, points = Timing.of(seconds), np.sort(seconds)
    expected = [np.interp(part * (len(points) - 1), range(len(points)), points) for part in (0.5, 0.05, 0.95)]
    assert [timing.median, timing.p5, timing.p95] == pytest.approx(expected)
    assert timing.calls == len(seconds)


def test_speed_is_told_against_the_best_dense_and_the_best_static_engine() -> None:
    samples = [
        sample('dense', 'tensorflow', 4.0),
        sample('dense', 'openvino', 2.0),
        sample('compact', 'xla', 1.0),
        sample('static', 'xla', 0.8),
        sample('static', 'openvino', 0.5),
    ]
    slow, best, compact, _, static = compare(samples, MACS, batch_size=8)
    assert (slow.speedup, best.speedup, compact.speedup, static.speedup) == (0.5, 1.0, 2.0, 4.0)
    assert (compact.of_static, static.of_static) == (0.5, 1.0)
    assert (compact.macs, compact.images_per_second, compact.peak_bytes) == (400, 8.0, 10)


@given(dense=SECONDS, compact=SECONDS)
def test_efficiency_is_the_ratio_of_times_over_that_of_macs(dense: Any, compact: Any) -> None:
    _, timed = compare([sample('dense', 'xla', dense), sample('compact', 'xla', compact)], MACS, batch_size=1)
    assert timed.efficiency == pytest.approx((dense / compact) / (1000 / 400))


def test_without_a_dense_or_static_network_there_is_no_ratio() -> None:
    (timed,) = compare([sample('compact', 'xla', 1.0)], MACS, batch_size=1)
    assert (timed.speedup, timed.of_static, timed.efficiency, timed.difference) == (None, None, None, None)


def test_an_artifact_has_a_speed_but_no_macs() -> None:
    artifact = Sample(Mode('artifact', 'litert', 'a/net.tflite'), Timing.of([1.0]), 1, np.ones(3))
    timed = compare([sample('dense', 'xla', 2.0), artifact], MACS, batch_size=1)[1]
    assert (timed.label, timed.speedup) == ('net.tflite litert', 2.0)
    assert (timed.macs, timed.efficiency, timed.difference) == (None, None, None)


def test_outputs_are_compared_with_those_of_the_same_function() -> None:
    samples = [
        sample('dense', 'xla', 1, [9, 9]),
        sample('masked', 'tensorflow', 1, [1, -4]),
        sample('compact', 'xla', 1, [1, -2]),
        sample('dense', 'openvino', 1, [9, 0]),
        sample('static', 'xla', 1, [0, 0]),
        sample('static', 'openvino', 1, [0, 0]),
    ]
    assert [measurement.difference for measurement in compare(samples, MACS, 1)] == [None, None, 0.5, 1.0, None, 0.0]


def test_the_fastest_engine_of_a_network() -> None:
    group = Group(1, 0.5, 1000, compare([sample('dense', 'xla', 3), sample('dense', 'openvino', 2)], MACS, 1))
    assert group.fastest('dense').engine == 'openvino'
    assert group.fastest('static') is None


@pytest.mark.parametrize(
    'compact, expected',
    [
        ([3.0, 2.0, 0.0], 0.75),  # equal at a measured density
        ([3.0, 1.0, 0.0], 0.875),  # between two of them
        ([1.0, 1.0, 1.0], None),  # always faster
        ([3.0, 3.0, 3.0], None),  # never
    ],
)
def test_the_crossover_is_where_the_lines_meet(compact: list[float], expected: float | None) -> None:
    assert crossover([1.0, 0.75, 0.25], compact, [2.0, 2.0, 2.0]) == expected


def test_speedup_is_against_any_precision_and_of_dense_against_the_same() -> None:
    def timed(network: str, precision: str, seconds: float, output: float) -> Sample:
        return Sample(Mode(network, 'native', precision=precision), Timing.of([seconds]), 1, np.array([output]))

    samples = [
        timed('dense', 'float32', 4.0, 1.0),
        timed('dense', 'int8', 1.0, 1.2),
        timed('compact', 'float32', 2.0, 1.0),
        timed('compact', 'int8', 0.5, 1.1),
        timed('static', 'int8', 0.25, 7.0),
    ]
    ratios = {(ratio.network, ratio.precision): ratio for ratio in compare(samples, {'dense': 8, 'compact': 2, 'static': 2}, 1)}
    assert [ratios['compact', precision].speedup for precision in ('float32', 'int8')] == [0.5, 2.0]
    assert [ratios['compact', precision].of_dense for precision in ('float32', 'int8')] == [2.0, 2.0]
    assert [ratios['compact', precision].of_static for precision in ('float32', 'int8')] == [None, 0.5]
    assert ratios['dense', 'int8'].difference is None  # from float32 it may differ
