"""`prepare`: from a raw data set to the TFRecord files and the names of classes that a configuration says."""

import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mayo.config import Config
from mayo.data import prepare as raw_data
from mayo.data.files import count_records, is_local
from mayo.session.own_images import MODES, known_classes
from mayo.util.errors import Problems, UserError
from mayo.util.files import home, shown, whole_file
from mayo.util.progress import Progress


def prepare(config: Config) -> None:
    """Write the TFRecord files of each split that dataset.path names, and the file of class names.

    A split whose files are there with the right number of records stays as it is; one that was interrupted is finished.
    """
    todo = {
        split: target
        for split, target in _targets(config).items()
        if not _is_done(target, config.get(f'dataset.num_examples_per_epoch.{split}'))
    }
    if not todo:
        return
    settings = _settings(config)
    folder = home() / 'datasets' / config.require('dataset.name', '`prepare`')
    scratch = folder / '.unpacked'
    source = raw_data.locate(settings['source'], settings['known'] or [], settings['urls'] or {}, folder / 'downloads')
    whole = raw_data.unpacked(source, scratch)
    for split, target in todo.items():
        _prepare_split(config, split, whole, target, shown(source))
    if scratch.exists():
        shutil.rmtree(scratch)


def problems(config: Config) -> Iterator[str]:
    """What keeps `prepare` from writing where dataset.path says, a line each."""
    found = Problems()
    with found.collecting():
        _targets(config)
    yield from found


def _targets(config: Config) -> dict[str, pathlib.Path]:
    """Where the records of each split go."""
    other = config.get('dataset.prepare.instead')
    if other is not None:
        raise UserError(
            f'{config.origin("dataset.prepare.instead")}: this dataset selects among the records of {other}; '
            'name that file in its place to `prepare` them.'
        )
    found = {}
    problems = Problems()
    for split in MODES:
        key = f'dataset.path.{split}'
        pattern = config.get(key)
        if pattern is not None:
            with problems.collecting():
                found[split] = _target(pattern, f'{config.origin(key)}: {key}')
    problems.raise_any()
    return found


def _target(pattern: object, where: str) -> pathlib.Path:
    fits = isinstance(pattern, str) and is_local(pattern) and pattern.count('*') <= 1 and '*' not in os.path.dirname(pattern)
    if not fits or set('[]?') & set(str(pattern)):
        raise UserError(f'{where} is {pattern!r}, but `prepare` writes to one local path, with at most one * in its name.')
    target = home() / os.path.expanduser(str(pattern))
    if target.is_dir():
        raise UserError(f'{where}: {pattern} is a folder; its images are read as they are, there is nothing to prepare.')
    return target


def _settings(config: Config) -> Mapping[str, Any]:
    problems = Problems()
    config.require('dataset.prepare.type', '`prepare`')
    for key, kinds, expected in (
        ('known', list, 'a list of paths'),
        ('classes', (list, str), 'a list of names or a file'),
        ('urls', Mapping, '{FILE: {url: , sha256: }}'),
        ('splits', Mapping, '{train: , validate: }'),
    ):
        path = f'dataset.prepare.{key}'
        value = config.get(path)
        if value is not None and not isinstance(value, kinds):
            problems.append(f'{config.origin(path)}: {path} is {value!r}, expected {expected}.')
    problems.raise_any()
    settings: Mapping[str, Any] = config.get('dataset.prepare')
    return settings


def _is_done(target: pathlib.Path, num_examples: int | None) -> bool:
    files = sorted(target.parent.glob(target.name))
    try:
        done = bool(files) and sum(map(count_records, files)) == num_examples
    except UserError:
        return False  # cut off or a pointer: to be made anew
    if done:
        print(f'{shown(target)}: {num_examples} images are there already')
    return done


def _prepare_split(config: Config, split: str, source: pathlib.Path, target: pathlib.Path, said: str) -> None:
    """said: how to name the source to the user."""
    settings = config.get('dataset.prepare')
    kind = raw_data.kind_of(source, settings['type'])
    raw = raw_data.readers[kind](source, split, (settings['splits'] or {}).get(split), known_classes(config))
    background = config.get('dataset.task.background_class')
    classes = _classes(raw.classes, config, said)
    writing = raw_data.Writing(
        raw,
        target,
        settings['shards'].get(split, 1),
        mixed=split == 'train',
        classes=classes,
        first_label=int(background['has']),
    )
    writing.check(config.get(f'dataset.num_examples_per_epoch.{split}'))
    if writing.kept:
        print(f'{shown(target)}: {writing.kept} of {writing.total} images are there from an interrupted run')
    with Progress(
        f'prepare {split}', writing.total, writing.kept, every_seconds=config.get('system.log.every_seconds')
    ) as progress:
        writing.write(lambda done: progress.show(done) if progress.due() else None)
    print(f'{shown(target)}: {writing.total} images of {len(classes)} classes from {said}')
    if config.get('dataset.labels') is not None:
        _write_labels(home() / config.get('dataset.labels'), ['background'] * background['has'] + classes)


def _classes(found: Sequence[str] | None, config: Config, source: str) -> list[str]:
    """The names of the classes of the records, without a background class; numbers where nobody knows names."""
    outputs = config.require('dataset.task.num_classes', '`prepare`')
    expected = outputs - config.get('dataset.task.background_class.use')
    if found is None:
        return [str(number) for number in range(expected)]
    if len(found) != expected:
        raise UserError(
            f'{source} holds {len(found)} classes, but dataset.task.num_classes is {outputs}'
            f'{" with a background class" if outputs != expected else ""}.'
        )
    return list(found)


def _write_labels(path: pathlib.Path, names: Sequence[str]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
