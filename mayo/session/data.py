"""The data of a configuration: raw data set -> TFRecord files -> batches of images.

    train, validate     the two modes: which files, which preprocessing, shuffled or in order
    label of the model = label in the records + (background_class.use - background_class.has)
"""
import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mayo.config import Config
from mayo.data import faults, pipeline
from mayo.data import prepare as raw_data
from mayo.data.augment import check_steps
from mayo.data.files import count_records, find_files, is_local
from mayo.data.prepare import ClassName
from mayo.session.progress import Progress
from mayo.session.spec import input_shape
from mayo.util.errors import Problems, UserError
from mayo.util.files import find, home, shown, whole_file

MODES = ('train', 'validate')
COUNTED_UP_FRONT = 1 << 30          # bytes of local files whose records are counted before the first is read


@dataclasses.dataclass(frozen=True)
class Data:
    """What one mode reads, checked: keyword arguments of `pipeline.epoch`, and the files."""
    files: tuple[str, ...]
    shape: tuple[int, int, int]
    steps: tuple[Mapping[str, Any], ...]
    label_offset: int
    num_classes: int | None
    num_examples: int | None

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Around each use of an iterator over an epoch: bad records become a `UserError` that names them."""
        with faults.reading(self.files, shape=self.shape, steps=self.steps, label_offset=self.label_offset,
                            num_classes=self.num_classes, num_examples=self.num_examples):
            yield


def data_of(config: Config, mode: str) -> Data:
    """What `mode` ('train' or 'validate') reads. UserError with everything wrong: files, counts, steps, shape."""
    problems = Problems()
    files: list[str] = []
    shape: tuple[int, ...] = ()
    key = f'dataset.path.{mode}'
    with problems.collecting():
        files = find_files(config.require(key, f'`{mode}`'), f'{config.origin(key)}: {key}')
    with problems.collecting():
        shape = input_shape(config).dims
    steps = []
    for name in (mode, 'final'):
        where = f'dataset.task.preprocess.{name}'
        problems += check_steps(config.get(where), f'{config.origin(where)}: {where}')
        steps += config.get(where)
    num_examples = config.get(f'dataset.num_examples_per_epoch.{mode}')
    if files:
        with problems.collecting():
            _count_up_front(files, num_examples)
    problems.raise_any()
    height, width, channels = shape
    return Data(tuple(files), (height, width, channels), tuple(steps), label_offset(config),
                config.get('dataset.task.num_classes'), num_examples)


def _count_up_front(files: Sequence[str], num_examples: int | None) -> None:
    if sum(os.path.getsize(file) for file in files if is_local(file)) <= COUNTED_UP_FRONT:
        faults.check_count(files, num_examples)


def epoch_of(config: Config, mode: str, *, epoch: int = 0, skip_batches: int = 0, batch_size: int | None = None,
             drop_remainder: bool = False, data: Data | None = None) -> Any:
    """One pass over the images of `mode` as a tf.data.Dataset of (images [N, H, W, C] float32, labels [N] int32).

    `train` is shuffled, as system.seed and `epoch` say; `validate` is in order. Iterate inside `data.reading()`.
    data: `data_of(config, mode)`, where the caller has it already.
    """
    data = data or data_of(config, mode)
    return pipeline.epoch(**{field.name: getattr(data, field.name) for field in dataclasses.fields(data)},
                          batch_size=batch_size or config.get('system.batch_size'), seed=config.get('system.seed'),
                          epoch=epoch, skip_batches=skip_batches, drop_remainder=drop_remainder,
                          shuffle_buffer=config.get('system.shuffle_buffer') if mode == 'train' else 0,
                          threads=config.get('system.threads.data'))


def label_offset(config: Config) -> int:
    """What to add to a label of the records to have the model's."""
    background = config.get('dataset.task.background_class')
    return int(background['use']) - int(background['has'])


def class_names(config: Config) -> list[str]:
    """The names of the model's outputs, from the file dataset.labels. UserError if it is not there or has another length."""
    key = 'dataset.labels'
    name = config.require(key, 'naming classes')
    path = find(name)
    if path is None:
        raise UserError(f'{config.origin(key)}: {key}: {name} does not exist; `prepare` writes it.')
    names = path.read_text(encoding='utf-8').splitlines()
    offset = label_offset(config)
    names = ['background'] * offset + names[max(-offset, 0):]
    expected = config.require('dataset.task.num_classes', 'naming classes')
    if len(names) != expected:
        raise UserError(f'{config.origin(key)}: {key}: {shown(path)} names {len(names)} classes of the model, but '
                        f'dataset.task.num_classes is {expected}.')
    return names


