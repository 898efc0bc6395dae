"""The job files beside docs/distributed.md start the workers that they say: each knows all of them, and which it is."""

import json
import os
import pathlib
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
PRINTS = '#!/bin/sh\necho "$TF_CONFIG"\necho "$@"\n'


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Callable[..., list[tuple[dict[str, Any], list[str]]]]:
    """A function that runs a command where `./my` prints what it was started with: TF_CONFIG and its words."""

    def start(command: list[str], environment: Mapping[str, str]) -> list[tuple[dict[str, Any], list[str]]]:
        tools = {
            'my': PRINTS,
            'scontrol': '#!/bin/sh\necho node7\necho node9\n',
            'srun': '#!/bin/sh\nfor SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done\n',
        }
        for name, text in tools.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        variables = {'PATH': f'{tmp_path}:{os.environ["PATH"]}', **environment}
        output = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=30, check=True)
        lines = output.stdout.splitlines()
        return [(json.loads(worker), words.split()) for worker, words in zip(lines[::2], lines[1::2], strict=True)]

    return start


def assert_trains(words: list[str]) -> None:
    """That the files exist and that the same words go on."""
    assert words[-2:] == ['system.checkpoint.resume=true', 'train']
    assert all((ROOT / word).is_file() for word in words if word.endswith('.yaml'))


def worker(addresses: list[str], index: int) -> dict[str, Any]:
    return {'cluster': {'worker': addresses}, 'task': {'type': 'worker', 'index': index}}


def test_the_job_of_slurm_starts_a_worker_on_each_node(run: Callable[..., Any]) -> None:
    started = run(['bash', str(DOCS / 'distributed.slurm')], {'SLURM_JOB_NODELIST': 'node[7,9]'})
    assert [config for config, _ in started] == [worker(['node7:2222', 'node9:2222'], index) for index in (0, 1)]
    for _, words in started:
        assert_trains(words)


def test_the_job_of_kubernetes_starts_a_worker_in_each_pod(run: Callable[..., Any]) -> None:
    service, job = yaml.safe_load_all((DOCS / 'distributed.k8s.yaml').read_text())
    name, port = service['metadata']['name'], service['spec']['ports'][0]['port']
    assert (service['apiVersion'], service['kind'], service['spec']['clusterIP']) == ('v1', 'Service', 'None')
    assert service['spec']['selector'] == {'job-name': job['metadata']['name']}
    assert (job['apiVersion'], job['kind'], job['spec']['completionMode']) == ('batch/v1', 'Job', 'Indexed')
    assert job['spec']['completions'] == job['spec']['parallelism']  # all run together or none can
    pod = job['spec']['template']['spec']
    assert (pod['subdomain'], pod['restartPolicy']) == (name, 'OnFailure')
    (container,) = pod['containers']
    assert {mount['name'] for mount in container['volumeMounts']} == {volume['name'] for volume in pod['volumes']}
    addresses = [f'{job["metadata"]["name"]}-{index}.{name}:{port}' for index in range(job['spec']['completions'])]
    for index in range(len(addresses)):
        ((config, words),) = run(container['command'], {'JOB_COMPLETION_INDEX': str(index)})
        assert config == worker(addresses, index)
        assert_trains(words)
