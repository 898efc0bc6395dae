"""A run as a whole: what is left out and why, and real processes in turn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.bench import Plan, Subject, latency, measure
from mayo.bench.modes import Mode
from mayo.bench.record import Group, Sample, Timing, compare
from mayo.bench.worker import Ready
from mayo.util.errors import RunError
from mayo.util.files import IS_CHECKOUT


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes packages look as if they were not installed."""

    def forget(*names: Any) -> None:
        monkeypatch.setattr(latency, 'missing', lambda packages: [package for package in packages if package in names])

    return forget


def test_an_engine_that_is_not_installed_is_named_with_the_remedy(subject: Subject, without: Callable[..., None]) -> None:
    without('onnx', 'openvino')
    notes: list[Any] = []
    modes = latency._possible(subject, Plan(), notes)
    assert {mode.engine for mode in modes} == {'tensorflow', 'xla', 'native'}
    assert IS_CHECKOUT
    assert notes == [
        'onnxruntime is left out: not installed: onnx; install with:  pip install .[bench]',
        'openvino is left out: not installed: openvino, onnx; install with:  pip install .[bench]',
    ]


def test_an_exported_onnx_file_needs_no_package_that_makes_one(subject: Subject, without: Callable[..., None]) -> None:
    without('onnx', 'ai_edge_litert')
    notes: list[Any] = []
    plan = Plan(networks=['dense'], engines=['xla'], artifacts=['net.onnx', 'net.tflite'])
    assert latency._possible(subject, plan, notes) == [Mode('dense', 'xla'), Mode('artifact', 'onnxruntime', 'net.onnx')]
    assert notes == ['litert is left out: not installed: ai_edge_litert; install with:  pip install .[export]']


def test_nothing_to_measure_is_an_error(subject: Subject, without: Callable[..., None]) -> None:
    without('onnxruntime')
    with pytest.raises(RunError, match=r'nothing to measure\.\nonnxruntime is left out'):
        measure(subject, Plan(engines=['onnxruntime']))


def test_a_network_without_gates_is_measured_dense(subject: Subject) -> None:
    notes: list[Any] = []
    dense = latency.Subject('tiny', latency.without_gates(subject.graph), subject.input_shape, subject.weights, '')
    modes = latency._possible(dense, Plan(engines=['xla']), notes)
    assert modes == [Mode('dense', 'xla')]
    assert notes == ['tiny has no gates: there is only the dense network to measure']


def test_outputs_that_differ_and_masks_that_do_not_are_remarked() -> None:
    samples = [
        Sample(Mode('masked', 'tensorflow'), Timing.of([1.0]), 1, np.full(3, 1.0)),
        Sample(Mode('compact', 'xla'), Timing.of([1.0]), 1, np.full(3, 0.9)),
    ]
    group = Group(4, 0.5, 10, compare(samples, {'dense': 10}, 4), 0.0)
    same, differ = latency._remarks(group)
    assert same.startswith('every image has the same mask')
    assert differ.startswith('compact xla: outputs differ by 10.0 % of the largest (batch 4)')


def test_a_mode_that_breaks_is_left_out_and_the_others_go_on(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Fake:
        """A worker that breaks in its second turn if its mode is compact."""

        def __init__(self, job: Any, log: Any) -> None:
            self.network = log.stem.split()[0]

        def ready(self) -> Ready:
            return Ready(np.ones(3), 0.25 if self.network == 'masked' else None)

        def turn(self) -> list[float]:
            calls.append(self.network)
            if self.network == 'compact' and calls.count('compact') > 1:
                raise RunError('it broke')
            return [0.1 if self.network == 'masked' else 0.2]

        def stop(self) -> int:
            if self.network == 'compact':
                raise RunError('it broke')
            return 5

        def kill(self) -> None:
            calls.append('killed')

    monkeypatch.setattr(latency, 'Worker', Fake)
    monkeypatch.setattr(latency._Files, 'of', lambda self, mode: mode.network)
    monkeypatch.setattr(latency, 'PAUSE', 0)
    bench = measure(subject, Plan(batch_sizes=[1, 2], densities=[1.0, 0.5], engines=['tensorflow'], rounds=3))
    assert [(group.batch_size, group.density, group.mask_change) for group in bench.groups] == [
        (1, 1.0, 0.25),
        (1, 0.5, 0.25),
        (2, 1.0, 0.25),
        (2, 0.5, 0.25),
    ]
    assert [(timed.network, timed.speedup, timed.seconds.calls) for timed in bench.groups[0].measurements] == [
        ('dense', 1.0, 3),
        ('masked', 2.0, 3),
        ('static', 1.0, 3),
    ]
    assert bench.notes == ('compact tensorflow is left out: it broke',)
    assert (calls.count('killed'), calls.count('dense')) == (16, 16)
