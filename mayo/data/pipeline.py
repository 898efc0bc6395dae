"""One pass over TFRecord files, or over image files: read, shuffle, decode, augment, batch, prefetch. Every image exactly once.

The order and the augmentation of a pass depend on `seed` and `epoch` alone, so that a pass can be taken up again in
the middle: batch n of a pass is the same whether the n batches before it were read or skipped.

Shapes: N batch, H W C height, width and channels that the network reads.
"""

from collections.abc import Callable
from typing import Any

from mayo.data import augment, kept, record
from mayo.data.dataset import Data
from mayo.util.lazy import lazy

tf = lazy('tensorflow')


def epoch(
    data: Data,
    *,
    batch_size: int,
    seed: int = 0,
    epoch: int = 0,
    skip_batches: int = 0,
    shuffle_buffer: int = 0,
    drop_remainder: bool = False,
    threads: int | None = None,
    keep_bytes: int = 0,
) -> Any:
    """A tf.data.Dataset of (images [N, H, W, C] float32, labels [N] int32): each example of `data` exactly once.

    shuffle_buffer: examples among which the next one is drawn; 0 leaves them in order, file after file.
    skip_batches: how many batches of this pass to leave out at its beginning; they are read, but not decoded.
    drop_remainder: leave out the last batch if it is not full.
    threads: how many batches to decode side by side, None for TensorFlow's choice.
    keep_bytes: of memory that decoded images may take until the next pass, if `data` are image files.
    Iterating raises TensorFlow's errors for bad examples, for another number of them than `data.num_examples`, for labels
    outside `data.num_classes` and for images of another shape; inside `data.reading()` they are messages for the user.
    """
    pass_seed = (seed % 2**31) << 32 | epoch
    examples = data.examples.dataset(shuffle_buffer, pass_seed, threads or tf.data.AUTOTUNE)
    batches = examples.skip(skip_batches * batch_size).batch(batch_size)
    batches = _numbered(batches, skip_batches * batch_size, data.num_examples)
    least = batch_size if drop_remainder else 1
    batches = batches.filter(lambda first, batch: _size(batch) >= least)

    pixels_of = _pixels_of(data, keep_bytes)

    def decoded(first: Any, batch: Any) -> tuple[Any, Any]:
        if drop_remainder:
            batch = tf.nest.map_structure(lambda part: tf.ensure_shape(part, [batch_size]), batch)
        images, labels = data.examples.parsed(batch)
        labels += data.label_offset
        if data.num_classes is not None:
            tf.debugging.assert_less(labels, data.num_classes)
            tf.debugging.assert_non_negative(labels)

        def pixels(image_and_number: tuple[Any, Any]) -> Any:
            image, number = image_and_number
            return tf.ensure_shape(pixels_of(image, tf.stack([pass_seed, number])), data.shape)

        numbers = first + tf.range(_size(batch))
        return tf.map_fn(pixels, (images, numbers), fn_output_signature=tf.TensorSpec(data.shape)), labels

    return batches.map(decoded, threads or tf.data.AUTOTUNE, deterministic=True).prefetch(2).with_options(_options(threads))


def _pixels_of(data: Data, keep_bytes: int) -> Callable[[Any, Any], Any]:
    """A function that takes what `content` takes and a seed, and gives the pixels after all steps."""

    def read_anew(image: Any, seed: Any, steps: Any) -> Any:
        return augment.apply(record.decode(data.examples.content(image), data.channels), data.shape, seed, steps)

    number = kept.split(data.steps)
    before, after = data.steps[:number], data.steps[number:]
    images = kept.of_files(data.examples.image_files, before, data.channels, data.shape, keep_bytes)
    if images is None:
        return lambda image, seed: read_anew(image, seed, data.steps)
    none = tf.zeros([2], 'int64')

    def pixels_of(image: Any, seed: Any) -> Any:
        pixels = images.get(image, lambda: tf.cast(read_anew(image, none, before), images.dtype))
        return augment.apply(tf.cast(pixels, 'float32'), data.shape, seed, after, first=number)

    return pixels_of


def _size(batch: Any) -> Any:
    """How many examples a batch holds, int64."""
    return tf.size(tf.nest.flatten(batch)[0], 'int64')


def _numbered(batches: Any, skipped: int, expected: int | None) -> Any:
    """(number of the first example, batch) for each batch, and an empty batch that marks the end.

    At the end it fails unless the examples were `expected` many, `skipped` ones included.
    """

    def number(count: Any, batch: Any) -> tuple[Any, tuple[Any, Any]]:
        size = _size(batch)
        if expected is not None:
            tf.debugging.Assert((size > 0) | (count == expected), [count])
        return count + size, (count, batch)

    start = skipped if expected is None else min(skipped, expected)
    empty = tf.nest.map_structure(lambda spec: tf.zeros([0], spec.dtype), batches.element_spec)
    end = tf.data.Dataset.from_tensors(empty)
    return batches.concatenate(end).scan(tf.constant(start, 'int64'), number)


def _options(threads: int | None) -> Any:
    options = tf.data.Options()
    options.deterministic = True
    options.threading.max_intra_op_parallelism = 1
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    if threads:
        options.autotune.enabled = False
        options.threading.private_threadpool_size = threads
    return options
