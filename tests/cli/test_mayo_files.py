"""Files in the manner of the original Mayo, through the command line: they train, and one warning names what does nothing."""

import logging
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.actions.checks import problems
from mayo.cli.main import main
from mayo.config import Config
from mayo.data import record

OLD = pathlib.Path(__file__).parents[1] / 'golden' / 'mayo'
TRAINER = OLD / 'trainers/exponential.yaml'


@pytest.fixture(scope='module')
def old_dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An old dataset file, and its records of 64 pictures."""
    folder = tmp_path_factory.mktemp('old')
    random = np.random.default_rng(0)
    with tf.io.TFRecordWriter(str(folder / 'all.tfrecord')) as writer:
        for index in range(64):
            pixels = np.clip(random.normal(40 + 20 * (index % 4), 5, (28, 28, 1)), 0, 255).astype(np.uint8)
            writer.write(record.encode(tf.io.encode_png(pixels).numpy(), 1 + index % 4, 'x'))
    path = folder / 'pictures.yaml'
    path.write_text(f"""
dataset:
    name: pictures
    num_classes: 5
    background_class: {{has: true, use: false}}
    path: {{train: {folder}/all.tfrecord, validate: {folder}/all.tfrecord}}
    num_examples_per_epoch: {{train: 64, validate: 64}}
""")
    return path


@pytest.mark.train
def test_an_old_model_dataset_and_trainer_train(
    old_dataset: Any, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [
        str(OLD / 'models/lenet5.yaml'),
        str(old_dataset),
        str(TRAINER),
        'train.max_epochs=1',
        'system.batch_size_per_gpu=16',
        'train.learning_rate._initial=0.002',
        'system.checkpoint.load=false',
        f'system.checkpoint.path={tmp_path}',
    ]
    with caplog.at_level(logging.WARNING, 'mayo'):
        assert main([*words, 'train']) == 0
    assert (tmp_path / 'lenet5' / 'pictures' / 'epoch-1.index').exists()
    told = [entry.getMessage() for entry in caplog.records if 'original Mayo' in entry.getMessage()]
    assert len(told) == 1
    for key in ('system.num_gpus', 'system.pdb', 'system.search_path.checkpoint', 'system.log.level'):
        assert key in told[0]


def test_another_type_of_optimizer_over_the_old_one_is_told_how(old_dataset: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(OLD / 'models/lenet5.yaml'), str(old_dataset), str(TRAINER)]
    assert main([*words, 'train.optimizer.type=keras.optimizers.SGD', 'train']) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith(
        'command line: train.optimizer.type is keras.optimizers.SGD, but beside it is left, for another '
        'type: train.optimizer.decay ('
    )
    assert told[-1].endswith(
        '; drop it with ~train.optimizer.decay ~train.optimizer.epsilon, or everything with '
        '~train.optimizer before train.optimizer.type=...'
    )
    right = Config.default()
    for file in words[:3]:
        right.merge_file(file)
    for word in ('~train.optimizer', 'train.optimizer.type=keras.optimizers.SGD'):
        right.merge_word(word)
    assert [line for line in problems(right, 'train') if 'optimizer' in line] == []
