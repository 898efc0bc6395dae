"""The data of a configuration: TFRecord files, or images in class folders, to batches of images.

train, validate     the two modes: which files, which preprocessing, shuffled or in order
label of the model = label in the records + (background_class.use - background_class.has)
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mayo.config import Config
from mayo.data import faults, pipeline
from mayo.data.class_name import lines_of
from mayo.data.dataset import Data
from mayo.data.examples import ImageFiles, Records
from mayo.data.files import find_files, is_local
from mayo.data.tree import labelled
from mayo.session.own_images import images_of, known_classes
from mayo.session.spec import input_shape
from mayo.session.steps import decoded_channels, steps_of
from mayo.util.errors import Problems, UserError
from mayo.util.files import find, shown

COUNTED_UP_FRONT = 1 << 30  # bytes of local files whose records are counted before the first is read


def data_of(config: Config, mode: str) -> Data:
    """What `mode` ('train' or 'validate') reads. UserError with everything wrong: files, counts, steps, shape."""
    problems = Problems()
    examples: Records | ImageFiles = Records(())
    shape: tuple[int, ...] = ()
    with problems.collecting():
        examples = _examples(config, mode)
    with problems.collecting():
        shape = input_shape(config).dims
    steps: tuple[Mapping[str, Any], ...] = ()
    with problems.collecting():
        steps = steps_of(config, mode)
    num_examples = config.get(f'dataset.num_examples_per_epoch.{mode}')
    offset = int(config.get('dataset.task.background_class.use'))
    if isinstance(examples, Records):
        offset = label_offset(config)
        with problems.collecting():
            _count_up_front(examples.files, num_examples)
    problems.raise_any()
    height, width, channels = shape
    return Data(
        examples,
        (height, width, channels),
        steps,
        offset,
        config.get('dataset.task.num_classes'),
        num_examples,
        decoded_channels(config, channels),
    )


def _examples(config: Config, mode: str) -> Records | ImageFiles:
    tree = images_of(config, mode)
    if tree is not None:
        return ImageFiles(tuple(labelled(tree, [name.key for name in known_classes(config) or ()])))
    key = f'dataset.path.{mode}'
    return Records(tuple(find_files(config.require(key, f'`{mode}`'), f'{config.origin(key)}: {key}', search_path(config))))


def search_path(config: Config) -> list[str]:
    """The folders in which the files of a data set are looked for."""
    folders = config.get('system.search_path.dataset')
    return [folders] if isinstance(folders, str) else folders


def _count_up_front(files: Sequence[str], num_examples: int | None) -> None:
    if files and sum(os.path.getsize(file) for file in files if is_local(file)) <= COUNTED_UP_FRONT:
        faults.check_count(files, num_examples)


def epoch_of(
    config: Config,
    mode: str,
    *,
    epoch: int = 0,
    skip_batches: int = 0,
    batch_size: int | None = None,
    drop_remainder: bool = False,
    data: Data | None = None,
) -> Any:
    """One pass over the images of `mode` as a tf.data.Dataset of (images [N, H, W, C] float32, labels [N] int32).

    `train` is shuffled, as system.seed and `epoch` say; `validate` is in order. Iterate inside `data.reading()`.
    data: `data_of(config, mode)`, where the caller has it already.
    """
    data = data or data_of(config, mode)
    return pipeline.epoch(
        data,
        batch_size=batch_size or config.get('system.batch_size'),
        seed=config.get('system.seed'),
        epoch=epoch,
        skip_batches=skip_batches,
        drop_remainder=drop_remainder,
        shuffle_buffer=config.get('system.shuffle_buffer') if mode == 'train' else 0,
        threads=config.get('system.threads.data'),
    )


def label_offset(config: Config) -> int:
    """What to add to a label of the records to have the model's."""
    background = config.get('dataset.task.background_class')
    return int(background['use']) - int(background['has'])


def class_names(config: Config) -> list[str]:
    """The names of the model's outputs: from the file dataset.labels or, where that is not, dataset.prepare.classes.

    UserError if neither is there, or there is another number of them.
    """
    key = 'dataset.labels'
    file = config.get(key)
    path = (
        next(filter(None, map(find, [file, *(os.path.join(folder, file) for folder in search_path(config))])), None)
        if file
        else None
    )
    background = config.get('dataset.task.background_class')
    if path is not None:
        source = shown(path)
        names = lines_of(path)[int(background['has']) :]
    else:
        classes = known_classes(config)
        if classes is None:
            config.require(key, 'naming classes')
            raise UserError(f'{config.origin(key)}: {key}: {file} does not exist; `prepare` writes it.')
        key, source, names = 'dataset.prepare.classes', 'it', [name.text for name in classes]
    names = ['background'] * background['use'] + names
    expected = config.require('dataset.task.num_classes', 'naming classes')
    if len(names) != expected:
        raise UserError(
            f'{config.origin(key)}: {key}: {source} names {len(names)} classes of the model, but '
            f'dataset.task.num_classes is {expected}.'
        )
    return names
