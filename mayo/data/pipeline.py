"""One pass over TFRecord files, or over image files: read, shuffle, decode, augment, batch, prefetch. Every image exactly once.

The order and the augmentation of a pass depend on `seed` and `epoch` alone, so that a pass can be taken up again in
the middle: batch n of a pass is the same whether the n batches before it were read or skipped.

Shapes: N batch, H W C height, width and channels that the network reads.
"""

from typing import Any

from mayo.data import augment, record
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
) -> Any:
    """A tf.data.Dataset of (images [N, H, W, C] float32, labels [N] int32): each example of `data` exactly once.

    shuffle_buffer: examples among which the next one is drawn; 0 leaves them in order, file after file.
    skip_batches: how many batches of this pass to leave out at its beginning; they are read, but not decoded.
    drop_remainder: leave out the last batch if it is not full.
    threads: how many batches to decode side by side, None for TensorFlow's choice.
    Iterating raises TensorFlow's errors for bad examples, for another number of them than `data.num_examples`, for labels
    outside `data.num_classes` and for images of another shape; inside `data.reading()` they are messages for the user.
    """
    pass_seed = (seed % 2**31) << 32 | epoch
    examples = data.examples.dataset(shuffle_buffer, pass_seed, threads or tf.data.AUTOTUNE)
    batches = examples.skip(skip_batches * batch_size).batch(batch_size)
    batches = _numbered(batches, skip_batches * batch_size, data.num_examples)
    least = batch_size if drop_remainder else 1
    batches = batches.filter(lambda first, batch: _size(batch) >= least)

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
            pixels = record.decode(data.examples.content(image), data.channels)
            pixels = augment.apply(pixels, data.shape, tf.stack([pass_seed, number]), data.steps)
            return tf.ensure_shape(pixels, data.shape)

        numbers = first + tf.range(_size(batch))
        return tf.map_fn(pixels, (images, numbers), fn_output_signature=tf.TensorSpec(data.shape)), labels

    return batches.map(decoded, threads or tf.data.AUTOTUNE, deterministic=True).prefetch(2).with_options(_options(threads))


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
