"""The picture needs matplotlib, and says so."""

import pathlib
from typing import Any

import numpy as np
import pytest

from mayo.bench import Subject, plot
from mayo.bench.modes import Mode
from mayo.bench.record import Bench, Group, Sample, Timing, compare
from mayo.net.gates import without_gates
from mayo.net.tf.engines import engines
from mayo.util import picture
from mayo.util.errors import RunError


def test_without_matplotlib_there_is_a_message(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, 'missing', lambda packages: packages)
    with pytest.raises(RunError, match=r'^bench\.plot needs matplotlib, which is not installed; pip install \.\[bench\]$'):
        plot.check(subject.graph)


def test_without_gates_there_is_nothing_to_draw(subject: Subject) -> None:
    with pytest.raises(RunError, match=r'^bench\.plot draws time over density, but the network has no gates\.$'):
        plot.check(without_gates(subject.graph))


@pytest.mark.parametrize('ending', ['png', 'svg'])
def test_a_picture_with_a_panel_for_each_batch_size(ending: str, tmp_path: pathlib.Path) -> None:
    pytest.importorskip('matplotlib')
    path = tmp_path / f'crossover.{ending}'
    groups = tuple(group(size, density) for size in (1, 8) for density in (1.0, 0.5))
    plot.plot(Bench('tiny', (8, 8, 2), 'random', 2, groups, ()), path)
    assert path.read_bytes()[:5] in (b'\x89PNG\r', b'<?xml')


def group(size: Any, density: float) -> Group:
    times = {
        ('dense', 'xla'): 2.0,
        ('compact', 'xla'): 3 * density,
        ('compact', 'openvino'): 2.5 * density,
        ('static', 'xla'): density,
    }
    samples = [Sample(Mode(*mode), Timing.of([time]), 1, np.ones(3)) for mode, time in times.items()]
    return Group(size, density, 1000, compare(samples, {'dense': 1000, 'compact': 500, 'static': 400}, size))


def test_lines_are_told_apart_without_colours() -> None:
    assert len({dashes for _, dashes in plot.LINES.values()}) == len(plot.LINES)
    assert len({engines[name].marker for name in engines}) == len(engines)
