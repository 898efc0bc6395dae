"""Which networks are measured, in which engines, and what each computes."""

import pytest

from mayo.bench import Subject
from mayo.bench.modes import NETWORKS, Mode, densities_of, macs_of, modes_of
from mayo.config import Config
from mayo.estimate import estimate
from mayo.net.gates import at_density, without_gates
from mayo.net.tf.engines import engines, of_file, of_networks
from mayo.util import settings


def test_the_settings_allow_the_networks_and_engines_that_there_are() -> None:
    kinds = {key: setting.kind for key, setting in settings.settings().items()}
    running = [name for name in engines if engines[name].compact]
    assert kinds['bench.networks'].expected.endswith(f'one of {", ".join(NETWORKS)}')
    assert set(kinds['bench.engines'].names) == set(of_networks())
    assert kinds['system.engine'].expected == f'one of {", ".join(["auto", *running])}'
    assert set(Config.default().get('bench.engines')) <= set(of_networks())


def test_every_network_runs_in_every_engine_but_masked_in_that_of_training() -> None:
    modes = modes_of(NETWORKS, of_networks(), [])
    assert len(modes) == 16
    assert [mode for mode in modes if mode.network == 'masked'] == [Mode('masked', 'tensorflow')]


@pytest.mark.parametrize('path, engine', [('a/b.onnx', 'onnxruntime'), ('b.tflite', 'litert'), ('a/saved', 'tensorflow')])
def test_an_artifact_runs_where_its_format_does(path: str, engine: str) -> None:
    assert of_file(path) == engine
    assert engine in engines
    (mode,) = modes_of([], of_networks(), [path])
    assert mode.label == f'{path.rpartition("/")[2]} {engine}'


def test_every_gate_gets_the_density(subject: Subject) -> None:
    assert densities_of(subject.graph) == {0.5}
    assert densities_of(at_density(subject.graph, 0.25)) == {0.25}
    assert densities_of(at_density(subject.graph, None)) == {0.5}
    assert densities_of(without_gates(subject.graph)) == set()


def test_macs_of_every_network(subject: Subject) -> None:
    conv0, conv1, logits = 64 * 9 * 2 * 6, 64 * 9 * 6 * 4, 4 * 3
    macs = macs_of(subject.graph, subject.input_shape)
    assert macs['dense'] == conv0 + conv1 + logits
    assert macs['masked'] == macs['dense'] + 2 * 6 + 64 * 6 + 6 * 4 + 64 * 4
    assert macs['static'] == conv0 // 2 + conv1 // 4 + logits // 2
    assert macs['compact'] == macs['static'] + 2 * 6 + 64 * 3 + 3 * 4 + 64 * 2
    assert macs['compact'] == sum(cost.executed for cost in estimate(subject.graph, subject.input_shape))


def test_precisions_are_measured_in_the_engines_and_networks_that_have_them() -> None:
    modes = modes_of(NETWORKS, ('tensorflow', 'onnxruntime', 'openvino', 'native'), [], ('float32', 'bfloat16', 'int8'))
    narrow = {(mode.network, mode.engine, mode.precision) for mode in modes if mode.precision != 'float32'}
    assert narrow == {
        *((network, 'native', precision) for network in ('dense', 'compact', 'static') for precision in ('bfloat16', 'int8')),
        *((network, 'openvino', 'bfloat16') for network in ('dense', 'compact', 'static')),
        *((network, engine, 'int8') for network in ('dense', 'static') for engine in ('onnxruntime', 'openvino')),
    }
    assert [mode for mode in modes if mode.precision == 'float32'] == modes_of(
        NETWORKS, ('tensorflow', 'onnxruntime', 'openvino', 'native'), []
    )
    assert Mode('dense', 'native', precision='int8').label == 'dense native int8'
