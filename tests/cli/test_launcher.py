"""The real command in a process of its own: launcher, start-up time, what it imports, pipes and signals."""

import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MY = ROOT / 'my'

needs_environment = pytest.mark.skipif(not (ROOT / '.venv').is_dir(), reason='`my` runs the .venv beside it')


def my(*words: str, cwd: Any = ROOT, program: Any = MY) -> Any:
    return subprocess.run([str(program), *words], cwd=cwd, capture_output=True, text=True, timeout=120)


@needs_environment
def test_it_runs_from_any_folder_and_passes_the_exit_status_on(tmp_path: pathlib.Path) -> None:
    done = my('models/cifarnt.yaml', 'info', cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('models/cifarnt.yaml does not exist; did you mean models/cifarnet.yaml?')


@needs_environment
def test_it_runs_through_chains_of_symbolic_links(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'absolute').symlink_to(MY)
    (tmp_path / 'bin/relative').symlink_to('../absolute')
    done = my('--version', cwd=tmp_path, program=tmp_path / 'bin/relative')
    assert (done.returncode, done.stdout[:5]) == (0, 'mayo ')


@needs_environment
def test_a_package_of_the_same_name_in_the_current_folder_does_not_shadow_ours(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'mayo').mkdir()
    (tmp_path / 'mayo/__init__.py').write_text('raise SystemExit("shadowed")')
    assert my('--version', cwd=tmp_path).returncode == 0


def test_without_the_environment_it_says_in_one_line_how_to_make_it(tmp_path: pathlib.Path) -> None:
    shutil.copy(MY, tmp_path / 'my')
    done = my('--help', program=tmp_path / 'my')
    assert done.returncode == 1
    assert done.stderr == f'my: no environment yet; make it with:  make -C {tmp_path} .venv\n'


@needs_environment
def test_help_is_instant() -> None:
    my('--help')
    started = time.perf_counter()
    done = my('--help')
    seconds = time.perf_counter() - started
    print(f'./my --help: {seconds:.3f} s')
    assert done.returncode == 0
    assert seconds < 3  # 0.3 s on a quiet machine, printed above; generous, for machines that are not


LIGHT = [
    ('--help',),
    ('--version',),
    ('help', 'actions', 'keys', 'layers', 'gates', 'steps', 'schedules', 'trainers'),
    ('ls',),
    ('config',),
    ('models/cifarnet.yaml', 'datasets/fashion_mnist.yaml', 'check'),
    ('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml', '_gate.density=0.5', 'info'),
]


def ended(*words: str) -> 'subprocess.CompletedProcess[str]':
    """The command line in a process of its own, whose last line is the exit status and what it imported of what takes seconds."""
    code = (
        'import sys; from mayo.cli.main import main; status = main(sys.argv[1:]); '
        'print(status, *({"tensorflow", "keras"} & sys.modules.keys()))'
    )
    return subprocess.run([sys.executable, '-c', code, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize('words', LIGHT, ids=' '.join)
def test_it_answers_without_tensorflow(words: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    done = ended(*words)
    print(f'{" ".join(words)}: {time.perf_counter() - started:.2f} s')
    assert done.stdout.splitlines()[-1] == '0', done.stderr


@pytest.mark.parametrize(
    'words',
    [
        ('models/cifarnet.yaml', 'system.checkpoint.load=pretrained', 'predict.files=no-such.png', 'predict'),
        ('models/cifarnet.yaml', 'system.checkpoint.load=gate50', 'eval'),
        ('models/gate/cifarnet.yaml', 'system.checkpoint.load=gate50', 'train.learning_rate.type=none', 'train'),
        ('models/gate/cifarnet.yaml', 'system.checkpoint.load=gate50', 'export.formats=[onxn]', 'export'),
        ('models/gate/cifarnet.yaml', 'system.checkpoint.load=pretraine', 'slim'),
    ],
    ids=' '.join,
)
def test_mistakes_are_told_without_tensorflow(words: tuple[str, ...]) -> None:
    done = ended(words[0], 'datasets/fashion_mnist.yaml', *words[1:])
    assert done.stdout.splitlines()[-1] == '2', done.stderr


@needs_environment
def test_a_reader_that_stops_reading_ends_it_quietly() -> None:
    words = ['models/cifarnet.yaml', 'datasets/fashion_mnist.yaml'] + ['info', 'config'] * 20
    process = subprocess.Popen([str(MY), *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ''
    process.stderr.close()
    assert process.wait(60) == 1


@needs_environment
def test_an_interrupt_ends_it_with_one_line_and_130() -> None:
    words = ['models/cifarnet.yaml', 'datasets/fashion_mnist.yaml'] + ['info', 'config'] * 50  # more than a pipe holds
    process = subprocess.Popen([str(MY), *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, 'interrupted\n')
