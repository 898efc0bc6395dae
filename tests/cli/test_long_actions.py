"""Actions in a bad hour: a full disk, a folder that cannot be written to; some of them, signals, streams and variables that lack.

One sentence, the right status, nothing half-written, old files as they were. Cases run in processes forked from one that has
TensorFlow's libraries, so that each takes only what the action itself takes. A signal comes at a share of the processor time
that the action needs: at about the same moment, however busy the machine is.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from mayo.actions import actions
from tests.conftest import GATED, TINY, write_pictures

ROOT = pathlib.Path(__file__).resolve().parents[2]
NET, GATES = 'net.yaml', 'gates.yaml'
BASE, OF_GATES = 'system.checkpoint.load=base', 'system.checkpoint.load=gated/tiny/pictures/gated'
RAW = """
dataset: {name: raw, task: {num_classes: 2, preprocess: {shape: {height: 8, width: 8, channels: 3}}},
          path: {train: raw/train-*.tfrecord, validate: raw/test.tfrecord}, labels: raw/labels.txt,
          prepare: {type: folder, source: tree, shards: {train: 2}}}
"""
SHORT = ('train.max_epochs=2', 'system.checkpoint.every_epochs=1')
WORDS: Mapping[str, tuple[str, ...]] = {
    'anneal': (NET, GATES, OF_GATES, *SHORT, 'train.anneal={epochs: 1, densities: [0.5]}'),
    'bench': (
        NET,
        GATES,
        OF_GATES,
        'bench={engines: [native, tensorflow], densities: [0.5], batch_sizes: [1], rounds: 2, path: b.json}',
    ),
    'check': (NET, BASE),
    'config': (NET,),
    'eval': (NET, BASE),
    'eval-all': (NET, 'eval.path=all.csv'),
    'export': (NET, GATES, OF_GATES, 'export.formats=[saved_model]'),
    'fit-gates': (NET, GATES, BASE),
    'info': (NET, 'info.path=info.txt'),
    'ls': (),
    'mean': (NET, 'mean.checkpoints=[base, base]', 'system.checkpoint.save=middle'),
    'plot': (NET, GATES, OF_GATES),
    'predict': (
        NET,
        BASE,
        'predict.files=tree',
        'dataset.task.preprocess.validate=[{type: resize}]',
        'predict.path=labels.txt',
    ),
    'prepare': ('raw.yaml',),
    'profile': (NET, BASE),
    'profile-timeline': (NET, BASE),
    'quantize': (NET, BASE),
    'save': (NET, BASE, 'system.checkpoint.save=again'),
    'search': (NET, GATES, OF_GATES, 'search={trials: 2, target_macs: 1M}'),
    'slim': (NET, BASE, 'slim={density: 0.5, model: slim.yaml}'),
    'train': (NET, *SHORT),
}
# Of the original Mayo, for networks with overriders; what they do is what `save`, `info`, `predict` and `train` do. Or they ask the user.
NOT_ALONE = {
    'import-weights',
    'interact',
    'overriders-assign',
    'overriders-dump',
    'overriders-reset',
    'overriders-update',
    'report',
    'version',
    'reset-num-epochs',
    'test',
}
FULL = 20_000  # bytes that a file may have where the disk is full: the files in which TensorFlow compiles functions have fewer
SAMPLE = ('info', 'prepare')

SERVER = """
import concurrent.futures, ctypes, json, os, resource, signal, sys
import tensorflow, mayo.session.base, mayo.training.trainer, mayo.actions
from mayo.cli.main import main

def child(case, out, errors):
    os.setpgid(0, 0)
    os.chdir(case['folder'])
    os.dup2(out, 1)
    os.dup2(errors, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(case.get('environment', {}))
    for name in case.get('without', ()):
        os.environ.pop(name, None)
    encoding = 'ascii' if case.get('ascii') else 'utf-8'
    sys.stdout, sys.stderr = (open(descriptor, 'w', encoding=encoding, closefd=False) for descriptor in (1, 2))
    for descriptor in case.get('closed', ()):
        os.close(descriptor)
    if 'bytes' in case:  # of a file: the disk is full
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (case['bytes'], case['bytes']))
    if case.get('powerless'):  # modes of files count, for the superuser, too
        header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, nothing) == 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if 'signal' in case:
        signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), case['signal']))
        signal.setitimer(signal.ITIMER_PROF, case['seconds'])
    status = main(case['words'])
    signal.setitimer(signal.ITIMER_PROF, 0)
    return status

for line in sys.stdin:
    case = json.loads(line)
    pipes = os.pipe(), os.pipe()
    number = os.fork()
    if not number:
        status = 70
        try:
            status = child(case, pipes[0][1], pipes[1][1])
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):
                    pass
            os._exit(status)
    readers = [(open(reader, errors='replace'), os.close(writer))[0] for reader, writer in pipes]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda stream: stream.read(), readers))
    _, status, used = os.wait4(number, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, *texts]), flush=True)
