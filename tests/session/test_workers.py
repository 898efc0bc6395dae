"""Several devices and several machines run the code that one device does, and agree."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle
from mayo.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
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
dense = session.config.copy()  # without gates, and a last batch that leaves a worker without images
for word in ('model.layers.conv0.gate_params.enable=false', 'model.layers.conv1.gate_params.enable=false', 'eval.batch_size=49'):
    dense.merge_word(word)
print('dense', evaluate(session.sibling(dense), quiet=True).render())
"""
SAME = (
    'train.max_epochs=2',
    'system.precision=float32',
    'model.layers.drop.keep_prob=1.0',
    'dataset.task.preprocess.train=[]',
    'system.checkpoint.every_epochs=1',
)


def start(config: Config, tmp_path: pathlib.Path, name: str, tf_config: dict[str, Any] | None = None) -> Any:
    """A process that trains and evaluates by itself; `result` of it says what came of it."""
    config.merge_word(f'system.checkpoint.save={name}')
    file = tmp_path / f'{name}.yaml'
    file.write_text(config.to_yaml())
    environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(__file__).parents[2]), TF_CPP_MIN_LOG_LEVEL='3')
    if tf_config:
        environment['TF_CONFIG'] = json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(file)], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def result(process: Any) -> Any:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    text = re.search(r'(?s)replicas 2\nweights \S+\ntop-1 .* of 50 images.*\ndense top-1 .* of 50 images', out)[0]
    return re.sub(r'[\d,]+ images/s', '', text)


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
    mirrored = result(start(config_of(*SAME, 'system.devices=[0,1]', gated=True), tmp_path, 'devices'))
    assert first == second  # weights and moving averages, too
    assert mirrored.startswith('replicas 2')
    folder = tmp_path / 'tiny' / 'pictures'
    of_workers, of_devices = bundle.read(folder / 'workers-epoch-2'), bundle.read(folder / 'devices-epoch-2')
    assert of_workers['imgs_seen'] == of_devices['imgs_seen'] == 192
    for name in (name for name in of_devices if name.startswith('tiny/')):
        np.testing.assert_allclose(of_workers[name], of_devices[name], rtol=1e-4, atol=1e-5, err_msg=name)


@contextlib.contextmanager
def workers(config: Config, tmp_path: pathlib.Path, log: str) -> Iterator[list[Any]]:
    """The command line, `train`, on two machines that are this one; what they print goes to files. None outlives the block."""
    file = tmp_path / 'workers.yaml'
    file.write_text(config.to_yaml())
    cluster = {'worker': [f'127.0.0.1:{port}' for port in free_ports(2)]}
    with contextlib.ExitStack() as stack:
        started = []
        for index in (0, 1):
            environment = os.environ | {
                'TF_CONFIG': json.dumps({'cluster': cluster, 'task': {'type': 'worker', 'index': index}})
            }
            output = stack.enter_context((tmp_path / f'{log}{index}').open('w'))
            command = [sys.executable, '-m', 'mayo.cli', str(file), 'train']
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output))
            stack.callback(process.kill)
            started.append(process)
        yield started


@pytest.mark.faults
@pytest.mark.parametrize('gone', [0, 1])
def test_a_worker_that_is_killed_stops_the_others_and_the_same_words_resume(
    config_of: Callable[..., Config], tmp_path: pathlib.Path, gone: int
) -> None:
    words = (*SAME, 'system.checkpoint.resume=true', 'system.checkpoint.save=run', 'system.checkpoint.keep=2')
    long = config_of(
        *words,
        'train.max_epochs=100000',
        'train.learning_rate=0.001',
        'model.layers.conv0.normalizer_fn=null',
        'model.layers.conv1.normalizer_fn=null',
    )
    folder = tmp_path / 'tiny/pictures'
    with workers(long, tmp_path, 'first') as processes:
        wait_for(lambda: any(folder.glob('run-epoch-3.index')), 240, processes)
        processes[gone].kill()
        killed = time.monotonic()
        status = processes[1 - gone].wait(timeout=60)
        seconds = time.monotonic() - killed
    text = (tmp_path / f'first{1 - gone}').read_text()
    assert 'Traceback' not in text
    assert 'another worker has gone' in text
    assert status == 1
    assert seconds < 30
    last = max(float(file.name[len('run-epoch-') : -len('.index')]) for file in folder.glob('run-epoch-*.index'))
    long.merge_word(f'train.max_epochs={last + 3:g}')
    with workers(long, tmp_path, 'again') as again:
        assert [process.wait(timeout=240) for process in again] == [0, 0]
    assert f'going on at epoch {last:g}' in (tmp_path / 'again0').read_text()
    assert (folder / f'run-epoch-{last + 3:g}.index').exists()


def wait_for(holds: Callable[[], bool], seconds: float, processes: list[Any]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
