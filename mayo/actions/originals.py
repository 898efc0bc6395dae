"""`check.original=PATHS check`: whether files of the original Mayo load, each with the files beside it that it goes with.

datasets/X  a dataset         by itself, and the first of the checkout for a model that comes without
models/X    a model           with a dataset for which its layers can be costed
overlay     layers alone      after the model that its path or its name tells
_overrider  and nothing else  after a model of models/override
the rest    trainers, search  by themselves
"""

import glob
import os
import pathlib
from collections.abc import Iterator, Sequence

from mayo.actions.checks import problems
from mayo.config import Config
from mayo.util import files
from mayo.util.errors import RunError, UserError

_DATASETS = ('cifar10', 'mnist', 'imagenet', 'voc', 'cifar100', 'flowers')
_OURS = ('datasets/cifar10.yaml', 'datasets/mnist.yaml', 'datasets/imagenet.yaml')
_ANY = (files.SHIPPED / 'models/lenet5.yaml', files.SHIPPED / 'datasets/mnist.yaml')  # for paths that name them
_GLOBAL = 'models/override/_global.yaml'


def report(patterns: Sequence[str]) -> None:
    """Print a line for each file, and how many load. Errors: RunError where one does not."""
    paths = list(_files_of(patterns))
    failed = 0
    for path in paths:
        lines = problems_of(path)
        failed += bool(lines)
        print(f'{files.shown(path)}: {lines[0] if lines else "loads"}')
    print(f'{len(paths) - failed} of {len(paths)} load')
    if failed:
        raise RunError(f'{failed} of {len(paths)} files do not load.')


def problems_of(path: pathlib.Path) -> list[str]:
    """Why a file of the original does not load, with what it goes with; empty if it does."""
    alone = Config()
    try:
        alone.merge_file(path)
    except UserError as error:
        return str(error).splitlines()
    fewest: list[str] | None = None
    for words in _lines(path, alone):
        lines = _problems(words)
        fewest = lines if fewest is None or len(lines) < len(fewest) else fewest
        if not fewest:
            break
    return fewest or []


def _problems(words: Sequence[pathlib.Path]) -> list[str]:
    config = Config.default()
    try:
        for word in words:
            config.merge_file(word)
        if config.get('model.graph', None) is not None:
            return problems(config, 'info')
        return [*map(str, config.unknown()), *config.misfits()]
    except UserError as error:
        return str(error).splitlines()


def _lines(path: pathlib.Path, alone: Config) -> Iterator[list[pathlib.Path]]:
    """The files of the command lines to try, in their order."""
    root = _root(path)
    own: list[pathlib.Path] = [path]
    if 'model.graph' in alone:
        pass
    elif 'model.layers' in alone:
        own = [*_bases(path, root), path]
    elif '_overrider' in alone:
        own = [*sorted((root / 'models/override').glob('[a-z]*.yaml'))[:1], path]
    else:
        yield own
        yield [*_ANY, *own]
        return
    overriders = root / _GLOBAL
    more = [overriders] if '_overrider' not in alone and overriders.exists() else []
    datasets = [root / f'datasets/{name}.yaml' for name in _DATASETS] + [files.SHIPPED / name for name in _OURS]
    for dataset in datasets:
        if dataset.exists():
            yield [dataset, *own]
            yield [dataset, *own, *more]


def _bases(path: pathlib.Path, root: pathlib.Path) -> list[pathlib.Path]:
    """The model that an overlay is for: the one whose name its path has, the longest."""
    models = {model.stem: model for model in (*(files.SHIPPED / 'models').glob('*.yaml'), *(root / 'models').glob('*.yaml'))}
    names = [name for name in models if name in os.fspath(path.relative_to(root))]
    return [models[max(names, key=len)]] if names else []


def _root(path: pathlib.Path) -> pathlib.Path:
    """The checkout that a file is in: the nearest folder above it with `models` in it."""
    return next((folder for folder in path.parents if (folder / 'models').is_dir()), path.parent)


def _files_of(patterns: Sequence[str]) -> Iterator[pathlib.Path]:
    for pattern in patterns:
        path = pathlib.Path(pattern).expanduser()
        if path.is_dir():
            yield from sorted(file.absolute() for file in path.rglob('*.y*ml'))
            continue
        matches = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
        if not matches:
            raise UserError(f'check.original: {pattern} does not exist.')
        yield from (pathlib.Path(match).absolute() for match in matches)
