"""TensorFlow's complaint about a record becomes a message that names the file, the record and what is wrong with it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mayo.data import augment, record
from mayo.data.augment import Shape
from mayo.data.files import count_records, is_local
from mayo.util.errors import Problems, UserError
from mayo.util.files import shown
from mayo.util.lazy import lazy

tf = lazy('tensorflow')


@contextlib.contextmanager
def reading(
    files: Sequence[str],
    *,
    shape: Shape,
    steps: Sequence[Mapping[str, Any]],
    label_offset: int = 0,
    num_classes: int | None = None,
    num_examples: int | None = None,
    labels: Sequence[int] | None = None,
) -> Iterator[None]:
    """Around the iteration over `pipeline.epoch` of the same arguments: a `UserError` says which record is at fault.

    An error that no record explains passes unchanged.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(
            error, (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.NotFoundError)
        ):
            raise
        if labels is not None:
            _check_images(files, shape, steps)
            raise
        check_count(files, num_examples)
        for file in files:
            _check_file(file, shape, steps, label_offset, num_classes)
        raise


def _check_images(files: Sequence[str], shape: Shape, steps: Sequence[Mapping[str, Any]]) -> None:
    """UserError with every image file that cannot be read, or that the steps do not make fit."""
    problems = Problems()
    for file in files:
        with problems.collecting():
            try:
                content = tf.io.read_file(file)
            except tf.errors.NotFoundError:
                raise UserError(f'{shown(file)} is not there any more.') from None
            _check_shape(_decoded(content, shown(file), shape), shown(file), shape, steps)
    problems.raise_any()


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


def _check_file(
    file: str, shape: Shape, steps: Sequence[Mapping[str, Any]], label_offset: int, num_classes: int | None
) -> None:
    index = 0
    try:
        for serialized in tf.data.TFRecordDataset(file):
            _check_record(serialized, f'{shown(file)}, record {index}', shape, steps, label_offset, num_classes)
            index += 1
    except tf.errors.DataLossError as error:
        raise UserError(f'{shown(file)} is truncated or corrupt after {index} whole records.') from error


def _check_record(
    serialized: Any, where: str, shape: Shape, steps: Sequence[Mapping[str, Any]], label_offset: int, num_classes: int | None
) -> None:
    try:
        images, labels = record.parse(serialized[tf.newaxis])
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f'{where} is no example with image/encoded and image/class/label.') from error
    pixels = _decoded(images[0], where, shape)
    label = int(labels[0]) + label_offset
    if num_classes is not None and not 0 <= label < num_classes:
        raise UserError(
            f'{where}: its label is {int(labels[0])}, expected {-label_offset} to '
            f'{num_classes - label_offset - 1} (dataset.task.num_classes is {num_classes}; '
            'see dataset.task.background_class).'
        )
    _check_shape(pixels, where, shape, steps)


def _decoded(content: Any, where: str, shape: Shape) -> Any:
    try:
        return record.decode(content, shape[2])
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f'{where}: its image cannot be decoded: {record.reason(error)}') from error


def _check_shape(pixels: Any, where: str, shape: Shape, steps: Sequence[Mapping[str, Any]]) -> None:
    names = ', '.join(step['type'] for step in steps) or 'no step'
    before = 'x'.join(map(str, pixels.shape))
    expected = 'x'.join(map(str, shape))
    advice = 'a step such as crop_or_pad, random_crop with padding, or resize makes it fit'
    try:
        after = augment.apply(pixels, shape, tf.zeros([2], 'int64'), steps).shape
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        raise UserError(f'{where}: an image of {before} does not go through {names} to {expected}; {advice}.') from error
    if tuple(after) != tuple(shape):
        raise UserError(
            f'{where}: an image of {before} becomes {"x".join(map(str, after))} by {names}, but the network '
            f'reads {expected}; {advice}.'
        )
