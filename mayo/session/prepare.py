"""`prepare`: from a raw data set to the TFRecord files and the names of classes that a configuration says."""

import logging
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence

from mayo.config import Config
from mayo.data import prepare as raw_data
from mayo.data.class_name import ClassName, checked_name
from mayo.data.files import count_records, is_local
from mayo.data.tree import alike
from mayo.session.own_images import MODES, known_classes
from mayo.util.errors import Problems, UserError
from mayo.util.files import home, shown, whole_file
from mayo.util.kinds import ANYTHING, TEXT, Kind, choice, each, mapping_of, values_of
from mayo.util.kinds import shown as shown_value
from mayo.util.progress import Progress

_log = logging.getLogger(__name__)

KINDS = {
    'dataset.prepare.known': Kind('a list of paths', each(TEXT, least=0).read),
    'dataset.prepare.urls': Kind('{FILE: {url: , sha256: }}', values_of(mapping_of(url=TEXT, sha256=TEXT)).read),
    'dataset.prepare.splits': mapping_of(train=ANYTHING, validate=ANYTHING),
}


def prepare(config: Config) -> None:
    """Write the TFRecord files of each split that dataset.path names, and the file of class names.

    A split whose files are there with the right number of records stays as it is; one that was interrupted is finished.
    """
    todo = {}
    for split, target in _targets(config).items():
        num_examples = config.get(f'dataset.num_examples_per_epoch.{split}')
        if _is_done(target, num_examples):
            print(f'{shown(target)}: {num_examples} images are there already')
        else:
            todo[split] = target
    if not todo:
        return
    config.require('dataset.prepare.type', '`prepare`')
    Problems(_faults(config, todo)).raise_any()
    settings = config.get('dataset.prepare')
    folder = home() / 'datasets' / config.require('dataset.name', '`prepare`')
    scratch = folder / '.unpacked'
    source = raw_data.locate(settings['source'], settings['known'] or [], settings['urls'] or {}, folder / 'downloads')
    whole = raw_data.unpacked(source, scratch)
    classes = known_classes(config) or _of_train(config, whole)
    writings = {split: _writing(config, split, whole, target, shown(source), classes) for split, target in todo.items()}
    for split, writing in writings.items():
        _draft(config, split, writing)
    for split, writing in writings.items():  # all or nothing: a training set whose validation set cannot be read is of no use
        writing.put_in_place()
        print(f'{shown(todo[split])}: {writing.total} images of {len(writing.classes)} classes from {shown(source)}')
    if config.get('dataset.labels') is not None:
        background = ['background'] * config.get('dataset.task.background_class.has')
        _write_labels(config.place('dataset.labels'), [*background, *next(iter(writings.values())).classes])
    if scratch.exists():
        shutil.rmtree(scratch)


def problems(config: Config) -> Iterator[str]:
    """What keeps `prepare` from reading what dataset.prepare says and writing where dataset.path says, a line each."""
    try:
        targets = _targets(config)
    except UserError as error:
        yield str(error)
        return
    if config.get('dataset.prepare.type') is None:
        return
    problems = list(_faults(config, targets))
    splits = {split: config.get(f'dataset.num_examples_per_epoch.{split}') for split in targets} if problems else {}
    if not all(_is_done(targets[split], num_examples) for split, num_examples in splits.items()):
        yield from problems


def _targets(config: Config) -> dict[str, pathlib.Path]:
    """Where the records of each split go."""
    other = config.get('dataset.prepare.instead')
    if other is not None:
        raise UserError(
            f'{config.origin("dataset.prepare.instead")}: this dataset selects among the records of {other}; '
            'name that file in its place to `prepare` them.'
        )
    targets = {}
    problems = Problems()
    for split in MODES:
        key = f'dataset.path.{split}'
        pattern = config.get(key)
        if pattern is not None:
            with problems.collecting():
                targets[split] = _target(config, key)
    problems.raise_any()
    return targets


def _target(config: Config, key: str) -> pathlib.Path:
    pattern, where = config.get(key), f'{config.origin(key)}: {key}'
    fits = isinstance(pattern, str) and is_local(pattern) and pattern.count('*') <= 1 and '*' not in os.path.dirname(pattern)
    if not fits or set('[]?') & set(os.path.basename(str(pattern))):
        raise UserError(
            f'{where} is {shown_value(pattern)}, but `prepare` writes to one local path, with at most one * in its name.'
        )
    target = config.place(key)
    if target.is_dir():
        raise UserError(f'{where}: {pattern} is a folder; its images are read as they are, there is nothing to prepare.')
    return target