def prepare(config: Config) -> None:
    """Write the TFRecord files of each split that dataset.path names, and the file of class names.

    A split whose files are there with the right number of records stays as it is.
    """
    todo = {}
    for split in MODES:
        pattern = config.get(f'dataset.path.{split}')
        if pattern is not None:
            target = _target(pattern, f'{config.origin(f"dataset.path.{split}")}: dataset.path.{split}')
            if not _is_done(target, config.get(f'dataset.num_examples_per_epoch.{split}')):
                todo[split] = target
    if todo:
        settings = _prepare_settings(config)
        downloads = home() / 'datasets' / config.require('dataset.name', '`prepare`') / 'downloads'
        source = raw_data.locate(settings['source'], settings['known'] or [], settings['urls'] or {}, downloads)
        for split, target in todo.items():
            _prepare_split(config, split, source, target)


def _prepare_settings(config: Config) -> Mapping[str, Any]:
    problems = Problems()
    config.require('dataset.prepare.type', '`prepare`')
    for key, kinds, expected in (('known', list, 'a list of paths'), ('classes', (list, str), 'a list of names or a file'),
                                 ('urls', Mapping, '{FILE: {url: , sha256: }}'),
                                 ('splits', Mapping, '{train: , validate: }')):
        path = f'dataset.prepare.{key}'
        value = config.get(path)
        if value is not None and not isinstance(value, kinds):
            problems.append(f'{config.origin(path)}: {path} is {value!r}, expected {expected}.')
    problems.raise_any()
    settings: Mapping[str, Any] = config.get('dataset.prepare')
    return settings


def _target(pattern: object, where: str) -> pathlib.Path:
    if not isinstance(pattern, str) or not is_local(pattern) or pattern.count('*') > 1 or '*' in os.path.dirname(pattern):
        raise UserError(f'{where} is {pattern!r}, but `prepare` writes to one local path, with at most one * in its name.')
    return home() / os.path.expanduser(pattern)


def _is_done(target: pathlib.Path, num_examples: int | None) -> bool:
    files = sorted(target.parent.glob(target.name))
    try:
        done = bool(files) and sum(map(count_records, files)) == num_examples
    except UserError:
        return False                    # cut off or a pointer: to be made anew
    if done:
        print(f'{shown(target)}: {num_examples} images are there already')
    return done


def _prepare_split(config: Config, split: str, source: pathlib.Path, target: pathlib.Path) -> None:
    settings = config.get('dataset.prepare')
    raw = raw_data.readers[settings['type']](source, split, (settings['splits'] or {}).get(split), _known_classes(config))
    background = config.get('dataset.task.background_class')
    classes = _classes(raw.classes, config, source)
    num_examples = config.get(f'dataset.num_examples_per_epoch.{split}')
    shards = settings['shards'].get(split, 1)
    with Progress(f'prepare {split}', raw.total or num_examples or 0,
                  every_seconds=config.get('system.log.every_seconds')) as progress:
        total = raw_data.write(
            raw, target, shards=shards, mixed=split == 'train', classes=classes, first_label=int(background['has']),
            num_examples=num_examples, tell=lambda done: progress.show(done) if progress.due() else None)
    print(f'{shown(target)}: {total} images of {len(classes)} classes from {shown(source)}')
    if config.get('dataset.labels') is not None:
        _write_labels(home() / config.get('dataset.labels'), ['background'] * background['has'] + classes)


def _known_classes(config: Config) -> list[ClassName] | None:
    """What dataset.prepare.classes says: a list of names, or a file with a class a line, its folder and then its name."""
    key = 'dataset.prepare.classes'
    classes = config.get(key)
    if classes is None:
        return None
    if isinstance(classes, list):
        return [ClassName(str(name), str(name)) for name in classes]
    path = find(classes)
    if path is None:
        raise UserError(f'{config.origin(key)}: {key}: {classes} does not exist.')
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
    return [ClassName(words[0], words[-1].strip()) for words in lines]


def _classes(found: Sequence[str] | None, config: Config, source: pathlib.Path) -> list[str]:
    """The names of the classes of the records, without a background class; numbers where nobody knows names."""
    outputs = config.require('dataset.task.num_classes', '`prepare`')
    expected = outputs - config.get('dataset.task.background_class.use')
    if found is None:
        return [str(number) for number in range(expected)]
    if len(found) != expected:
        raise UserError(f'{shown(source)} holds {len(found)} classes, but dataset.task.num_classes is {outputs}'
                        f'{" with a background class" if outputs != expected else ""}.')
    return list(found)


def _write_labels(path: pathlib.Path, names: Sequence[str]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
