"""One pass over TFRecord files, or over image files: read, shuffle, decode, augment, batch, prefetch. Every image exactly once.

The order and the augmentation of a pass depend on `seed` and `epoch` alone, so that a pass can be taken up again in
the middle: batch n of a pass is the same whether the n batches before it were read or skipped.

Shapes: N batch, H W C height, width and channels that the network reads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mayo.data import augment, record
from mayo.data.augment import Shape
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

FILES_AT_ONCE = 16  # shards that a shuffled pass reads side by side


def epoch(
    files: Sequence[str],
    *,
    shape: Shape,
    steps: Sequence[Mapping[str, Any]],
    batch_size: int,
    seed: int = 0,
    epoch: int = 0,
    skip_batches: int = 0,
    shuffle_buffer: int = 0,
    label_offset: int = 0,
    num_examples: int | None = None,
    num_classes: int | None = None,
    drop_remainder: bool = False,
    threads: int | None = None,
    labels: Sequence[int] | None = None,
) -> Any:
    """A tf.data.Dataset of (images [N, H, W, C] float32, labels [N] int32): each record of `files` exactly once.

    labels: with them, `files` are image files of these classes instead of records.
    shape: (H, W, C) of an image after `steps`; label_offset is added to each label.
    shuffle_buffer: records among which the next one is drawn; 0 leaves them in order, file after file.
    skip_batches: how many batches of this pass to leave out at its beginning; they are read, but not decoded.
    drop_remainder: leave out the last batch if it is not full.
    threads: how many batches to decode side by side, None for TensorFlow's choice.
    Iterating raises TensorFlow's errors for bad records, for another number of records than `num_examples`, for labels
    outside `num_classes` and for images of another shape; `mayo.data.faults.reading` makes them messages for the user.
    """
    pass_seed = (seed % 2**31) << 32 | epoch
    if labels is None:
        records = _records(files, shuffle_buffer, pass_seed, threads or tf.data.AUTOTUNE)
    else:
        records = _labelled_files(files, labels, shuffle_buffer, pass_seed)
    batches = records.skip(skip_batches * batch_size).batch(batch_size)
    batches = _numbered(batches, skip_batches * batch_size, num_examples)
    least = batch_size if drop_remainder else 1
    batches = batches.filter(lambda first, batch: tf.size(batch) >= least)

    def decoded(first: Any, batch: Any) -> tuple[Any, Any]:
        batch = tf.ensure_shape(batch, [batch_size]) if drop_remainder else batch
        contents, classes = record.parse(batch) if labels is None else record.parse_labelled_file(batch)
        classes += label_offset
        if num_classes is not None:
            tf.debugging.assert_less(classes, num_classes)
            tf.debugging.assert_non_negative(classes)

        def image(content_and_number: tuple[Any, Any]) -> Any:
            content, number = content_and_number
            pixels = record.decode(content if labels is None else tf.io.read_file(content), shape[2])
            return tf.ensure_shape(augment.apply(pixels, shape, tf.stack([pass_seed, number]), steps), shape)

        numbers = first + tf.range(tf.size(batch, 'int64'))
        return tf.map_fn(image, (contents, numbers), fn_output_signature=tf.TensorSpec(shape)), classes

    return batches.map(decoded, threads or tf.data.AUTOTUNE, deterministic=True).prefetch(2).with_options(_options(threads))


def _records(files: Sequence[str], shuffle_buffer: int, seed: int, threads: int) -> Any:
    if not shuffle_buffer:
        return tf.data.TFRecordDataset(list(files))
    names = tf.data.Dataset.from_tensor_slices(list(files))
    names = names.shuffle(len(files), seed, reshuffle_each_iteration=False)
    records = names.interleave(tf.data.TFRecordDataset, FILES_AT_ONCE, 1, threads, deterministic=True)
    return records.shuffle(shuffle_buffer, seed, reshuffle_each_iteration=False)


def _labelled_files(files: Sequence[str], labels: Sequence[int], shuffle_buffer: int, seed: int) -> Any:
    """Texts for `record.parse_labelled_file`. As short as they are, all of them fit into the buffer."""
    texts = tf.data.Dataset.from_tensor_slices(record.labelled_files(files, labels))
    return texts.shuffle(len(files), seed, reshuffle_each_iteration=False) if shuffle_buffer else texts


def _numbered(batches: Any, skipped: int, expected: int | None) -> Any:
    """(number of the first record, batch) for each batch, and an empty batch that marks the end.

    At the end it fails unless the records were `expected` many, `skipped` ones included.
    """

    def number(count: Any, batch: Any) -> tuple[Any, tuple[Any, Any]]:
        size = tf.size(batch, 'int64')
        if expected is not None:
            tf.debugging.Assert((size > 0) | (count == expected), [count])
        return count + size, (count, batch)

    start = skipped if expected is None else min(skipped, expected)
    end = tf.data.Dataset.from_tensors(tf.constant([], 'string'))
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
