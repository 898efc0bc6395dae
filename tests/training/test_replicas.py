"""Two devices that share a batch train as one device does: weights and averages agree, whatever a network is made of."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GATED = 'model.layers.{layer}={{"type": "gated_convolution", "gate_params": {gate}}}'


def gated(**gate: object) -> list[str]:
    gate = {'density': 0.5} | gate
    return [GATED.format(layer=layer, gate=json.dumps(gate)) for layer in ('conv0', 'conv1')]


NO_NORM = ['model.layers.conv0.normalizer_fn=null', 'model.layers.conv1.normalizer_fn=null']
FAMILIES = {
    'batch norm': [],
    'plain': NO_NORM,
    'parametric': gated(),
    'parametric of the paper': gated(add_beta_first=True),
    'parametric without norm': [*gated(), *NO_NORM],
    'a gate per row': gated(granularity='vector'),
    'naive': gated(policy='naive'),
    'squeeze': gated(policy='squeeze'),
    'select': gated(policy='select'),
    'local threshold': gated(threshold='local'),
    'global threshold': gated(threshold='global'),
    'learned threshold': [*gated(threshold='learned'), 'train.target_macs=1000'],
    'penalties': gated(regularizer={'l1': 0.01, 'l2': 0.01, 'moe': 0.1, 'moi': 0.1}),
    'groups': ['model.layers.conv1.num_groups=3'],
    'depthwise': ['model.layers.conv1={"type": "depthwise_convolution"}', 'model.layers.conv1.num_outputs=null'],
    'batch norm of a fully connected layer': ['model.layers.logits.normalizer_fn=keras.layers.BatchNormalization'],
    'averaged weights': [*gated(), 'train.average=0.9'],
    'clipped gradients': [*gated(), 'train.clip_norm=0.1'],
}
SAMPLE = {
    'a gate before a dense layer': [
        GATED.format(layer='conv0', gate=json.dumps({'density': 0.5, 'threshold': 'local', 'regularizer': {'moe': 0.1}}))
    ]
}

PROGRAM = """
import json, sys
import numpy as np
import tensorflow as tf
import mayo.actions
from mayo.config import Config
from mayo.session.base import Session, make_strategy
from mayo.training.trainer import Trainer
from tests.conftest import TINY

cpu = tf.config.list_physical_devices('CPU')[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategies = tf.distribute.get_strategy(), make_strategy('mirrored')
random = np.random.default_rng(0)
images = random.normal(size=(4, 16, 8, 8, 1)).astype('float32')
labels = random.integers(0, 3, (4, 16)).astype('int32')

def trained(words, strategy):
    config = Config.default()
    config.merge_text(TINY, 'tiny.yaml')
    folder = sys.argv[2]
    for word in (
        'model.layers.drop.keep_prob=1.0',
        f'dataset.path.train={folder}/train.tfrecord',
        f'system.checkpoint.path={folder}',
        *words,
    ):
        config.merge_word(word)
    session = Session(config)
    session.__dict__['strategy'] = strategy
    step = Trainer(session).step
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    for batch in strategy.experimental_distribute_dataset(batches):
        step(*batch, rate=0.1)
    step.synchronize()
    return {name: variable.numpy() for name, variable in session.network.named_variables().items()}

for name, words in json.loads(sys.argv[1]).items():
    single, shared = (trained(words, strategy) for strategy in strategies)
    away = {key: float(np.abs(single[key] - shared[key]).max()) for key in single}
    worst = max(away, key=away.get)
    print(json.dumps([name, worst, away[worst]]), flush=True)
"""


def differences(families: dict[str, list[str]], pictures: pathlib.Path) -> dict[str, float]:
    """Of each family the largest difference of a number between one device and two, after four steps."""
    environment = os.environ | {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    command = [sys.executable, '-c', PROGRAM, json.dumps(families), str(pictures)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('[')]
    return {f'{family}: {variable}': away for family, variable, away in rows}


def check(families: dict[str, list[str]], pictures: pathlib.Path) -> None:
    apart = differences(families, pictures)
    assert len(apart) == len(families)
    assert {name: away for name, away in apart.items() if not away < 1e-5} == {}


@pytest.mark.train
def test_two_devices_train_as_one_does(pictures: pathlib.Path) -> None:
    check(SAMPLE, pictures)


@pytest.mark.faults
def test_two_devices_train_every_family_as_one_does(pictures: pathlib.Path) -> None:
    check(FAMILIES, pictures)
