"""To add an action is to add one file to mayo/actions: a toy one, added in exactly that way, is complete."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOY = '''
"""`greet`: says hello to a network."""

from mayo.actions.base import MODEL, Run, action
from mayo.util.kinds import TEXT, whole
from mayo.util.settings import Section, Setting

GREET = Section(
    'greet',
    'how to greet',
    Setting('word', TEXT, 'hello', 'what is said'),
    Setting('times', whole(1), None, 'how often', remedy='say how often, e.g. greet.times=2'),
)


def check(config, made):
    if config.get('greet.word') == 'bye':
        yield 'greet.word is bye, which is no greeting.'


@action('greet', needs=(*MODEL, 'greet.times'), reads=(), loads=False, makes=(), settings=(GREET,), check=check)
def act(run: Run) -> None:
    """Say hello to the network."""
    print(' '.join([run.config.get('greet.word')] * run.config.get('greet.times')), run.config.get('model.name'), run.evaluation)
    run.evaluation = run.evaluation or 'who is known already'
'''
MODEL = ('models/cifarnet.yaml', 'datasets/fashion_mnist.yaml')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The package as it is, and one file more."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(ROOT / 'mayo', folder / 'mayo', ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('models', 'datasets', 'trainers', 'my', 'Makefile', 'setup.py'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'mayo/actions/greet.py').write_text(TOY)
    return folder


def my(checkout: pathlib.Path, *words: str, status: int = 0) -> str:
    """What the command line prints, on either stream."""
    done = subprocess.run(
        [sys.executable, '-P', '-m', 'mayo.cli', *words],
        cwd=checkout,
        env=os.environ | {'PYTHONPATH': str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_it_stands_in_help_after_the_others(checkout: pathlib.Path) -> None:
    lines = my(checkout, '--help').splitlines()
    place = lines.index('  greet             Say hello to the network')
    assert lines[place - 1].startswith('  test ')


def test_it_runs_with_the_defaults_of_its_settings(checkout: pathlib.Path) -> None:
    assert my(checkout, *MODEL, 'greet.times=2', 'greet') == 'hello hello cifarnet None\n'


def test_its_settings_are_in_the_configuration(checkout: pathlib.Path) -> None:
    assert 'greet:\n    word: hello\n    times: null\nimport:\n' in my(checkout, 'config')


def test_what_is_wrong_is_told_before_it_runs(checkout: pathlib.Path) -> None:
    assert my(checkout, *MODEL, 'greet', status=2) == (
        '`greet` needs greet.times, which nothing so far sets; say how often, e.g. greet.times=2.\n'
    )
    assert my(checkout, *MODEL, 'greet.times=0', 'greet', status=2) == (
        'command line: greet.times is 0, expected a whole number from 1 up.\n'
    )
    assert 'did you mean greet.word?' in my(checkout, *MODEL, 'greet.times=1', 'greet.wrod=x', 'greet', status=2)
    assert my(checkout, *MODEL, 'greet.times=1', 'greet.word=bye', 'greet', status=2) == (
        'greet.word is bye, which is no greeting.\n'
    )
    assert 'unknown action `gret`; did you mean greet?' in my(checkout, *MODEL, 'gret', status=2)


def test_check_tells_of_it(checkout: pathlib.Path) -> None:
    assert 'greet             needs greet.times\n' in my(checkout, *MODEL, 'check')
    assert 'which is no greeting' in my(checkout, *MODEL, 'greet.times=1', 'greet.word=bye', 'check', status=2)


def test_a_word_that_changes_its_settings_keeps_what_earlier_actions_left(checkout: pathlib.Path) -> None:
    told = my(checkout, *MODEL, 'greet.times=1', 'greet', 'greet.word=hi', 'greet', 'model.name=other', 'greet')
    assert told == 'hello cifarnet None\nhi cifarnet who is known already\nhi other None\n'
