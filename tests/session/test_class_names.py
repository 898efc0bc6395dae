"""The name of a class folder stays what it is through training, checkpoints, predictions, records and `config`."""

import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle
from mayo.cli.main import main
from mayo.config import Config
from mayo.session.data import class_names
from mayo.session.own_images import completed

# What YAML would take for a number, a truth, nothing, a reference, an argument, scratch, a list, a mapping or a tag.
NAMES = sorted(
    [
        '08',
        '1e5',
        'null',
        'true',
        '$(x)',
        '$(dataset.name)',
        'a.b',
        '^(x)',
        '_x',
        '~',
        '- a',
        'a: b',
        '!arith 1',
        'tf.x',
        "it's",
    ]
)
NETWORK = """
model:
    name: tiny
    layers:
        pool: {type: reduce_mean}
        logits: {type: fully_connected, num_outputs: $(dataset.task.num_classes), activation_fn: null}
    graph: {from: input, with: [pool, logits], to: output}
dataset.task.preprocess:
    shape: {height: 4, width: 4, channels: 1}
    train: [{type: resize}]
    validate: [{type: resize}]
train: {max_epochs: 1, optimizer: keras.optimizers.SGD, learning_rate: 0.1}
system: {batch_size: 8, log.every_seconds: 1000}
"""


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """net.yaml, and `$(b) 08`, a folder with four pictures of each class."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'net.yaml').write_text(NETWORK)
    for number, name in enumerate(NAMES):
        (tmp_path / '$(b) 08' / name).mkdir(parents=True)
        for picture in range(4):
            pixels = tf.fill([4, 4, 1], np.uint8(16 * number + picture))
            (tmp_path / '$(b) 08' / name / f'{picture}.png').write_bytes(tf.io.encode_png(pixels).numpy())
    return tmp_path


WORDS = ('net.yaml', 'datasets/folder.yaml', "dataset.path=!text '$(b) 08'")


def loaded(text: str) -> Config:
    config = Config.default()
    config.merge_text(text, 'again')
    return config


def test_through_training_a_checkpoint_predictions_and_config(here: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*WORDS, f'system.checkpoint.path={here}')
    assert main([*words, 'system.checkpoint.save=mine', 'train', 'save', 'eval']) == 0
    capsys.readouterr()
    again = (*words, 'system.checkpoint.load=mine', 'predict.files=$(dataset.path.train)', 'predict.format=json')
    assert main([*again, f'predict.top={len(NAMES)}', 'predict']) == 0
    predictions = json.loads(capsys.readouterr().out)
    assert len(predictions) == 4 * len(NAMES)
    for prediction in predictions:
        assert {guess['number']: guess['label'] for guess in prediction['predictions']} == dict(enumerate(NAMES))
    stored = loaded(bytes(bundle.read(here / 'tiny/$(b) 08/mine')['mayo/config']).decode())
    for origin in ('false', 'true'):
        assert main([*words, f'config.origin={origin}', 'config']) == 0
        config = loaded(capsys.readouterr().out)
        for written in (config, stored):
            assert written.get('dataset.name') == '$(b) 08'
            assert written.get('dataset.path.train') == str(here / '$(b) 08')
            assert written.get('dataset.task.preprocess.train') == [{'type': 'resize'}]
            assert class_names(written) == NAMES


def test_through_records_and_the_file_of_names(here: pathlib.Path) -> None:
    paths = f'dataset.path={{train: {here}/r/train.tfrecord, validate: {here}/r/test.tfrecord}}'
    prepare = 'dataset.prepare={type: folder, source: !text "$(b) 08", splits: {train: ., validate: .}}'
    words = ('net.yaml', 'dataset.name=records', paths, prepare, f'dataset.labels={here}/r/labels.txt')
    assert main([*words, f'dataset.task.num_classes={len(NAMES)}', 'prepare']) == 0
    config = loaded(f'dataset: {{labels: r/labels.txt, task.num_classes: {len(NAMES)}}}')
    assert class_names(config) == NAMES
    records = tf.data.TFRecordDataset(str(here / 'r/test.tfrecord')).as_numpy_iterator()
    features = [tf.train.Example.FromString(record).features.feature for record in records]
    for feature in features:
        label, text = feature['image/class/label'].int64_list.value[0], feature['image/class/text'].bytes_list.value[0]
        assert NAMES[label] == text.decode()


def test_a_name_that_no_file_of_text_can_hold_is_told(here: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / 'odd').mkdir()
    (here / '$(b) 08/~').rename(here / 'odd/line\nbreak')
    config = loaded('dataset: {path: odd, task.preprocess: {shape: {height: 4, width: 4, channels: 1}}}')
    assert class_names(completed(config)) == ['line\nbreak']
    words = ('net.yaml', 'dataset.name=records', 'dataset.path.train=r/x', 'dataset.task.num_classes=1')
    assert main([*words, 'dataset.prepare={type: folder, source: odd, splits: {train: .}}', 'prepare']) == 2
    assert capsys.readouterr().err == "the name of the class 'line\\nbreak' has a line break in it; rename its folder.\n"


def test_a_folder_whose_name_is_no_text_is_told(here: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / '$(b) 08/~').rename(here / '$(b) 08' / os.fsdecode(b'\xff'))
    assert main([*WORDS, 'train']) == 2
    assert "the name of the folder '\\udcff' is no UTF-8 text; rename it." in capsys.readouterr().err
