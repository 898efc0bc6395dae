"""Exit statuses, and one clear message for whatever a user may get wrong."""

import errno
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mayo.actions import action as declared
from mayo.actions import actions, checks
from mayo.cli.help import screen
from mayo.cli.main import main
from mayo.cli.words import plan
from mayo.config import Config
from mayo.util.errors import RunError

ROOT = pathlib.Path(__file__).resolve().parents[2]
DENSE = ('models/cifarnet.yaml', 'datasets/fashion_mnist.yaml')


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Enters an action `do` for the time of a test."""

    def enter(function: Any) -> None:
        def do(run: Any) -> None:
            """What the test says."""
            function(run)

        monkeypatch.setattr(actions, '_items', dict(actions._items))
        declared('do', needs=(), reads=(), loads=False, makes=())(do)

    return enter


def fails(capsys: pytest.CaptureFixture[str], *words: str, status: int = 2) -> Any:
    assert main(words) == status
    errors = capsys.readouterr().err
    assert 'Traceback' not in errors
    return errors


@pytest.mark.parametrize('words', [(), ('--help',), ('-h',), ('models/cifarnet.yaml', '--help')])
def test_help_fits_a_screen(words: tuple[Any, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(f'  {name} ') for line in lines) for name in actions)


def test_every_action_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {name: len(actions[name].line) for name in actions}
    assert {name: length for name, length in lengths.items() if not 10 <= length <= 61} == {}


def examples() -> list[Any]:
    text = screen(actions).partition('Examples:')[2].partition('\n\n')[0].replace('\\\n', ' ')
    return [shlex.split(line)[1:] for line in re.findall(r'^  \./my .*', text, re.MULTILINE)]


def test_there_are_five_examples() -> None:
    assert len(examples()) == 5


@pytest.mark.parametrize('words', examples(), ids=' '.join)
def test_every_example_can_be_pasted(words: Any) -> None:
    def problems_without_a_checkpoint(config: Config, action: Any, earlier: Any) -> Any:
        config = config.copy()
        config.merge_word('system.checkpoint.load=null')  # what is there depends on what was trained
        return checks.problems(config, action, earlier)

    plan(words, list(actions), problems_without_a_checkpoint)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--version']) == 0
    assert capsys.readouterr().out.startswith('mayo ')


def test_a_mistake_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(capsys, 'confg') == 'command line: unknown action `confg`; did you mean config?\n'


def test_nothing_runs_if_any_word_is_wrong(capsys: pytest.CaptureFixture[str], action: Callable[..., None]) -> None:
    done: list[Any] = []
    action(done.append)
    fails(capsys, 'do', 'evl')
    assert done == []


def test_a_failed_run_exits_1(capsys: pytest.CaptureFixture[str], action: Callable[..., None]) -> None:
    def fail(run: Any) -> None:
        raise RunError('the loss is not finite at step 7')

    action(fail)
    assert fails(capsys, 'do', status=1) == 'the loss is not finite at step 7\n'


def test_an_interrupt_exits_130_with_one_line(capsys: pytest.CaptureFixture[str], action: Callable[..., None]) -> None:
    def interrupt(run: Any) -> None:
        raise KeyboardInterrupt

    action(interrupt)
    assert fails(capsys, 'do', status=130) == 'interrupted\n'


def test_an_interrupt_that_other_code_turns_into_an_error_is_still_one(
    capsys: pytest.CaptureFixture[str], action: Callable[..., None]
) -> None:
    def disguise(run: Any) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise SystemError('returned a result with an exception set') from None

    action(disguise)
    assert fails(capsys, 'do', status=130) == 'interrupted\n'


def test_listening_to_interrupts_ends_with_main(action: Callable[..., None]) -> None:
    before = signal.getsignal(signal.SIGINT)
    action(lambda run: None)
    main(['do'])
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_inside_generated_code_exits_130_too(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'run.py').write_text(
        'from mayo.cli import main\nmain._obey = lambda words: exec("raise KeyboardInterrupt")\nraise SystemExit(main.main())\n'
    )
    done = subprocess.run(
        [sys.executable, '-m', 'run'],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, 'interrupted\n')


def test_an_error_of_the_system_names_the_file(capsys: pytest.CaptureFixture[str], action: Callable[..., None]) -> None:
    def fill(run: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/data/train.tfrecord')

    action(fill)
    assert fails(capsys, 'do', status=1) == '/data/train.tfrecord: No space left on device\n'


def test_a_package_that_is_not_installed_is_told_with_the_remedy(
    capsys: pytest.CaptureFixture[str], action: Callable[..., None]
) -> None:
    def plot(run: Any) -> None:
        raise ModuleNotFoundError("No module named 'pictures'", name='pictures')

    action(plot)
    assert fails(capsys, 'do', status=1).startswith('the environment lacks the package pictures; complete it with:  ')


def test_a_defect_of_ours_keeps_its_traceback(action: Callable[..., None]) -> None:
    def break_down(run: Any) -> None:
        raise ModuleNotFoundError("No module named 'mayo.nothing'", name='mayo.nothing')

    action(break_down)
    with pytest.raises(ModuleNotFoundError):
        main(['do'])


def test_words_after_the_last_action_are_pointed_out(capsys: pytest.CaptureFixture[str], action: Callable[..., None]) -> None:
    action(lambda run: None)
    assert main(['do', 'system.seed=3']) == 0
    assert capsys.readouterr().err == 'after the last action, so without effect: system.seed=3\n'


def test_info_can_write_a_file_for_machines(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'made/info.json'
    assert main([*DENSE, 'info.format=json', f'info.path={path}', 'info']) == 0
    assert json.loads(path.read_text())['total']['dense'] == 174_301_824
    assert capsys.readouterr().out == ''


def test_config_prints_what_can_be_read_again(capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path) -> None:
    assert main([*DENSE, 'config']) == 0
    (tmp_path / 'merged.yaml').write_text(capsys.readouterr().out)
    assert main([str(tmp_path / 'merged.yaml'), 'info']) == 0
    assert '174,301,824' in capsys.readouterr().out


def test_config_can_tell_where_each_value_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DENSE, 'system.seed=3', 'config.origin=true', 'config']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.lstrip().startswith('seed:')).endswith('# command line: system.seed=3')
    assert any('# models/cifarnet.yaml:' in line for line in lines)


def test_ls_lists_a_line_for_each_model_dataset_and_trainer(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['ls']) == 0
    lines = capsys.readouterr().out.splitlines()
    line = next(line for line in lines if line.startswith('  models/cifarnet.yaml '))
    assert '174M MACs' in line
    assert 'MCifarNet' in line
    assert {'models', 'models/gate', 'datasets', 'trainers'} <= set(lines)
