"""One pass: every image once, in an order that the seed fixes, taken up anywhere."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data import pipeline
from mayo.data.dataset import Data
from mayo.data.examples import ImageFiles, Records

from .conftest import Helpers

SHIPPED = pathlib.Path(__file__).parents[2] / 'datasets/fashion_mnist/test.tfrecord'


FIELDS = {field.name for field in dataclasses.fields(Data)}


def passed(examples: Sequence[str] | ImageFiles, **keys: Any) -> tf.data.Dataset:
    """A pass over files of 3x2 grey pictures, or over image files; `keys` of `Data` and of `epoch`."""
    options: dict[str, Any] = {'shape': (3, 2, 1), 'batch_size': 7, 'threads': 2} | keys
    source = examples if isinstance(examples, ImageFiles) else Records(tuple(examples))
    data = Data(source, **{key: value for key, value in options.items() if key in FIELDS})
    return pipeline.epoch(data, **{key: value for key, value in options.items() if key not in FIELDS})


def read(examples: Sequence[str] | ImageFiles, **keys: Any) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """(images, labels) of a whole pass, and the sizes of its batches."""
    batches = [(images.numpy(), labels.numpy()) for images, labels in passed(examples, **keys)]
    if not batches:
        return np.zeros((0, 3, 2, 1)), np.zeros(0, int), []
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images, labels, [len(part) for _, part in batches]


@pytest.mark.parametrize('shuffle_buffer', [0, 40, 10_000])
@pytest.mark.parametrize('batch_size', [1, 7, 256, 300, 10_000])
def test_every_image_counts_exactly_once(
    shards: list[str], helpers: 'type[Helpers]', batch_size: int, shuffle_buffer: int
) -> None:
    images, labels, sizes = read(shards, batch_size=batch_size, shuffle_buffer=shuffle_buffer, num_examples=300)
    numbers_read = helpers.numbers(images)
    assert sorted(numbers_read) == list(range(300))
    assert labels.tolist() == [n % 10 for n in numbers_read]
    assert set(sizes[:-1]) <= {batch_size}


@pytest.mark.parametrize('batch_size', [1, 7, 256, 10_000])
def test_every_image_of_the_shipped_test_set_counts_exactly_once(batch_size: int) -> None:
    labels: Any = collections.Counter()
    for images, batch in passed([str(SHIPPED)], shape=(28, 28, 1), batch_size=batch_size, num_examples=10_000, num_classes=10):
        assert images.shape == (len(batch), 28, 28, 1)
        labels.update(batch.numpy().tolist())
    assert labels == dict.fromkeys(range(10), 1000)


def test_images_are_float32_from_0_to_255_and_labels_int32(shards: list[str]) -> None:
    images, labels, _ = read(shards)
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    assert images.max() == 255


def test_without_shuffling_the_order_is_that_of_the_files(shards: list[str], helpers: 'type[Helpers]') -> None:
    assert helpers.numbers(read(shards)[0]) == list(range(300))


def test_the_order_depends_on_seed_and_epoch_alone(shards: list[str], helpers: 'type[Helpers]') -> None:
    def order(**keys: Any) -> Any:
        return helpers.numbers(read(shards, shuffle_buffer=100, **keys)[0])

    assert order(seed=1, epoch=2) == order(seed=1, epoch=2, threads=1)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)
    assert order(seed=1) != order(seed=0, epoch=1)


def test_a_shuffled_pass_mixes_the_files(shards: list[str], helpers: 'type[Helpers]') -> None:
    numbers_read = np.array(helpers.numbers(read(shards, shuffle_buffer=300)[0]))
    assert len(set(numbers_read[:30] // 100)) == 3
    assert abs(np.corrcoef(numbers_read, np.arange(300))[0, 1]) < 0.3


STEPS: list[Any] = [{'type': 'random_crop', 'padding': 3}, {'type': 'random_flip'}]


@pytest.mark.parametrize('drop_remainder', [False, True])
@pytest.mark.parametrize('skip', [0, 1, 5, 42, 43])
def test_a_pass_taken_up_in_the_middle_goes_on_as_if_it_had_not_stopped(
    shards: list[str], skip: int, drop_remainder: bool
) -> None:
    keys: dict[str, Any] = {
        'shuffle_buffer': 50,
        'steps': STEPS,
        'seed': 3,
        'num_examples': 300,
        'drop_remainder': drop_remainder,
    }
    whole, whole_labels, _ = read(shards, **keys)
    rest, rest_labels, _ = read(shards, skip_batches=skip, **keys)
    np.testing.assert_array_equal(rest_labels, whole_labels[7 * skip :])
    np.testing.assert_array_equal(rest, whole[7 * skip :])


@pytest.mark.parametrize('threads', [1, None])
def test_augmentation_does_not_depend_on_threads_or_batch_size(shards: list[str], threads: int | None) -> None:
    keys: dict[str, Any] = {'steps': STEPS, 'seed': 3}
    np.testing.assert_array_equal(read(shards, threads=2, **keys)[0], read(shards, threads=threads, batch_size=100, **keys)[0])


def test_each_image_is_augmented_by_itself_and_anew_each_epoch(tmp_path: pathlib.Path, helpers: 'type[Helpers]') -> None:
    path = helpers.write_records(tmp_path / 'same.tfrecord', helpers.examples_of(1, first=513) * 50)
    first, second = (read([path], steps=STEPS, epoch=epoch)[0] for epoch in (0, 1))
    assert len({image.tobytes() for image in first}) > 5
    assert not np.array_equal(first, second)


def test_drop_remainder_leaves_out_the_last_batch_if_it_is_not_full(shards: list[str]) -> None:
    assert read(shards, batch_size=256, drop_remainder=True, num_examples=300)[2] == [256]
    assert read(shards, batch_size=100, drop_remainder=True, num_examples=300)[2] == [100, 100, 100]


def test_drop_remainder_makes_the_batch_size_static(shards: list[str]) -> None:
    images, labels = passed(shards, drop_remainder=True).element_spec
    assert (images.shape, labels.shape) == ((7, 3, 2, 1), (7,))


@pytest.mark.parametrize('wrong', [299, 301])
@pytest.mark.parametrize('skip', [0, 3, 41])
def test_another_number_of_records_than_expected_fails_at_the_end(shards: list[str], wrong: int, skip: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match='300'):
        read(shards, num_examples=wrong, skip_batches=skip)


def test_labels_are_shifted(shards: list[str]) -> None:
    assert read(shards, label_offset=1, num_classes=11)[1].tolist() == [n % 10 + 1 for n in range(300)]


@pytest.mark.parametrize(('offset', 'classes'), [(0, 9), (-1, 10)])
def test_labels_outside_the_classes_fail(shards: list[str], offset: int, classes: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        read(shards, label_offset=offset, num_classes=classes)


def test_an_image_of_another_shape_fails(shards: list[str]) -> None:
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        read(shards, shape=(4, 4, 1))


def test_grey_becomes_colour_where_the_network_reads_three_channels(shards: list[str]) -> None:
    images, _, _ = read(shards, shape=(3, 2, 3))
    np.testing.assert_array_equal(images[..., 0], images[..., 2])
    np.testing.assert_array_equal(images[..., :1], read(shards)[0])


def test_28x28_becomes_32x32_as_the_preprocessing_says() -> None:
    steps: list[Any] = [{'type': 'crop_or_pad'}, {'type': 'linear_map', 'scale': 2 / 255, 'shift': -1.0}]
    images = next(iter(passed([str(SHIPPED)], shape=(32, 32, 3), steps=steps, batch_size=5)))[0].numpy()
    grey = next(iter(passed([str(SHIPPED)], shape=(28, 28, 1), batch_size=5)))[0].numpy()
    expected = np.pad(grey, ((0, 0), (2, 2), (2, 2), (0, 0))).repeat(3, -1) * 2 / 255 - 1
    np.testing.assert_allclose(images, expected, atol=1e-6)


@pytest.fixture
def pictures(tmp_path: pathlib.Path, helpers: Any) -> ImageFiles:
    """30 image files under awkward names, number n of class n % 10."""
    names = [f"{n} it's é $(x)\n.png" for n in range(29)] + [os.fsdecode(b'no text \xff.png')]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(tf.io.encode_png(helpers.picture(number)).numpy())
    return ImageFiles(tuple((str(tmp_path / name), number % 10) for number, name in enumerate(names)))


@pytest.mark.parametrize('shuffle_buffer', [0, 1])
@pytest.mark.parametrize('drop_remainder', [False, True])
def test_every_image_file_is_read_once_with_its_label(
    pictures: ImageFiles, helpers: Any, shuffle_buffer: int, drop_remainder: bool
) -> None:
    keys: dict[str, Any] = {'num_examples': 30, 'num_classes': 11, 'label_offset': 1, 'shuffle_buffer': shuffle_buffer}
    images, labels, sizes = read(pictures, batch_size=6, drop_remainder=drop_remainder, **keys)
    order = helpers.numbers(images)
    assert sorted(order) == list(range(30))
    assert labels.tolist() == [number % 10 + 1 for number in order]
    assert (order == list(range(30))) == (not shuffle_buffer)
    assert labels.dtype == np.int32
    assert sizes == [6] * 5
    assert helpers.numbers(read(pictures, batch_size=6, skip_batches=2, **keys)[0]) == order[12:]


def test_records_are_shuffled_no_further_than_the_buffer_and_image_files_over_all(shards: Sequence[str], helpers: Any) -> None:
    order = helpers.numbers(read(shards[:1], shuffle_buffer=5)[0])
    assert all(number < place + 5 for place, number in enumerate(order))
    assert order != sorted(order)
