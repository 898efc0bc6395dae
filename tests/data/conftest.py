"""TFRecord files of tiny pictures that say who they are."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data import record


def picture(number: int) -> np.ndarray:
    """[3, 2, 1] uint8 whose first two values are `number`."""
    pixels = np.zeros((3, 2, 1), np.uint8)
    pixels[0, :, 0] = divmod(number, 256)
    return pixels


def numbers(images: np.ndarray) -> list[int]:
    """The numbers of decoded pictures [N, 3, 2, C]."""
    return [int(high) * 256 + int(low) for high, low in images[:, 0, :, 0]]


def write_records(path: Any, examples: Sequence[bytes]) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
    return str(path)


def examples_of(count: int, first: int = 0, classes: int = 10) -> list[bytes]:
    return [
        record.encode(tf.io.encode_png(picture(n)).numpy(), n % classes, f'class {n % classes}')
        for n in range(first, first + count)
    ]


@pytest.fixture(scope='session')
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """300 pictures, number n of class n % 10, in files of 100, 150 and 50."""
    folder = tmp_path_factory.mktemp('shards')
    sizes = [100, 150, 50]
    return [write_records(folder / f'train-{n}.tfrecord', examples_of(size, sum(sizes[:n]))) for n, size in enumerate(sizes)]


@pytest.fixture
def helpers() -> 'type[Helpers]':
    return Helpers


class Helpers:
    """The functions above, for tests: files under tests/ are no package to import from."""

    picture: Callable[[int], np.ndarray] = staticmethod(picture)
    numbers: Callable[[np.ndarray], list[int]] = staticmethod(numbers)
    write_records: Callable[[str | pathlib.Path, Sequence[bytes]], str] = staticmethod(write_records)
    examples_of: Callable[..., list[bytes]] = staticmethod(examples_of)
