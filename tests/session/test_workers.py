"""Several devices and several machines run the code that one device does, and agree."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle
from mayo.config import Config

PROGRAM = """
import sys
import tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[2])
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], devices)
from mayo.config import Config
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.training.trainer import train
config = Config.default()
config.merge_file(sys.argv[1])
session = Session(config)
train(session)
print('replicas', session.strategy.num_replicas_in_sync)
print('weights', sum(float(abs(variable.numpy()).sum()) for variable in session.named().values()))
print(evaluate(session, quiet=True).render())
"""
SAME = (
    'train.max_epochs=2',
    'system.precision=float32',
    'model.layers.drop.keep_prob=1.0',
    'dataset.task.preprocess.train=[]',
    'system.checkpoint.every_epochs=1',
)


def start(config: Config, tmp_path: pathlib.Path, name: str, devices: int = 1, tf_config: dict[str, Any] | None = None) -> Any:
    """A process that trains and evaluates by itself; `result` of it says what came of it."""
    config.merge_word(f'system.checkpoint.save={name}')
    file = tmp_path / f'{name}.yaml'
    file.write_text(config.to_yaml())
    environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(__file__).parents[2]), TF_CPP_MIN_LOG_LEVEL='3')
    if tf_config:
        environment['TF_CONFIG'] = json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(file), str(devices)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def result(process: Any) -> Any:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return re.search(r'(?s)replicas 2\nweights \S+\ntop-1 .* of 50 images', out)[0]


def free_ports(count: int) -> list[Any]:
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


@pytest.mark.train
def test_two_workers_agree_with_two_devices_of_one(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> None:
    cluster = {'worker': [f'127.0.0.1:{port}' for port in free_ports(2)]}
    workers = [
        start(
            config_of(*SAME, gated=True),
            tmp_path,
            'workers',
            tf_config={'cluster': cluster, 'task': {'type': 'worker', 'index': index}},
        )
        for index in (0, 1)
    ]
    first, second = (result(worker) for worker in workers)
    mirrored = result(start(config_of(*SAME, 'system.distribute=mirrored', gated=True), tmp_path, 'devices', devices=2))
    assert first == second  # weights and moving averages, too
    assert mirrored.startswith('replicas 2')
    folder = tmp_path / 'tiny' / 'pictures'
    of_workers, of_devices = bundle.read(folder / 'workers-epoch-2'), bundle.read(folder / 'devices-epoch-2')
    assert of_workers['imgs_seen'] == of_devices['imgs_seen'] == 192
    for name in (name for name in of_devices if name.startswith('tiny/')):
        np.testing.assert_allclose(of_workers[name], of_devices[name], rtol=1e-4, atol=1e-5, err_msg=name)
