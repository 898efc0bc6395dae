"""Decoded images that stay in memory from one pass over image files to the next, up to the first step that is random.

    decode, resize, crop_or_pad | random_crop, random_flip, linear_map      what is left of the bar happens once an image
    decode | distort_bbox, ...                                              pixels are kept as bytes

A photograph takes longer to decode and shrink than a small network takes to train on it, and a folder of photographs is read
once an epoch. Pixels are the same as without; once `limit` bytes are full, further images are read anew each time.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mayo.data import augment
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

MOST_FILES = 50_000  # of more, looking each up at the start of a pass would cost more than the few that fit can save
_KEYS = 2**62  # of which no two of so few files fall together


class Kept:
    """Tensors of one kind by a text, up to `limit` bytes of them. Several threads may ask at once."""

    def __init__(self, dtype: Any, limit: int) -> None:
        with tf.init_scope(), tf.device('CPU:0'):  # of no training and of no graph
            self._table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, '')
            self._bytes = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.dtype, self._limit = dtype, limit

    @property
    def bytes(self) -> int:
        """How many are in use."""
        return int(self._bytes.numpy())

    def get(self, name: Any, make: Callable[[], Any]) -> Any:
        """What is kept of `name`, a scalar string; else what `make` gives, which is kept if there is room. In graphs, too."""
        key = tf.strings.to_hash_bucket_fast(name, _KEYS)
        stored = self._table.lookup(key)
        shapes: list[Any] = []

        def fresh() -> Any:
            value = make()
            shapes.append(value.shape)
            text = tf.io.serialize_tensor(value)
            after = self._bytes.read_value() + tf.cast(tf.strings.length(text), tf.int64)
            with tf.control_dependencies([tf.cond(after <= self._limit, lambda: self._keep(key, text), lambda: after)]):
                return tf.identity(value)

        def stored_value() -> Any:
            value = tf.io.parse_tensor(stored, self.dtype)
            return tf.ensure_shape(value, shapes[0]) if shapes else value  # a graph is fresh of `fresh` first

        return tf.cond(tf.strings.length(stored) == 0, fresh, stored_value)

    def _keep(self, key: Any, text: Any) -> Any:
        with tf.control_dependencies([self._table.insert(key, text)]):
            return self._bytes.assign_add(tf.cast(tf.strings.length(text), tf.int64))


def split(steps: Sequence[Mapping[str, Any]]) -> int:
    """How many of the steps come before the first random one."""
    return next((index for index, step in enumerate(steps) if augment.steps[step['type']].is_random), len(steps))


def of_files(
    files: Sequence[str], steps: Sequence[Mapping[str, Any]], channels: int, shape: Sequence[int], limit: int
) -> Kept | None:
    """What is kept of these image files as they are now, after `steps`, of which none is random; None if that cannot pay."""
    if not limit or len(files) > MOST_FILES:
        return None
    return _of(tuple(map(_stamp, files)), repr(tuple(steps)), channels, tuple(shape), limit)


@functools.lru_cache(maxsize=3)  # training, validation, and training images seen as in validation
def _of(stamps: tuple[Any, ...], steps: str, channels: int, shape: tuple[int, ...], limit: int) -> Kept:
    return Kept(tf.uint8 if steps == repr(()) else tf.float32, limit)


def _stamp(file: str) -> tuple[str, int, int]:
    """Another one where the file has been written anew."""
    try:
        status = os.stat(file)
    except OSError:
        return file, -1, -1
    return file, status.st_mtime_ns, status.st_size