"""


class Done(NamedTuple):
    """How an action ended. seconds: of processor time; new_files: files that were not there before, by their content."""

    status: int
    seconds: float
    out: str
    errors: str
    new_files: dict[str, bytes]
    lost: list[str]


@pytest.fixture(scope='module')
def template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with what the actions read."""
    from PIL import Image

    folder = tmp_path_factory.mktemp('long') / 'template'
    folder.mkdir()
    write_pictures(folder / 'train.tfrecord', 96, 0)
    write_pictures(folder / 'validate.tfrecord', 50, 1)
    paths = 'dataset.path: {train: train.tfrecord, validate: validate.tfrecord}\nsystem.checkpoint.path: checkpoints\n'
    (folder / NET).write_text(TINY.replace('num_outputs: 6', 'num_outputs: 32') + paths)
    (folder / GATES).write_text(GATED)
    (folder / 'raw.yaml').write_text(RAW)
    for split in ('train', 'test'):
        for name, level in (('cat', 50), ('dog', 200)):
            (folder / 'tree' / split / name).mkdir(parents=True)
            for number in range(3):
                Image.new('L', (9, 7), level + number).save(folder / 'tree' / split / name / f'{number}.png')
    return folder


@pytest.fixture(scope='module')
def run(template: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Done]]:
    """run(action, **case): the action in a folder of its own, as the server's `child` says."""
    environment = os.environ | {'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    with subprocess.Popen(
        [sys.executable, '-c', SERVER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:

        def ask(name: str, *, modes: int | None = None, **case: Any) -> Done:
            folder = tmp_path_factory.mktemp(name) / 'here'
            shutil.copytree(template, folder)
            before = _contents(folder)
            _chmod(folder, modes)
            words = case.pop('words', None) or [*WORDS[name], name]
            assert server.stdin
            assert server.stdout
            print(json.dumps(case | {'folder': str(folder), 'words': list(words)}), file=server.stdin, flush=True)
            status, seconds, out, errors = json.loads(server.stdout.readline())
            _chmod(folder, None if modes is None else 0o755)
            after = _contents(folder)
            new_files = {path: content for path, content in after.items() if path not in before}
            return Done(status, seconds, out, errors, new_files, [path for path in before if after.get(path) != before[path]])

        for files, checkpoint in (([NET], 'base'), ([NET, GATES, 'system.checkpoint.path=gated'], 'gated')):
            saved = ask('save', words=[*files, f'system.checkpoint.save={checkpoint}', 'save'])
            assert saved.status == 0, saved.errors
            for path, content in saved.new_files.items():
                (template / path).parent.mkdir(parents=True, exist_ok=True)
                (template / path).write_bytes(content)
        yield ask
        server.stdin.close()


def _contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def _chmod(folder: pathlib.Path, modes: int | None) -> None:
    if modes is None:
        return
    for path in [folder, *folder.rglob('*')]:
        if path.is_dir():
            path.chmod(modes)


@pytest.fixture(scope='module')
def plain(run: Callable[..., Done]) -> Callable[[str], Done]:
    """What an action does where nothing is wrong, once each."""
    done: dict[str, Done] = {}
    return lambda name: done.setdefault(name, run(name)) if name not in done else done[name]


SAMPLED = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.faults) for name in WORDS]
CAMPAIGN = pytest.mark.parametrize('name', SAMPLED)
RECORDED = 'checkpoints/tiny/pictures/checkpoint'  # the state file, which says which is the latest


def check(done: Done, statuses: set[int]) -> None:
    """Nothing half-written, nothing lost, no traceback, one of the statuses."""
    assert done.status in statuses, done.errors
    assert 'Traceback' not in done.errors + done.out
    debris = [path for path in done.new_files if re.search(r'\.tmp(/|$)|tempstate|\.lock$', path)]
    assert debris == []
    assert set(done.lost) <= {RECORDED}


def test_every_action_is_in_one_of_the_lists() -> None:
    assert {*WORDS} | NOT_ALONE == set(actions)


@CAMPAIGN
def test_an_action_does_its_work_here(plain: Callable[[str], Done], name: str) -> None:
    check(plain(name), {0})


@pytest.mark.parametrize('name', SAMPLE)
@pytest.mark.parametrize('share', [0.2, 0.8])
@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_action_with_its_status(
    run: Callable[..., Done], plain: Callable[[str], Done], name: str, share: float, number: int, status: int
) -> None:
    done = run(name, signal=int(number), seconds=max(0.01, share * plain(name).seconds))
    check(done, {status, 0} if share > 0.5 else {status})  # the action may be done by then
    if done.status:
        assert done.errors.splitlines()[-1] == 'interrupted'


@pytest.mark.parametrize('name', SAMPLE)
@pytest.mark.parametrize(
    'case',
    [
        {'closed': [0], 'environment': {'COLUMNS': '20'}, 'ascii': True, 'without': ['HOME']},
        {'closed': [1]},
        {'closed': [0, 1, 2]},
    ],
    ids=['narrow ASCII without a home', 'no output', 'no streams'],
)
def test_an_action_does_its_work_whatever_it_is_started_with(run: Callable[..., Done], name: str, case: dict[str, Any]) -> None:
    check(run(name, **case), {0})


@CAMPAIGN
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(
    run: Callable[..., Done], plain: Callable[[str], Done], name: str
) -> None:
    done = run(name, bytes=FULL)
    large = [path for path, content in plain(name).new_files.items() if len(content) > FULL]
    check(done, {1} if large else {0, 1})  # what an action puts away meanwhile may be large, too
    if done.status:
        assert re.search(r'cannot be written: File too large', done.errors.splitlines()[-1])


@CAMPAIGN
def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    run: Callable[..., Done], plain: Callable[[str], Done], name: str
) -> None:
    done = run(name, powerless=True, modes=0o555)
    check(done, {1, 2} if plain(name).new_files else {0})
    assert not done.new_files
    if plain(name).new_files:
        assert re.search(r'Permission denied|cannot be written', done.errors.splitlines()[-1])
