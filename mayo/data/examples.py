"""Where examples come from: files of records, or image files whose classes are known. Either is read the same way.

N is the number of examples in a batch.
"""

import os
from dataclasses import dataclass
from typing import Any, Protocol

from mayo.data import record
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

FILES_AT_ONCE = 16  # shards that a shuffled pass reads side by side


class Examples(Protocol):
    """What a pass over images reads."""

    def dataset(self, shuffle_buffer: int, seed: int, threads: int) -> Any:
        """A tf.data.Dataset of the examples as they are stored: each once, in their order or in a random one.

        shuffle_buffer: examples among which the next one is drawn; 0 leaves them in order.
        """

    def parsed(self, batch: Any) -> tuple[Any, Any]:
        """(what `content` takes, [N] string; labels [N] int32) of a batch of them."""

    def content(self, image: Any) -> Any:
        """The image file, a scalar string, of one of what `parsed` gives."""


@dataclass(frozen=True)
class Records:
    """TFRecord files of examples as `mayo.data.record` lays them out."""

    files: tuple[str, ...]

    def dataset(self, shuffle_buffer: int, seed: int, threads: int) -> Any:
        if not shuffle_buffer:
            return tf.data.TFRecordDataset(list(self.files))
        names = tf.data.Dataset.from_tensor_slices(list(self.files))
        names = names.shuffle(len(self.files), seed, reshuffle_each_iteration=False)
        records = names.interleave(tf.data.TFRecordDataset, FILES_AT_ONCE, 1, threads, deterministic=True)
        return records.shuffle(shuffle_buffer, seed, reshuffle_each_iteration=False)

    def parsed(self, batch: Any) -> tuple[Any, Any]:
        return record.parse(batch)

    def content(self, image: Any) -> Any:
        return image


@dataclass(frozen=True)
class ImageFiles:
    """Image files, each with its label."""

    labelled: tuple[tuple[str, int], ...]

    def dataset(self, shuffle_buffer: int, seed: int, threads: int) -> Any:
        files, labels = zip(*self.labelled, strict=True)
        pairs = tf.data.Dataset.from_tensor_slices(([os.fsencode(file) for file in files], tf.constant(labels, 'int32')))
        # A pair is so short that all of them fit into the buffer.
        return pairs.shuffle(len(files), seed, reshuffle_each_iteration=False) if shuffle_buffer else pairs

    def parsed(self, batch: Any) -> tuple[Any, Any]:
        files, labels = batch
        return files, labels

    def content(self, image: Any) -> Any:
        return tf.io.read_file(image)
