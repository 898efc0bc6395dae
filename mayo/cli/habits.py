"""What people type out of habit of other programs, and what they would write here.

    --lr=0.1    lr = 0.1    optimizer=adam    cifarnet    photos/

Each is told with the words to write, and the line is read on as if those had stood there.
"""

import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from mayo.util import files, settings

KEYS = {
    'lr': 'train.learning_rate',
    'learning_rate': 'train.learning_rate',
    'train.lr': 'train.learning_rate',
    'epochs': 'train.max_epochs',
    'max_epochs': 'train.max_epochs',
    'train.epochs': 'train.max_epochs',
    'optim': 'train.optimizer',
    'optimizer': 'train.optimizer',
    'wd': 'train.weight_decay',
    'weight_decay': 'train.weight_decay',
    'batch': 'system.batch_size',
    'batch_size': 'system.batch_size',
    'seed': 'system.seed',
    'device': 'system.devices',
    'devices': 'system.devices',
    'workers': 'system.threads.data',
    'checkpoint': 'system.checkpoint.load',
    'weights': 'system.checkpoint.load',
    'density': '_gate.density',
}
OPTIMIZERS = {name.lower(): f'keras.optimizers.{name}' for name in ('Adam', 'AdamW', 'SGD', 'RMSprop')}


class Meant(NamedTuple):
    """A word to read, None where it cannot be guessed, and the problem with what was typed, '' if it is right as it is."""

    word: str | None
    problem: str = ''


def meant(
    words: Sequence[str], actions: Collection[str], is_free: Callable[[str], bool], paths: Callable[[], Sequence[str]]
) -> Iterator[Meant]:
    """The words as they stand, but for those of habit.

    is_free: whether a word is neither a file, nor an override, nor an action. paths: of every file of YAML.
    """
    position = 0
    while position < len(words):
        typed = _together(words[position : position + 3], is_free)
        position += len(typed)
        word = typed[0] if len(typed) == 1 else _joined(typed)
        yield _meant(' '.join(typed), word, actions, is_free, paths)


def _together(words: Sequence[str], is_free: Callable[[str], bool]) -> Sequence[str]:
    """The first of the words, with those after it that belong to it: `key = value`, `key= value`, `key =value`, `--key value`."""
    first, second, third = (*words, '', '')[:3]
    if second == '=' and third and is_free(first):
        return words[:3]
    if is_free(first) and second.startswith('=') and len(second) > 1:
        return words[:2]
    is_open = (first.endswith('=') and first.count('=') == 1) or (first.startswith('--') and '=' not in first)
    return words[:2] if len(first) > 1 and second and is_open and is_free(second) and second[0] not in '-=' else words[:1]


def _joined(words: Sequence[str]) -> str:
    text = ''.join(words)
    return text if '=' in text else '='.join(words)


def _meant(
    typed: str, word: str, actions: Collection[str], is_free: Callable[[str], bool], paths: Callable[[], Sequence[str]]
) -> Meant:
    bare = word.lstrip('-')
    key, equals, value = bare.partition('=')
    if equals and '/' not in key:
        return _told(typed, _override(key, value))
    if bare != word and bare in actions:
        return _told(typed, bare)
    if '/' not in word and files.find(word) is None:
        named = _files(bare, paths()) if is_free(word) or word.endswith(('.yaml', '.yml')) else []
        if named:
            others = f'; there {"are" if named[2:] else "is"} also {", ".join(named[1:])}' if named[1:] else ''
            return Meant(named[0], f'command line: `{typed}`: a file is named with its folder, write {named[0]}{others}')
    if not is_free(word):
        return Meant(word)
    if bare.lower() in OPTIMIZERS:
        return _told(typed, f'train.optimizer={OPTIMIZERS[bare.lower()]}')
    known = _key(bare)
    if known in settings.settings() or known in KEYS.values():
        return Meant(None, f'command line: `{typed}` needs a value, write {known}=VALUE; `help {known}` tells which.')
    return _of_a_path(word)


def _of_a_path(word: str) -> Meant:
    """What to write for the path of a folder with images, or of a checkpoint."""
    prefix = word.removesuffix('.index')
    if word and files.find(f'{prefix}.index') is not None:
        return _told(word, f'system.checkpoint.load={prefix}')
    folder = pathlib.Path(word).expanduser()
    if word and folder.is_dir() and not any(folder.glob('*.yaml')):
        return Meant(
            None, f'command line: `{word}` is a folder; if it holds images, write datasets/folder.yaml dataset.path={word}'
        )
    return Meant(word)


def _told(typed: str, word: str) -> Meant:
    where = ', behind a model of models/gate' if word.startswith('_gate.') else ''
    return Meant(word, '' if word == typed else f'command line: `{typed}`: write {word}{where}')


def _override(key: str, value: str) -> str:
    key = _key(key)
    if key == 'train.optimizer':
        value = OPTIMIZERS.get(value.lower(), value)
    return f'{key}={value}'


def _key(key: str) -> str:
    return key if key in settings.settings() else KEYS.get(key.replace('-', '_'), key)


def _files(word: str, paths: Sequence[str]) -> list[str]:
    """The files of that name in any folder, whatever its case and dashes."""
    name = _plain(pathlib.Path(word).stem if word.endswith(('.yaml', '.yml')) else word)
    return [path for path in paths if name and '/' in path and _plain(pathlib.Path(path).stem) == name]


def _plain(name: str) -> str:
    return name.lower().replace('-', '').replace('_', '')
