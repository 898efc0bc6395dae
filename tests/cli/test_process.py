"""What the process meets: closed and full streams, narrow screens, other languages, signals. No traceback, the right status."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFO = 'models/gate/cifarnet.yaml datasets/fashion_mnist.yaml info'


@pytest.mark.parametrize(
    ('streams', 'environment', 'status'),
    [
        ('>&-', {}, 0),
        ('<&-', {}, 0),
        ('2>&-', {}, 0),
        ('<&- >&- 2>&-', {}, 0),
        ('>/dev/full', {}, 1),
        ('', {'COLUMNS': '20'}, 0),
        ('', {'LANG': 'C', 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}, 0),
    ],
    ids=['no output', 'no input', 'no errors', 'none at all', 'full', 'narrow', 'ASCII'],
)
def test_the_command_line_runs_whatever_it_is_started_with(streams: str, environment: dict[str, str], status: int) -> None:
    done = subprocess.run(
        ['bash', '-c', f'{shlex.quote(sys.executable)} -m mayo.cli {INFO} {streams}'],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
    if not streams:
        assert '174,301,824' in done.stdout or environment.get('COLUMNS') == '20'
    if status:
        assert done.stderr.splitlines()[-1].endswith('No space left on device')


# A long action that cleans up after itself for as long as it may.
PROGRAM = """
import signal, sys, time
from mayo.cli import main
def work(words):
    try:
        print('ready', flush=True)
        time.sleep(60)
    finally:
        print('cleans up', flush=True)
        time.sleep(float(words[0]))
        print('clean', flush=True)
main._obey = work
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_an_action_clean_up_and_is_the_status(number: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, '-c', PROGRAM, '0'], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == 'ready\n'
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (status, 'cleans up\nclean\n', 'interrupted\n')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, '-c', PROGRAM, '60'], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == 'ready\n'
        process.send_signal(number)
        assert process.stdout.readline() == 'cleans up\n'
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=30) == -number  # 130 and 143 for a shell
        assert time.monotonic() - started < 20
