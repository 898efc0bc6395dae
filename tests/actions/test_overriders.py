"""The actions `overriders-*` and `info` on the command line: what they print, write, and refuse before TensorFlow starts."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from mayo.actions import actions
from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session

FIXED = 'model.overrider={weights: {fixed: {type: mayo.override.FixedPointQuantizer, width: 4, point: 1}}}'
PRUNE = 'model.overrider={weights: {prune: {type: mayo.override.DynamicNetworkSurgeryPruner, alpha: 0.0}}}'
DYNAMIC = 'model.overrider={activation: {d: {type: mayo.override.DGQuantizer, width: 6, overflow_rate: 0.0}}}'
LENET = ('models/lenet5.yaml', 'datasets/mnist.yaml')


@pytest.fixture
def words(tmp_path: pathlib.Path, config_of: Callable[..., Config], pictures: pathlib.Path) -> list[str]:
    """A tiny network with a checkpoint, as words of a line."""
    config = config_of()
    Session(config).save('dense')
    file = tmp_path / 'tiny.yaml'
    file.write_text(config.to_yaml(), encoding='utf-8')
    return [str(file), 'system.checkpoint.load=dense']


def test_update_prints_bits_density_memory_and_state(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, PRUNE, 'overriders-update']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['layer', 'overridden', 'overriders', 'values', 'bits', 'density', 'memory', 'bits', 'state']
    assert lines[2].split()[:5] == ['conv0', 'weights', 'DynamicNetworkSurgeryPruner', '54', '32']
    assert lines[2].endswith('alpha 0')
    assert lines[-1].startswith('overridden  396 values, of which ')


def test_info_shows_the_states_of_the_session_or_else_of_the_configuration(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, PRUNE, 'info', 'info.format=json', 'info']) == 0
    table, _, data = capsys.readouterr().out.partition('{')
    assert '100.00 % may differ from zero' in table
    before = json.loads('{' + data)['overriders']
    assert [(row['layer'], row['target'], row['values'], row['density']) for row in before] == [
        ('conv0', 'weights', 54, 1.0),
        ('conv1', 'weights', 324, 1.0),
        ('logits', 'weights', 18, 1.0),
    ]
    assert main([*words, PRUNE, 'info.format=json', 'overriders-update', 'info']) == 0
    after = json.loads('{' + capsys.readouterr().out.partition('{')[2])['overriders']
    assert all(row['density'] < 0.9 for row in after)
    assert [row['memory_bits'] for row in after] == [round(row['values'] * row['density'] * 32) for row in after]


def test_info_tells_which_overriders_have_nothing_to_override(words: list[str], caplog: pytest.LogCaptureFixture) -> None:
    misplaced = [
        f'model.layers.{layer}.overrider.weights.q={{type: mayo.override.FixedPointQuantizer}}' for layer in ('pool', 'drop')
    ]
    assert main([*words, *misplaced, 'info']) == 0
    assert 'there is nothing that these overriders could override: weights of drop, pool' in caplog.messages


def test_info_of_a_model_without_overriders_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LENET, 'info', 'info.format=json', 'info']) == 0
    assert 'overrid' not in capsys.readouterr().out


def test_dump_writes_values_and_states(words: list[str], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'out' / 'fixed.npz'
    assert main([*words, FIXED, f'dump.path={path}', 'overriders-dump']) == 0
    assert 'conv0   weights     FixedPointQuantizer' in capsys.readouterr().out
    with np.load(path) as stored:
        assert stored['conv0/weights/FixedPointQuantizer.width'] == 4
        assert np.array_equal(stored['conv0/weights'] * 8, np.round(stored['conv0/weights'] * 8))


def test_assigned_weights_need_no_overrider_any_more(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, FIXED, 'eval', 'overriders-assign', 'eval']) == 0
    assert main([words[0], 'system.checkpoint.load=assigned', 'eval']) == 0
    lines = [line.partition(' of 50 images')[0] for line in capsys.readouterr().out.splitlines() if line.startswith('top-1')]
    assert len(lines) == 3
    assert len(set(lines)) == 1


def test_reset_undoes_an_update(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    line = [*words, PRUNE, 'info.format=json', 'overriders-update', 'overriders-reset', 'info']
    assert main(line) == 0
    rows = json.loads('{' + capsys.readouterr().out.partition('{')[2])['overriders']
    assert {row['density'] for row in rows} == {1.0}


@pytest.mark.parametrize('action', ['overriders-update', 'overriders-reset', 'overriders-assign', 'overriders-dump'])
def test_a_model_without_overriders_is_refused(action: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, action]) == 2
    assert 'no layer of tiny has an `overrider`; docs/overriders.md shows how to add them' in capsys.readouterr().err


@pytest.mark.parametrize('action', ['overriders-update', 'overriders-assign'])
def test_random_weights_are_refused(action: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, PRUNE, 'system.checkpoint.load=null', action]) == 2
    assert 'those of tiny are random; set system.checkpoint.load or train before it.' in capsys.readouterr().err


def test_training_images_are_missed_only_where_a_state_comes_from_them(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    without = [*words, 'dataset.path.train=/nowhere/*.tfrecord']
    assert main([*without, FIXED.replace('weights:', 'activation:'), 'overriders-update']) == 0
    capsys.readouterr()
    assert main([*without, DYNAMIC, 'overriders-update']) == 2
    assert '/nowhere/*.tfrecord' in capsys.readouterr().err
    assert main([*words, DYNAMIC, 'overriders-update', 'eval']) == 0


def test_faults_in_overriders_are_told_before_tensorflow_starts() -> None:
    code = (
        'import sys\nfrom mayo.cli.main import main\n'
        f'status = main([*{LENET!r}, {FIXED.replace("width", "widht")!r}, "info"])\n'
        'print(status, "tensorflow" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['2', 'False']
    assert 'FixedPointQuantizer takes no `widht`; did you mean width?' in done.stderr


def test_info_of_overriders_needs_no_tensorflow() -> None:
    code = (
        'import sys\nfrom mayo.cli.main import main\n'
        f'status = main([*{LENET!r}, "models/override/focused.yaml", "info"])\n'
        'print(status, "tensorflow" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ['0', 'False']
    assert 'DynamicNetworkSurgeryPruner > Recentralizer' in done.stdout


def test_the_actions_of_overriders_are_there() -> None:
    assert [name for name in actions if name.startswith('overriders-')] == [
        'overriders-update',
        'overriders-reset',
        'overriders-assign',
        'overriders-dump',
    ]
