"""docs/fbs.md: every command runs, every file it shows works, and its table is what the code takes.

A copy of the checkout gets the files of the page, and a few small images in place of the datasets. There one
process, `drive` below, obeys the commands in their order, each with words that make it short. The commands of console blocks
only print, and tests/test_docs.py runs those.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from typing import Any, cast

import numpy as np
import pytest
import yaml

from mayo.layers.gate import GateParams
from mayo.util.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/fbs.md').read_text(encoding='utf-8')
FENCE = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'`([\w/.]+)`:\n\n```(?:python|yaml)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
TEXT = FENCE.sub('', PAGE)
COMMANDS = sorted(
    re.findall(r'^    ((?:\./my|\S*python) (?:.*\\\n)*.*)$', TEXT, re.MULTILINE),
    key=lambda command: 'fit-gates' in command,  # which the page shows before the training that it starts from
)

TRAIN = ['train.max_epochs=1', 'train.validate=false', 'system.precision=float32']
# What makes an action short. One that is not here, the test does not know how to run.
SHORT: dict[str, Any] = {
    'prepare': [],
    'info': [],
    'eval': [],
    'predict': [],
    'save': [],
    'reset-num-epochs': [],
    'train': TRAIN,
    'fit-gates': ['fit.images=8', 'system.batch_size=4'],
    'anneal': [*TRAIN, 'train.anneal.densities=[0.5]', 'train.anneal.epochs=1', 'train.anneal.final_epochs=1'],
    'bench': ['bench.networks=[compact]', 'bench.engines=[native]', 'bench.rounds=1', 'bench.images=2'],
    'export': ['export.formats=[onnx]'],
    'plot': ['plot.pictures=[macs]'],
    'slim': ['slim.target_macs=150M'],
}
# And what makes a dataset small.
SMALL: dict[str, Any] = {
    'cifar10': ['dataset.num_examples_per_epoch.train=10', 'dataset.num_examples_per_epoch.validate=2', 'system.batch_size=10'],
    'cifar10_holdout': [
        'dataset.num_examples_per_epoch.train=9',
        'dataset.num_examples_per_epoch.validate=1',
        'system.batch_size=9',
    ],
    'imagenet': [
        'dataset.num_examples_per_epoch.train=4',
        'dataset.num_examples_per_epoch.validate=2',
        'system.batch_size=4',
        'dataset.task.preprocess.shape.height=32',
        'dataset.task.preprocess.shape.width=32',
        'model.layers.fc6.num_outputs=8',
        'model.layers.fc7.num_outputs=8',
    ],
    'folder': ['system.batch_size=4'],
}
# What commands leave, by a word of theirs.
LEFT = {
    'prepare': 'datasets/cifar10/labels.txt',
    'anneal': 'checkpoints/cifarnet/cifar10/gate50.index',
    'plot': 'plots/cifarnet/cifar10/index.html',
    'slim': 'models/gate/vgg16_mine.yaml',
    'export': 'exports/mynet/photos/README.md',
    'system.checkpoint.save=gate60': 'checkpoints/vgg16_compact/imagenet/gate60.index',
    'system.checkpoint.save=noisy': 'checkpoints/cifarnet/cifar10/noisy50.index',
}


def words_of(command: str) -> list[str]:
    """The words of a command of the page, without `./my` or python."""
    return shlex.split(command.replace('\\\n', ' '))[1:]


def shortened(words: list[str]) -> list[str]:
    """`words` with those before the first action that make the command short; pytest's are short already."""
    if words[:2] == ['-m', 'pytest']:
        return words
    actions = [word for word in words if '=' not in word and not word.endswith('.yaml')]
    dataset = next(word for word in words if word.startswith('datasets/'))
    first = words.index(actions[0])
    more = [*SMALL[pathlib.Path(dataset).stem], *(word for action in actions for word in SHORT[action])]
    return [*words[:first], *more, *words[first:]]


def copy_checkout(root: pathlib.Path) -> None:
    """What the commands need, with the files of the page."""
    ignored = shutil.ignore_patterns('__pycache__', '*.tfrecord')
    for name in ('mayo', 'models', 'trainers', 'tests/net/tf/gate', 'datasets/imagenet'):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for path in (*ROOT.glob('datasets/*.yaml'), ROOT / 'setup.py', ROOT / 'pyproject.toml', ROOT / 'tests/conftest.py'):
        shutil.copy(path, root / path.relative_to(ROOT))
    for name, text in FILE.findall(PAGE):
        assert not (root / name).exists()
        (root / name).write_text(text, encoding='utf-8')


