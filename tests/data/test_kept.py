"""Images of a folder are decoded once: passes give the same pixels as without, and room is limited."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data import augment, kept, pipeline, record
from mayo.data.dataset import Data
from mayo.data.examples import ImageFiles

RESIZED = ({'type': 'resize', 'shorter_side': 8, 'antialias': True}, {'type': 'crop_or_pad'})
STEPS: Sequence[Sequence[Mapping[str, Any]]] = (
    RESIZED,
    (*RESIZED, {'type': 'random_crop', 'padding': 2}, {'type': 'random_flip'}, {'type': 'linear_map', 'scale': 0.5}),
    ({'type': 'distort_bbox'}, {'type': 'linear_map', 'scale': 2.0}),
    ({'type': 'linear_map', 'scale': 2.0}, {'type': 'ensure_shape'}, {'type': 'random_flip'}),
)


def picture(seed: int, size: tuple[int, int]) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    content: bytes = tf.io.encode_png(pixels).numpy()
    return content


@pytest.fixture
def files(tmp_path: pathlib.Path) -> ImageFiles:
    for n in range(9):
        (tmp_path / f'{n}.png').write_bytes(picture(n, (9 + n, 20 - n)))
    return ImageFiles(tuple((str(tmp_path / f'{n}.png'), n % 2) for n in range(9)))


def a_pass(files: ImageFiles, steps: Sequence[Mapping[str, Any]], **keys: Any) -> 'np.ndarray':
    data = Data(files, (8, 8, 3), tuple(steps))
    batches = pipeline.epoch(data, **{'batch_size': 4, 'threads': 2, 'shuffle_buffer': 9, **keys})
    return np.concatenate([images.numpy() for images, _ in batches])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The content of every image decoded so far."""
    contents: list[str] = []
    decode = record.decode

    def counted(image: Any, channels: int) -> Any:
        def count(content: Any) -> Any:
            contents.append(content)
            return content

        return decode(tf.ensure_shape(tf.numpy_function(count, [image], tf.string), []), channels)

    monkeypatch.setattr(record, 'decode', counted)
    return contents


@pytest.mark.parametrize('steps', STEPS)
@pytest.mark.parametrize('keep_bytes', [3000, 1_000_000])
def test_kept_images_are_the_same_to_the_bit(files: ImageFiles, steps: Sequence[Mapping[str, Any]], keep_bytes: int) -> None:
    for epoch in (0, 1, 1):
        np.testing.assert_array_equal(
            a_pass(files, steps, epoch=epoch, keep_bytes=keep_bytes), a_pass(files, steps, epoch=epoch)
        )


@pytest.mark.parametrize('steps', STEPS)
def test_each_image_is_decoded_once_in_many_passes(
    files: ImageFiles, steps: Sequence[Mapping[str, Any]], decoded: list[str]
) -> None:
    for epoch in range(3):
        a_pass(files, steps, epoch=epoch, keep_bytes=1_000_000)
    assert len(decoded) == 9


def test_what_does_not_fit_is_decoded_each_time(files: ImageFiles, decoded: list[str]) -> None:
    size = 8 * 8 * 3 * 4 + 100  # pixels, and what a serialized tensor says besides
    a_pass(files, RESIZED, keep_bytes=5 * size)
    a_pass(files, RESIZED, keep_bytes=5 * size)
    assert len(decoded) == 9 + 4
    a_pass(files, RESIZED, keep_bytes=0)
    assert len(decoded) == 9 + 4 + 9


def test_a_file_that_was_written_anew_is_read_anew(files: ImageFiles) -> None:
    before = a_pass(files, RESIZED, keep_bytes=1_000_000)
    name = files.image_files[3]
    pathlib.Path(name).write_bytes(picture(100, (12, 12)))
    os.utime(name, ns=(1, 1))
    after = a_pass(files, RESIZED, keep_bytes=1_000_000)
    np.testing.assert_array_equal(after, a_pass(files, RESIZED))
    assert (after != before).any()


@pytest.mark.parametrize('name', augment.steps)
def test_a_step_says_whether_it_is_random(name: str) -> None:
    """The same image with many seeds is one image, or several."""
    keys: dict[str, Any] = {'means': [1.0, 2.0, 3.0], 'stds': [4.0, 5.0, 6.0]}
    entry = augment.steps[name]
    keys = {key: value for key, value in keys.items() if key in entry.kinds}
    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.float32))
    results = {
        entry.function(pixels, (8, 8, 3), tf.constant([seed, 3], 'int64'), **keys).numpy().tobytes() for seed in range(12)
    }
    assert (len(results) > 1) == entry.is_random


def test_images_of_more_files_than_pay_are_not_kept() -> None:
    assert kept.of_files(['a.png'] * (kept.MOST_FILES + 1), (), 3, (8, 8, 3), 1000) is None
