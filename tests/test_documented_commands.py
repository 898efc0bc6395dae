"""Every command that a page or the header of a YAML file shows could be given as it stands.

The words of `./my` go through the check that the command line itself makes, in a folder with what a reader has: the shipped
files, prepared datasets, a few files of the reader's own, and whatever the commands above on the same page would have left.
Nothing runs; tests/test_docs.py and tests/test_fbs_page.py run commands. Of `make` and `python` the targets, modules and files exist.
"""

import itertools
import pathlib
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator

import pytest

from mayo.actions import actions, checks
from mayo.cli.help import asked
from mayo.cli.topics import pages
from mayo.cli.words import Step, plan
from mayo.config import Config
from mayo.session.own_images import completed
from mayo.session.stored import stored_config
from mayo.training.stages import stages_of
from mayo.util.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHELVES = ('models', 'datasets', 'trainers')
PAGES = [
    *sorted(ROOT.glob('*.md')),
    *sorted((ROOT / 'docs').glob('*.md')),
    *(path for shelf in SHELVES for path in sorted((ROOT / shelf).rglob('*.yaml'))),
]
# Inside a block of code, a console block, the comment of a YAML file, or between backticks; it may go on behind a backslash.
COMMAND = re.compile(r'(?:^(?:#? +)?(?:\$ )?|`)(\./my|make|(?:[A-Z_]+=\S+ )?\S*python3?) ((?:[^`\n\\]|\\\n)+)', re.MULTILINE)
# `FILE`, a colon, and what is in it.
SHOWN = re.compile(r'`([\w/.]+)`:\n\n```(?:python|yaml)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
# What a reader has besides: folders of images, archives, weights, and files of the original Mayo.
IMAGES = ('DIR/cat', 'DIR/dog', 'photos/cat', 'photos/dog', 'new')
FILES = {
    'me.jpg': b'',
    'photos/me.png': b'',
    'cifar-10-python.tar.gz': b'',
    'SOME.tar': b'',
    'PATH/data_batch_1': b'',
    'FOLDER/ILSVRC2012_img_val.tar': b'',
    'resnet50.keras': b'PK\3\4',
    'vgg16_weights_tf_dim_ordering_tf_kernels.h5': b'\x89HDF\r\n\x1a\n',
    'old/datasets/cifar10.yaml': b'_import: ../../datasets/cifar10.yaml',
    'old/models/gate/cifarnet.yaml': b'_import: ../../../models/gate/cifarnet.yaml',
    'old/trainers/cifarnet.yaml': b'_import: ../../trainers/one_cycle.yaml',
    'old/trainers/exponential.yaml': b'_import: ../../trainers/exponential.yaml',
}
CHECKPOINTS = ('elsewhere/resnet18/checkpoint-90',)
PLACEHOLDERS = {'MODEL.yaml': 'models/mobilenet.yaml', 'datasets/NAME.yaml': 'datasets/cifar10.yaml'}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command in `text`, in order; those that leave something out with `...` or name what a word is do not count."""
    for start, rest in COMMAND.findall(text):
        line = re.sub(r'\\\n#?', ' ', rest)
        if '...' not in line and 'WORD' not in line and (start != 'make' or re.fullmatch(r'[\w-]+', line)):
            yield [start.split()[-1], *(PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True))]


SHOWING = {page: list(commands(page.read_text(encoding='utf-8'))) for page in PAGES}


# tests/test_fbs_page.py runs the commands of that page, between edits of the code; tests/test_docs.py those of the reference,
# whose other lines are patterns.
ELSEWHERE = ('fbs.md', 'reference.md')
CHECKED = [page for page, lines in SHOWING.items() if page.name not in ELSEWHERE and any(line[0] == './my' for line in lines)]


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


class Reader:
    """What somebody has who follows a page from its first command on. The current folder is theirs."""

    def __init__(self, page: str) -> None:
        for shelf in SHELVES:
            for source in sorted((ROOT / shelf).rglob('*.yaml')):
                self.write(name_of(source), source.read_bytes())
        for folder, split in itertools.product(IMAGES, ('train', 'validation')):
            name, _, inner = folder.partition('/')
            self.write(f'{name}/{split}/{inner}/1.jpg', b'')
        for path, content in FILES.items():
            self.write(path, content)
        for path in CHECKPOINTS:
            self.save(path)
        for path, shown in SHOWN.findall(page):
            self.write(path, shown.encode())
        for dataset in sorted(pathlib.Path('datasets').glob('*.yaml')):
            config = Config.default()
            config.merge_file(str(dataset))
            for pattern in config.get('dataset.path', {}).values():
                for path in [pattern] if isinstance(pattern, str) else pattern or []:
                    self.write(re.sub(r'\*|\?|\[.*\]', '0', path), b'record')

    def write(self, path: str, content: bytes) -> None:
        target = pathlib.Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def save(self, prefix: str) -> None:
        """A checkpoint, in which nothing is read."""
        pathlib.Path(prefix).parent.mkdir(parents=True, exist_ok=True)
        for suffix in ('index', 'data-00000-of-00001'):
            shutil.copy(ROOT / f'checkpoints/cifarnet/fashion_mnist/pretrained.{suffix}', f'{prefix}.{suffix}')

    def obey(self, words: list[str]) -> None:
        """Check the words, and leave what they would leave. UserError: what is wrong with them.

        Which checkpoint is the latest is written down in the checkout, not in the current folder: the best stands for it.
        """
        words = [word.replace('checkpoint.load=latest', 'checkpoint.load=best') for word in words]
        for step in plan(words, list(actions), checks.problems, completed).steps:
            self.leave(step)

    def leave(self, step: Step) -> None:
        config = step.config
        folder = '/'.join(config.get(f'{key}') or '' for key in ('system.checkpoint.path', 'model.name', 'dataset.name'))
        name = config.get('system.checkpoint.save')
        if step.action == 'train':
            self.save(f'{folder}/{name}-best' if name else f'{folder}/best')
        elif step.action in ('save', 'import-weights'):
            self.save(f'{folder}/{name}')
        elif step.action == 'quantize':
            self.save(f'{folder}/{config.get("quantize.name") or config.get("system.checkpoint.load") + "-int8"}')
        elif step.action == 'anneal':
            for stage in stages_of(config):
                self.save(f'{folder}/{stage.name}')
        elif step.action == 'slim':
            self.slim(config)
        elif step.action == 'search' and config.get('search.variables'):
            self.save(f'{folder}/backtrack')
        elif step.action == 'profile':
            names = f'{config.get("model.name")}-{config.get("dataset.name")}'
            self.write(config.get('profile.path') or f'{names}-profile.yaml', b'{}')
        elif step.action == 'search':
            self.write(config.get('search.path'), b'{}')

    def slim(self, config: Config) -> None:
        path = pathlib.Path(config.get('slim.model') or f'models/{config.get("model.name")}_slim{percent_kept(config)}.yaml')
        base = f'{config.get("model.name")}.yaml'
        self.write(str(path), f'_import: {base}\nmodel.name: {path.stem}'.encode())
        self.write(str(path.parent / 'gate' / path.name), f'_import: {base}\nmodel.name: {path.stem}'.encode())
        weights = config.get('system.checkpoint.save') or 'slim'
        self.save(f'checkpoints/{path.stem}/{config.get("dataset.name")}/{weights}')


def percent_kept(config: Config) -> int:
    """What `slim` calls the model after: the share of the channels that stay, of those that could go."""
    kept = config.get('slim.channels')
    if kept is None:
        return round(100 * config.get('slim.density'))
    return round(100 * sum(kept.values()) / sum(config.get(f'model.layers.{layer}.num_outputs') for layer in kept))


@pytest.mark.parametrize('page', CHECKED, ids=name_of)
def test_each_command_of_a_page_passes_the_check_of_the_line_where_those_above_have_run(
    page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding='utf-8')
    reader = Reader(text)
    wrong = []
    for start, *words in SHOWING[page]:
        if start == './my' and not words[0].startswith('--'):
            names = asked(words, actions)
            try:
                if names is None:
                    reader.obey(words)
                else:
                    pages(name for name in names if not name.isupper())
            except UserError as error:
                wrong.append(f'{shlex.join(words)}\n    {error}')
    assert not wrong, '\n'.join(wrong)


def targets() -> set[str]:
    return set(re.findall(r'^([\w.-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    'page', [page for page, lines in SHOWING.items() if any(line[0] == 'make' for line in lines)], ids=name_of
)
def test_every_target_that_a_page_makes_is_in_the_makefile(page: pathlib.Path) -> None:
    assert {word for start, *words in SHOWING[page] if start == 'make' for word in words} <= targets()


@pytest.mark.parametrize(
    'page', [page for page, lines in SHOWING.items() if any('python' in line[0] for line in lines)], ids=name_of
)
def test_every_script_that_a_page_runs_exists(page: pathlib.Path) -> None:
    written = {path for path, _ in SHOWN.findall(page.read_text(encoding='utf-8'))}
    for words in [words for start, *words in SHOWING[page] if 'python' in start]:
        module = words[words.index('-m') + 1] if '-m' in words else ''
        files = [word for word in words if word.endswith(('.py', '.yaml'))]
        if module.partition('.')[0] in ('mayo', 'benchmarks', 'tests'):
            files.append(module.replace('.', '/') + '.py')
        assert files or module
        assert [file for file in files if not (ROOT / file).is_file() and file not in written] == []


def test_the_extras_that_pages_install_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    named = {extra for page in PAGES for extra in re.findall(r'\.\[(\w+)\]`', page.read_text(encoding='utf-8'))}
    assert named == set(project['optional-dependencies']) - {'dev'}


# A path that stands alone between backticks. What a command makes has a name of the reader's in it, or is in MADE.
PATH = re.compile(r'`((?:mayo|models|datasets|trainers|benchmarks|checkpoints|tests|docs)/[\w/.-]+)`')
WRITTEN = re.compile(r'models/(gate/)?\w+_slim60\.yaml|checkpoints/cifarnet_slim60/cifar10/slim')


@pytest.mark.parametrize('page', [page for page in PAGES if page.suffix == '.md' and page.name != 'CHANGELOG.md'], ids=name_of)
def test_every_path_that_a_page_names_is_there(page: pathlib.Path) -> None:
    text = page.read_text(encoding='utf-8')
    shown = {path for path, _ in SHOWN.findall(text)}
    named = {path for path in PATH.findall(text) if not re.search(r'[A-Z]|\.\.', path) and not WRITTEN.fullmatch(path)}
    assert [path for path in sorted(named - shown) if not [*ROOT.glob(path + '*')]] == []


def test_what_one_cycle_says_of_the_checkpoints_that_ship_is_in_them() -> None:
    for start, *words in SHOWING[ROOT / 'trainers/one_cycle.yaml']:
        config = plan(words, list(actions), lambda *_: ()).steps[-1].config
        prefix = ROOT / 'checkpoints/cifarnet/fashion_mnist' / config.get('system.checkpoint.save')
        stored = stored_config(prefix)
        assert start == './my'
        assert stored is not None
        assert config.to_dict(scratch=False)['train'] == stored.to_dict(scratch=False)['train']
        assert config.get('system.checkpoint.load') == stored.get('system.checkpoint.load')