def make_images(root: pathlib.Path) -> None:
    """Noise: an archive like CIFAR-10's, records like ImageNet's, and the folders and files of photographs of the page."""
    import tensorflow as tf

    from mayo.data.record import encode

    random = np.random.default_rng(0)
    batches = {
        f'data_batch_{n}': {b'data': random.integers(0, 256, (2, 3072), np.uint8), b'labels': [n, n + 1]} for n in range(1, 6)
    }
    batches |= {'test_batch': batches['data_batch_1'], 'batches.meta': {b'label_names': [b'class %d' % n for n in range(10)]}}
    with tarfile.open(root / 'cifar-10-python.tar.gz', 'w:gz') as archive:
        for name, batch in batches.items():
            content = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f'cifar-10-batches-py/{name}')
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    picture = tf.io.encode_jpeg(random.integers(0, 256, (36, 48, 3), np.uint8)).numpy()
    for split, count in (('train', 4), ('validation', 2)):
        with tf.io.TFRecordWriter(str(root / f'datasets/imagenet/{split}-0.tfrecord')) as writer:
            for label in range(1, count + 1):
                writer.write(encode(picture, label, 'class'))
    for name in (*(f'photos/{kind}/{n}' for kind in ('cat', 'dog') for n in range(6)), 'new/one', 'me'):
        file = root / f'{name}.jpg'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)


def drive() -> None:
    """In the copy: obey the lists of words that standard input gives, and print [status, what it printed] of each.

    After them come two evaluations with the policy of the page: as it is, and as if no formula of compact execution were its.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    import tensorflow as tf

    from mayo.cli.main import main
    from mayo.layers.policy import policies

    tf.config.run_functions_eagerly(True)  # a few steps: tracing and compiling would take longer

    def obey(words: Any) -> tuple[int, Any]:
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
            status = pytest.main([*words[2:], '-n0']) if words[:2] == ['-m', 'pytest'] else main(words)
        return int(status), printed.getvalue()

    commands = json.load(sys.stdin)
    make_images(pathlib.Path.cwd())
    done = [obey(words) for words in commands]
    noisy = next(words for words in commands if '_gate.policy=noisy' in words)
    evaluate = [*noisy[:-1], '_gate.density=0.5', 'system.checkpoint.load=noisy50', 'eval']
    done.append(obey(evaluate))
    type(policies['noisy']).boost = None
    done.append(obey(evaluate))
    print(json.dumps(done))


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp('checkout')
    copy_checkout(root)
    return root


@pytest.fixture(scope='module')
def done(copy: pathlib.Path) -> Any:
    """(status, what it printed) of each command of the page, and of the two evaluations that `drive` adds."""
    process = subprocess.run(
        [sys.executable, '-P', __file__],
        cwd=copy,
        capture_output=True,
        text=True,
        input=json.dumps([shortened(words_of(command)) for command in COMMANDS]),
        env={**os.environ, 'PYTHONPATH': str(copy)},
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize('number', range(len(COMMANDS)), ids=[' '.join(words_of(command))[:100] for command in COMMANDS])
def test_a_command_of_the_page_runs(done: Any, copy: pathlib.Path, number: Any) -> None:
    status, printed = done[number]
    assert status == 0, printed
    left = [path for word, path in LEFT.items() if word in words_of(COMMANDS[number])]
    assert all((copy / path).exists() for path in left)


def test_no_command_of_the_page_is_overlooked() -> None:
    assert len(re.findall(r'\./my |python -', TEXT)) == len(COMMANDS)
    assert {block[1] for block in FENCE.finditer(PAGE)} == {'console', 'yaml', 'python'}
    assert len(FILE.findall(PAGE)) == sum(block[1] in ('yaml', 'python') for block in FENCE.finditer(PAGE))


def test_a_new_policy_runs_compact_or_masked_and_says_so_as_its_boost_tells(done: Any) -> None:
    (compact_status, compact), (masked_status, masked) = done[-2:]
    assert (compact_status, masked_status) == (0, 0)
    assert re.search(r'^    (masked execution: .*)$', PAGE, re.MULTILINE)[1] in masked.splitlines()
    assert 'masked execution' not in compact
    for printed in (compact, masked):
        assert 'measured density 0.5000: conv0 0.500' in printed


def test_the_table_of_gate_parameters_is_that_of_the_code() -> None:
    rows = re.findall(r'^\| `(\w+)` \| (\S+) \| (.*?) \| .+ \|$', PAGE, re.MULTILINE)
    defaults = {field.name: getattr(GateParams(), field.name) for field in dataclasses.fields(GateParams)}
    assert [key for key, *_ in rows] == list(defaults)
    for key, default, values in rows:
        assert (yaml.safe_load(default.strip('`')) if default != 'none' else {}) == defaults[key]
        with pytest.raises(UserError) as error:
            GateParams(**{key: cast(Any, {'nonsense': 1} if key == 'regularizer' else 'nonsense')})
        names = re.findall(r'\w+(?=[`,:])', values) if '`' in values else []
        names = sorted(names) if key == 'policy' else names
        listed = (f'one of {", ".join(names)}', ' or '.join(names), f'unknown name `nonsense`. Known: {", ".join(names)}')
        numbers = (f'a number in {values}', f'a number {values}')
        assert str(error.value).removesuffix('.').endswith(listed if names else numbers)


if __name__ == '__main__':
    drive()