def _faults(config: Config, splits: Iterable[str]) -> Iterator[str]:
    """What is wrong with dataset.prepare, as far as that shows before the source is read."""
    problems = Problems()
    for key, kind in KINDS.items():
        with problems.collecting():
            value = config.get(key)
            if value is not None:
                kind.checked(value, f'{config.origin(key)}: {key}')
    with problems.collecting():
        key = 'dataset.prepare.type'
        name = choice(*raw_data.readers).checked(config.get(key), f'{config.origin(key)}: {key}')
        reader = raw_data.readers[name]
        for split in splits if not problems else ():
            problems += _place_faults(config, split, reader)
    for check in (known_classes, _source) if not problems else ():
        with problems.collecting():
            check(config)
    yield from problems


def _place_faults(config: Config, split: str, reader: raw_data.Reader) -> Iterator[str]:
    """What is wrong with what dataset.prepare.splits says of a split, for the reader or one that knows its sources."""
    key = f'dataset.prepare.splits.{split}'
    place, where = config.get(key, None), f'{config.origin(key)}: {key}'
    others = [raw_data.readers[name] for name in raw_data.readers]
    fitting = [other for other in (reader, *others) if other.splits.fits(place)]
    if not fitting:
        reader.splits.checked(place, where)
    yield from (f'{where}: {fault}' for fault in fitting[0].check(place))


def _source(config: Config) -> pathlib.Path | None:
    source, known, urls = (config.get(f'dataset.prepare.{key}') for key in ('source', 'known', 'urls'))
    return raw_data.on_disk(source, known or [], bool(urls))


def _is_done(target: pathlib.Path, num_examples: int | None) -> bool:
    files = sorted(target.parent.glob(target.name))
    try:
        return bool(files) and sum(map(count_records, files)) == num_examples
    except UserError:
        return False  # cut off or a pointer: to be made anew


def _raw(config: Config, split: str, source: pathlib.Path, classes: Sequence[ClassName] | None) -> raw_data.Raw:
    reader = raw_data.reader_of(source, config.get('dataset.prepare.type'))
    key = f'dataset.prepare.splits.{split}'
    place = reader.splits.checked(config.get(key, None), f'{config.origin(key)}: {key}')
    return reader.read(source, split, place, classes)


def _of_train(config: Config, source: pathlib.Path) -> list[ClassName] | None:
    """The classes of the training images, by which every split is numbered; None if there is no such split, or no names."""
    if config.get('dataset.path.train') is None:
        return None
    names = _raw(config, 'train', source, None).classes
    for name, other in alike(names or ()):
        _log.warning('%s: the classes %s and %s differ in case alone', shown(source), name, other)
    return None if names is None else [ClassName(name, name) for name in names]


def _writing(
    config: Config, split: str, source: pathlib.Path, target: pathlib.Path, name: str, known: Sequence[ClassName] | None
) -> raw_data.Writing:
    """What is to be written of a split, its labels and numbers checked.

    name: of the source, for the user. known: its classes, None if only the source says them.
    """
    settings = config.get('dataset.prepare')
    raw = _raw(config, split, source, known)
    writing = raw_data.Writing(
        raw,
        target,
        settings['shards'].get(split, 1),
        mixed=split == 'train',
        classes=_classes(raw.classes, config, name),
        first_label=int(config.get('dataset.task.background_class.has')),
    )
    writing.check(config.get(f'dataset.num_examples_per_epoch.{split}'))
    return writing


def _draft(config: Config, split: str, writing: raw_data.Writing) -> None:
    if writing.kept:
        print(f'{shown(writing.pattern)}: {writing.kept} of {writing.total} images are there from an interrupted run')
    with Progress(
        f'prepare {split}', writing.total, writing.kept, every_seconds=config.get('system.log.every_seconds')
    ) as progress:
        writing.draft(lambda done: progress.show(done) if progress.due() else None)


def _classes(names: Sequence[str] | None, config: Config, source: str) -> list[str]:
    """The names of the classes of the records, without a background class; numbers where nobody knows names."""
    outputs = config.require('dataset.task.num_classes', '`prepare`')
    expected = outputs - config.get('dataset.task.background_class.use')
    if names is None:
        return [str(number) for number in range(expected)]
    if len(names) != expected:
        raise UserError(
            f'{source} holds {len(names)} classes, but dataset.task.num_classes is {outputs}'
            f'{" with a background class" if outputs != expected else ""}.'
        )
    return [checked_name(name) for name in names]


def _write_labels(path: pathlib.Path, names: Sequence[str]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
