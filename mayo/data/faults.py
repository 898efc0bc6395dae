"""TensorFlow's complaint about an example becomes a message that names the file, the record and what is wrong with it."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mayo.data import augment, record
from mayo.data.examples import ImageFiles, Records
from mayo.data.files import count_records, is_local
from mayo.data.picture import Unreadable
from mayo.util.errors import Problems, UserError
from mayo.util.files import shown
from mayo.util.lazy import lazy

if TYPE_CHECKING:
    from mayo.data.dataset import Data

tf = lazy('tensorflow')


@contextlib.contextmanager
def reading(data: 'Data') -> Iterator[None]:
    """Around the iteration over `pipeline.epoch` of `data`: a `UserError` says which example is at fault.

    An error that no example explains passes unchanged.
    """
    try:
        yield
    except Exception as error:
        if isinstance(
            error, (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.NotFoundError)
        ):
            _check(data)
        raise


def _check(data: 'Data') -> None:
    """UserError with what is wrong with the examples."""
    match data.examples:
        case ImageFiles(labelled):
            problems = Problems()
            for file, _ in labelled:
                with problems.collecting():
                    _check_image(file, data)
            problems.raise_any()
        case Records(files):
            check_count(files, data.num_examples)
            for file in files:
                _check_file(file, data)


def _check_image(file: str, data: 'Data') -> None:
    """UserError if an image file cannot be read, or the steps do not make it fit."""
    try:
        content = tf.io.read_file(file)
    except tf.errors.NotFoundError:
        raise UserError(f'{shown(file)} is not there any more.') from None
    _check_shape(_decoded(content, shown(file), data), shown(file), data)


def check_count(files: Sequence[str], num_examples: int | None) -> int:
    """How many records the local ones of `files` hold; UserError if a file is cut off or the sum is not `num_examples`."""
    total = sum(count_records(file) for file in files if is_local(file))
    if num_examples is not None and total != num_examples and all(map(is_local, files)):
        raise UserError(
            f'{_named(files)} hold{"s" * (len(files) == 1)} {total} records, but '
            f'dataset.num_examples_per_epoch says {num_examples}.'
        )
    return total


def _named(files: Sequence[str]) -> str:
    return shown(files[0]) if len(files) == 1 else f'{shown(files[0])} and {len(files) - 1} more'


def _check_file(file: str, data: 'Data') -> None:
    index = 0
    try:
        for serialized in tf.data.TFRecordDataset(file):
            _check_record(serialized, f'{shown(file)}, record {index}', data)
            index += 1
    except tf.errors.DataLossError as error:
        raise UserError(f'{shown(file)} is truncated or corrupt after {index} whole records.') from error


def _check_record(serialized: Any, where: str, data: 'Data') -> None:
    try:
        images, labels = record.parse(serialized[tf.newaxis])
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f'{where} is no example with image/encoded and image/class/label.') from error
    pixels = _decoded(images[0], where, data)
    label = int(labels[0]) + data.label_offset
    if data.num_classes is not None and not 0 <= label < data.num_classes:
        raise UserError(
            f'{where}: its label is {int(labels[0])}, expected {-data.label_offset} to '
            f'{data.num_classes - data.label_offset - 1} (dataset.task.num_classes is {data.num_classes}; '
            'see dataset.task.background_class).'
        )
    _check_shape(pixels, where, data)


def _decoded(content: Any, where: str, data: 'Data') -> Any:
    try:
        return record.read(content.numpy(), data.channels)
    except Unreadable as error:
        raise UserError(f'{where}: its image cannot be decoded: {error}.') from error


def _check_shape(pixels: Any, where: str, data: 'Data') -> None:
    names = ', '.join(step['type'] for step in data.steps) or 'no step'
    before = 'x'.join(map(str, pixels.shape))
    expected = 'x'.join(map(str, data.shape))
    advice = 'a step such as crop_or_pad, random_crop with padding, or resize makes it fit'
    try:
        after = augment.apply(pixels, data.shape, tf.zeros([2], 'int64'), data.steps).shape
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        raise UserError(f'{where}: an image of {before} does not go through {names} to {expected}; {advice}.') from error
    if tuple(after) != tuple(data.shape):
        raise UserError(
            f'{where}: an image of {before} becomes {"x".join(map(str, after))} by {names}, but the network '
            f'reads {expected}; {advice}.'
        )
