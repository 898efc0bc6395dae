"""`export` as a user types it: LeNet-5 with gates and random weights."""

import pathlib

import numpy as np
import onnxruntime
import pytest

from mayo.actions.export import check
from mayo.cli.main import main
from mayo.config import Config

ROOT = pathlib.Path(__file__).parents[2]
WORDS = [str(ROOT / 'models/gate/lenet5_bn.yaml'), str(ROOT / 'datasets/mnist.yaml'), '_gate.density=0.5']


def test_export_writes_all_formats_and_tells_what_it_compared(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / 'labels.txt'
    labels.write_text('\n'.join('0123456789'))
    folder = tmp_path / 'out'
    assert (
        main(
            [
                *WORDS,
                f'dataset.labels={labels}',
                f'export.path={folder}',
                'export.preprocess=true',
                'export.image_size=[30,26]',
                'export',
            ]
        )
        == 0
    )
    told = capsys.readouterr()
    assert {path.name for path in folder.iterdir()} == {'README.md', 'labels.txt', 'saved_model', 'model.tflite', 'model.onnx'}
    assert [line.split()[0] for line in told.out.splitlines()[2:5]] == ['saved_model', 'tflite', 'onnx']
    assert 'compared with masked execution on 16 images, which chose channels in' in told.out
    assert 'the weights of lenet5_bn are random' in told.err
    text = (folder / 'README.md').read_text()
    assert '- checkpoint: none, the weights are random\n- density: 0.5' in text
    session = onnxruntime.InferenceSession(folder / 'model.onnx', providers=['CPUExecutionProvider'])
    (outputs,) = session.run(None, {'images': np.zeros((1, 30, 26, 1), np.uint8)})
    assert outputs.shape == (1, 10)


def test_a_dense_network_is_exported_as_it_is(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        main(
            [
                str(ROOT / 'models/lenet5_bn.yaml'),
                WORDS[1],
                'dataset.labels=no.txt',
                'dataset.prepare.classes=null',
                'system.precision=mixed_bfloat16',
                'export.formats=[onnx]',
                'export',
            ]
        )
        == 0
    )
    told = capsys.readouterr()
    assert 'exports/lenet5_bn/mnist/model.onnx' in told.out
    assert 'different ways' not in told.out
    assert 'no labels.txt: command line: dataset.labels: no.txt does not exist; `prepare` writes it.' in told.err
    assert {path.name for path in pathlib.Path('exports/lenet5_bn/mnist').iterdir()} == {'README.md', 'model.onnx'}


@pytest.mark.parametrize(
    'words, status, message',
    [
        (['_gate.granularity=vector'], 2, 'gate_params.granularity `vector` chooses for each row.'),
        (
            ['export.formats=[caffe]'],
            2,
            'command line: export.formats is [caffe], expected a list, each of it one of onnx, saved_model, tflite.',
        ),
        (
            ['export.image_size=28'],
            2,
            'command line: export.image_size is 28, expected [height, width], each a whole number from 1 up.',
        ),
        (['export.images=3'], 2, 'command line: export.images is 3, expected a whole number from 16 up.'),
        (['export.preprocess=true'], 2, 'export.formats: onnx preprocesses images of one size only; set export.image_size='),
    ],
)
def test_what_cannot_be_exported_is_one_message(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    assert main([*WORDS, f'export.path={tmp_path / "out"}', *words, 'export']) == status
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_and_refused_sizes_are_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.default()
    for word in ('export.formats=[saved_model,tflite,onnx]', 'export.preprocess=true'):
        config.merge_word(word)
    monkeypatch.setattr('mayo.export.artifact.missing', lambda packages: [name for name in packages if name == 'onnx'])
    told = list(check(config, ()))
    size = 'preprocesses images of one size only; set export.image_size=[HEIGHT, WIDTH], or export.preprocess=false.'
    assert told == [
        f'export.formats: tflite {size}',
        'export.formats: onnx needs onnx; `pip install .[export]` installs it.',
        f'export.formats: onnx {size}',
    ]
