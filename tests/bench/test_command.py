"""`bench` as a user types it: real processes, one tiny network."""

import json
import pathlib

import pytest

from mayo.bench import Subject
from mayo.cli.main import main
from mayo.config import Config

MODES = {('dense', 'tensorflow'), ('masked', 'tensorflow'), ('compact', 'tensorflow')}


@pytest.fixture
def tiny_yaml(tmp_path: pathlib.Path, tiny_config: Config) -> str:
    path = tmp_path / 'tiny.yaml'
    path.write_text(tiny_config.to_yaml())
    return str(path)


def test_bench_measures_every_mode_in_its_own_process_and_draws_it(
    tiny_yaml: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('matplotlib')
    path, picture = tmp_path / 'bench.json', tmp_path / 'bench.svg'
    words = [
        tiny_yaml,
        'bench.networks=[dense,masked,compact]',
        'bench.engines=[tensorflow]',
        'bench.batch_sizes=[2]',
        'bench.densities=[0.5]',
        'bench.rounds=1',
        'bench.images=4',
        'bench.format=json',
        f'bench.path={path}',
        f'bench.plot={picture}',
        'bench',
    ]
    assert main(words) == 0
    assert picture.read_bytes()[:5] == b'<?xml'
    assert 'the weights of tiny are random' in capsys.readouterr().err
    bench = json.loads(path.read_text())
    (group,) = bench['groups']
    assert (bench['model'], bench['weights'], bench['notes']) == ('tiny', 'random weights', [])
    assert (group['batch_size'], group['density']) == (2, 0.5)
    assert group['mask_change'] > 0.05, 'random images have to have different masks'
    assert {(timed['network'], timed['engine']) for timed in group['measurements']} == MODES
    for timed in group['measurements']:
        assert 0 < timed['seconds']['p5'] <= timed['seconds']['median'] <= timed['seconds']['p95']
        assert timed['images_per_second'] == pytest.approx(2 / timed['seconds']['median'])
        assert timed['peak_bytes'] > 50 << 20
    compact = group['measurements'][2]
    assert compact['difference'] < 1e-5, 'compact and masked are one function'


@pytest.mark.parametrize(
    'word, message',
    [
        (
            'bench.densities=[0.5,2]',
            'command line: bench.densities is [0.5, 2], expected a list, each of it a number in (0, 1].',
        ),
        ('bench.batch_sizes=0', 'command line: bench.batch_sizes is 0, expected a list, each of it a whole number from 1 up.'),
        (
            'bench.engines=[tpu]',
            'command line: bench.engines is [tpu], expected a list, each of it one of native, onnxruntime, '
            'openvino, tensorflow, xla.',
        ),
        ('bench.artifact=no/net.onnx', 'command line: bench.artifact: no/net.onnx does not exist.'),
        ('bench.plot=a.gif', 'command line: bench.plot is a.gif, expected a path that ends in .png, .svg or .pdf.'),
    ],
)
def test_a_wrong_setting_is_told_before_anything_runs(
    tiny_yaml: str, word: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([tiny_yaml, word, 'bench']) == 2
    assert capsys.readouterr().err.strip() == message


def test_engines_agree_and_an_exported_file_is_measured_beside_them(subject: Subject, tmp_path: pathlib.Path) -> None:
    for package in ('onnx', 'onnxruntime', 'openvino'):
        pytest.importorskip(package)
    from mayo.bench import Plan, measure
    from mayo.net.tf.compact import lower_graph
    from mayo.net.tf.compact.onnx import onnx_model

    artifact = tmp_path / 'net.onnx'
    artifact.write_bytes(onnx_model(lower_graph(subject.graph, subject.input_shape, subject.weights)).SerializeToString())
    plan = Plan(
        batch_sizes=[3],
        networks=['dense', 'compact', 'static'],
        engines=['onnxruntime', 'openvino'],
        artifacts=[str(artifact)],
        rounds=1,
        images=4,
    )
    bench = measure(subject, plan)
    assert bench.notes == ()
    (group,) = bench.groups
    assert [timed.label for timed in group.measurements] == [
        f'{network} {engine}' for network in plan.networks for engine in plan.engines
    ] + ['net.onnx onnxruntime']
    assert all(timed.difference is None or timed.difference < 1e-4 for timed in group.measurements)


def test_a_saved_model_is_measured_and_one_of_another_batch_size_is_left_out(subject: Subject, tmp_path: pathlib.Path) -> None:
    import tensorflow as tf

    from mayo.bench import Plan, measure

    module = tf.Module()
    module.scale = tf.Variable(2.0)
    for name, count in (('any', None), ('one', 1)):
        module.call = tf.function(
            lambda images: tf.reduce_mean(images, (1, 2)) * module.scale,
            input_signature=[tf.TensorSpec((count, 8, 8, 2), name='images')],
        )
        tf.saved_model.save(module, tmp_path / name, signatures={'serving_default': module.call})
    plan = Plan(batch_sizes=[3], networks=[], artifacts=[str(tmp_path / 'any'), str(tmp_path / 'one')], rounds=1, images=4)
    bench = measure(subject, plan)
    assert [timed.label for timed in bench.groups[0].measurements] == ['any tensorflow']
    assert bench.notes == ('one tensorflow is left out: takes 1 images at once, not 3.',)


def test_a_tflite_file_is_measured(subject: Subject, tmp_path: pathlib.Path) -> None:
    pytest.importorskip('ai_edge_litert')
    import tensorflow as tf

    from mayo.bench import Plan, measure

    call = tf.function(lambda images: tf.reduce_mean(images, (1, 2)), input_signature=[tf.TensorSpec((1, 8, 8, 2))])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    path = tmp_path / 'net.tflite'
    path.write_bytes(converter.convert())
    bench = measure(subject, Plan(networks=[], artifacts=[str(path)], rounds=1, images=4))
    assert [timed.label for timed in bench.groups[0].measurements] == ['net.tflite litert']
    assert bench.notes == ()
