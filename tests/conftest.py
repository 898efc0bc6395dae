"""What every test shares: a tiny gated network on pictures that brightness tells apart, which learns in a second.

TensorFlow is quiet, and no test fails because the machine is busy.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import mayo.actions  # noqa: F401, whose settings the tests' configurations have
from mayo.config import Config

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')  # as the command line does
# What runs the tests in the background may ignore an interrupt, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile('mayo', deadline=None, derandomize='CI' in os.environ)  # elsewhere each run explores anew
settings.load_profile('mayo')

TINY = """
model:
    name: tiny
    layers:
        _conv: &conv {type: convolution, kernel_size: 3, num_outputs: 6, normalizer_fn: keras.layers.BatchNormalization,
                      normalizer_params: {momentum: 0.9},
                      weights_initializer: {type: keras.initializers.TruncatedNormal, stddev: 0.3}}
        conv0: {<<: *conv, stride: 2}
        drop: {type: dropout, keep_prob: 0.9}
        conv1: *conv
        pool: {type: reduce_mean}
        logits: {type: fully_connected, num_outputs: $(dataset.task.num_classes), activation_fn: null}
    graph: {from: input, with: [conv0, drop, conv1, pool, logits], to: output}
dataset:
    name: pictures
    task:
        num_classes: 3
        preprocess:
            shape: {height: 8, width: 8, channels: 1}
            train: [{type: random_flip}]
            final: [{type: linear_map, scale: 0.0078431373, shift: -1.0}]
    num_examples_per_epoch: {train: 96, validate: 50}
train:
    max_epochs: 2
    optimizer: {type: keras.optimizers.SGD, momentum: 0.9, nesterov: true}
    learning_rate: {type: one_cycle, learning_rate: 0.1}
system: {batch_size: 16, shuffle_buffer: 96, log: {every_seconds: 1000}}
"""
GATED = """
model.layers:
    conv0: {type: gated_convolution, gate_params: {density: 0.5}}
    conv1: {type: gated_convolution, gate_params: {density: 0.5}}
"""


def write_pictures(path: Any, count: int, seed: int) -> None:
    """`count` pictures of 8 x 8 grey pixels; the brighter, the higher the class."""
    import tensorflow as tf

    from mayo.data import record

    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in range(count):
            pixels = np.clip(random.normal(50 + 75 * (index % 3), 20, (8, 8, 1)), 0, 255).astype(np.uint8)
            writer.write(record.encode(tf.io.encode_png(pixels).numpy(), index % 3, f'class {index % 3}'))


@pytest.fixture(scope='session')
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp('pictures')
    write_pictures(folder / 'train.tfrecord', 96, 0)
    write_pictures(folder / 'validate.tfrecord', 50, 1)
    return folder


@pytest.fixture(scope='module')
def eager() -> Iterator[None]:
    """Functions run as written: to trace and compile each for a few steps takes longer than the steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def config_of(pictures: pathlib.Path, tmp_path: pathlib.Path) -> Callable[..., Config]:
    """A function that makes a configuration from words; checkpoints go to the test's own folder."""

    def make(*words: Any, gated: bool = False) -> Config:
        config = Config.default()
        config.merge_text(TINY, 'tiny.yaml')
        if gated:
            config.merge_text(GATED, 'gated.yaml')
        for word in (
            f'dataset.path.train={pictures}/train.tfrecord',
            f'dataset.path.validate={pictures}/validate.tfrecord',
            f'system.checkpoint.path={tmp_path}',
            *words,
        ):
            config.merge_word(word)
        return config

    return make


@pytest.fixture
def my_with(tmp_path: pathlib.Path) -> Callable[[str, str], Callable[..., 'subprocess.CompletedProcess[str]']]:
    """my_with(file below mayo/, its text): the command line of a copy of the package that has this file more.

    What it gives takes words, and runs in an empty folder.
    """
    root, copy, here = pathlib.Path(__file__).parents[1], tmp_path / 'copy', tmp_path / 'here'

    def add(file: str, text: str) -> Callable[..., 'subprocess.CompletedProcess[str]']:
        shutil.copytree(root / 'mayo', copy / 'mayo', ignore=shutil.ignore_patterns('__pycache__'))
        assert not (copy / 'mayo' / file).exists()
        (copy / 'mayo' / file).write_text(text, encoding='utf-8')
        here.mkdir()

        def run(*words: str) -> 'subprocess.CompletedProcess[str]':
            command = [sys.executable, '-P', '-m', 'mayo.cli', *words]
            environment = os.environ | {'PYTHONPATH': str(copy)}
            return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)

        return run

    return add


RELIABILITY = pathlib.Path(__file__).resolve().parents[1] / 'docs/reliability.md'


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """figures('200 of 200 noticed'): what came of the campaign that asks, written into its row of docs/reliability.md.

    A row is `| what holds | FILE::TEST | figures |`.
    """

    def write(text: str) -> None:
        test = request.node.nodeid.partition('[')[0].removeprefix('tests/')
        page = RELIABILITY.read_text(encoding='utf-8')
        row = re.compile(rf'^(\| [^|]+ \| `{re.escape(test)}` \|)[^|]*\|$', re.MULTILINE)
        assert row.search(page), f'docs/reliability.md has no row for {test}'
        RELIABILITY.write_text(row.sub(rf'\1 {text} |', page), encoding='utf-8')

    return write
