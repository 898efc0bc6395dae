"""The table fits the screen, and the JSON holds everything."""

import json

import numpy as np
import pytest

from mayo.bench.modes import Mode
from mayo.bench.record import Bench, Group, Sample, Timing, compare
from mayo.bench.render import render

MACS = {'dense': 174_301_824, 'masked': 176_000_000, 'compact': 44_155_840, 'static': 43_000_000}
TIMES = {
    ('dense', 'tensorflow'): 3.31,
    ('dense', 'onnxruntime'): 2.3,
    ('masked', 'tensorflow'): 4.1,
    ('compact', 'onnxruntime'): 1.15,
    ('static', 'onnxruntime'): 0.92,
}


@pytest.fixture
def bench() -> Bench:
    samples = [
        Sample(Mode(*mode), Timing.of([time / 1000 * part for part in (0.9, 1.0, 1.2)]), 610 << 20, np.ones(10))
        for mode, time in TIMES.items()
    ]
    groups = tuple(Group(size, 0.5, MACS['dense'], compare(samples, MACS, size), 0.2) for size in (1, 64))
    return Bench('cifarnet', (32, 32, 3), 'random weights', 2, groups, ('openvino is left out: ' + 'because ' * 12,))


@pytest.mark.parametrize('width', [80, 100, 160])
def test_the_table_fits_the_screen(bench: Bench, width: int) -> None:
    assert max(map(len, render(bench, width=width).splitlines())) <= width


def test_a_wide_screen_has_every_column_and_a_narrow_one_the_ratios(bench: Bench) -> None:
    wide, narrow = render(bench, width=160), render(bench, width=80)
    assert all(name in wide for name in ('p5', 'p95', 'memory'))
    assert ' p95 ' not in narrow
    assert all(name in narrow for name in ('ms', 'images/s', 'speedup', 'of static', 'MACs', 'effic.'))


def test_a_row_says_how_fast_a_mode_is_and_against_what(bench: Bench) -> None:
    lines = render(bench, width=160).splitlines()
    row = next(line for line in lines if line.startswith('compact onnxruntime'))
    assert row.split() == ['compact', 'onnxruntime', '1.15', '1.05', '1.36', '870', '2.00x', '0.80x', '0.25', '0.51', '610MiB']


def test_the_head_says_what_was_measured(bench: Bench) -> None:
    text = render(bench)
    assert text.startswith('cifarnet on 32x32x3, random weights, float32, 2 threads\n')
    assert (
        'batch 64, density 0.5, 44,155,840 of 174,301,824 MACs executed (3.95x fewer), 20.0 % of active channels change '
        'from image to image\n'
    ) in text
    assert 'note: openvino is left out: because' in text


def test_a_memory_in_full_and_what_cannot_be_compared_in_json(bench: Bench) -> None:
    data = json.loads(render(bench, 'json'))
    assert [group['batch_size'] for group in data['groups']] == [1, 64]
    timed = data['groups'][0]['measurements'][3]
    assert (timed['network'], timed['engine'], timed['peak_bytes'], timed['macs']) == (
        'compact',
        'onnxruntime',
        610 << 20,
        44_155_840,
    )
    assert timed['seconds'] == pytest.approx({'median': 1.15e-3, 'p5': 1.0465e-3, 'p95': 1.357e-3, 'calls': 3})
    assert data['groups'][0]['measurements'][0]['difference'] is None
