"""The script that writes docs/performance.md measures what issue 3 asks for and keeps what was written by hand."""

import dataclasses
import importlib.util
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from mayo.actions.checks import problems
from mayo.bench.modes import NETWORKS, modes_of
from mayo.bench.record import Bench, Group, Sample, Timing, compare
from mayo.config import Config
from mayo.net.tf.engines import of_networks

PATH = pathlib.Path(__file__).resolve().parents[2] / 'benchmarks' / 'performance.py'
MACS = {'dense': 1000, 'masked': 1100, 'compact': 400, 'static': 250}
SECONDS = {'dense': 0.004, 'masked': 0.008, 'compact': 0.002, 'static': 0.001}


@pytest.fixture(scope='module')
def script() -> Any:
    spec: Any = importlib.util.spec_from_file_location('performance', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(run: Any) -> Any:
    samples = [
        Sample(mode, Timing.of([SECONDS[mode.network]]), 1 << 20, np.ones(1)) for mode in modes_of(NETWORKS, of_networks(), [])
    ]
    groups = tuple(Group(run.batch_size, density, 1000, compare(samples, MACS, run.batch_size)) for density in run.densities)
    bench = Bench(run.name.partition('-')[0], (32, 32, 3), 'random weights', 2, groups, ('a note',))
    return json.loads(json.dumps(dataclasses.asdict(bench)))


def test_every_command_is_one_that_runs(script: Any) -> None:
    for run in script.RUNS:
        config = Config.default()
        for word in run.settings:
            config.merge_file(word) if word.endswith('.yaml') else config.merge_word(word)
        assert problems(config, 'bench') == []
        assert {goal.density for goal in run.goals} <= set(run.densities)
        assert 1.0 in run.densities


def test_the_page_has_each_goal_with_what_is_reached_and_keeps_the_prose(script: Any) -> None:
    text = script.page({run.name: figures(run) for run in script.RUNS}, 2, 'Tried this.\n\nTried that.')
    assert '| cifarnet | 1 | 0.5 | native, 4.00 | native, 2.00 | 2.00x | 1.20x | 2.50x | yes | 0.50x |' in text
    assert '| vgg16_bn | 1 | 0.25 | native, 4.00 | native, 2.00 | 2.00x | 4.50x | 8.00x | no | 0.50x |' in text
    assert '| cifarnet | 64 | tensorflow, 8.00 | native, 2.00 | 0.25x |' in text
    assert text.count('\na note\n') == len(script.RUNS)
    assert script.prose_of(text) == 'Tried this.\n\nTried that.'
    rows = [line for line in text.splitlines() if line.startswith('|')]
    assert {line.count('|') for line in rows} == {11, 6}


def test_a_new_page_leaves_room_for_the_prose(script: Any) -> None:
    assert script.prose_of('') == 'This section is written by hand.'


@pytest.mark.parametrize('speedup, expected', [(0.9, 'no'), (1.2, 'yes'), (2.5, 'aim')])
def test_what_a_speedup_reaches(script: Any, speedup: float, expected: str) -> None:
    assert script.verdict(speedup, script.Goal(0.5, 1.2, 2.5)) == expected


@pytest.mark.parametrize('value, text', [(0.12345, '0.123'), (2, '2.00'), (138.2, '138'), (1591.4, '1591')])
def test_numbers_have_three_digits(script: Any, value: float, text: str) -> None:
    assert script.number(value) == text
