"""A bad record is named: its file, its place, and what is wrong with it."""

import pathlib
from collections.abc import Sequence
from typing import Any

import pytest
import tensorflow as tf

from mayo.data import pipeline, record
from mayo.data.dataset import Data
from mayo.data.examples import Records
from mayo.util.errors import UserError

from .conftest import Helpers


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data_of(files: Sequence[str], **fields: Any) -> Data:
    given: dict[str, Any] = {'shape': (3, 2, 1), 'num_classes': 10} | fields
    return Data(Records(tuple(files)), **given)


def read(files: Sequence[str], **fields: Any) -> None:
    data = data_of(files, **fields)
    with data.reading():
        for _ in pipeline.epoch(data, batch_size=20):
            pass


def message(files: Sequence[str], **fields: Any) -> str:
    with pytest.raises(UserError) as error:
        read(files, **fields)
    return str(error.value)


def png(size: tuple[int, int, int] = (3, 2, 1)) -> Any:
    return tf.io.encode_png(tf.zeros(size, tf.uint8)).numpy()


def test_good_records_pass(shards: list[str]) -> None:
    read(shards, num_examples=300)


def test_a_flipped_bit_is_found(shards: list[str], helpers: 'type[Helpers]') -> None:
    content = bytearray(pathlib.Path(shards[2]).read_bytes())
    content[-30] ^= 1
    pathlib.Path('flipped.tfrecord').write_bytes(content)
    assert message([shards[0], 'flipped.tfrecord']) == 'flipped.tfrecord is truncated or corrupt after 49 whole records.'


def test_a_truncated_file_is_found(shards: list[str]) -> None:
    pathlib.Path('cut.tfrecord').write_bytes(pathlib.Path(shards[2]).read_bytes()[:-5])
    assert message(['cut.tfrecord']) == 'cut.tfrecord is truncated or corrupt after 49 whole records.'


def test_a_wrong_number_of_records_is_told(shards: list[str]) -> None:
    assert message(shards, num_examples=299).endswith(
        'train-0.tfrecord and 2 more hold 300 records, but dataset.num_examples_per_epoch says 299.'
    )
    assert message(shards[:1], num_examples=101).endswith(
        'train-0.tfrecord holds 100 records, but dataset.num_examples_per_epoch says 101.'
    )


def test_a_record_of_something_else_is_found(helpers: 'type[Helpers]') -> None:
    other = tf.train.Example().SerializeToString()
    path = helpers.write_records('a.tfrecord', [*helpers.examples_of(2), other])
    assert message([path]) == 'a.tfrecord, record 2 is no example with image/encoded and image/class/label.'


def test_an_image_that_cannot_be_decoded_is_found(helpers: 'type[Helpers]') -> None:
    path = helpers.write_records('a.tfrecord', [*helpers.examples_of(1), record.encode(png()[:40], 1, 'x')])
    assert message([path]).startswith('a.tfrecord, record 1: its image cannot be decoded: ')


def test_a_label_outside_the_classes_is_found(shards: list[str]) -> None:
    assert message(shards, num_classes=9).endswith(
        'train-0.tfrecord, record 9: its label is 9, expected 0 to 8 (dataset.task.num_classes is 9; '
        'see dataset.task.background_class).'
    )
    assert 'record 0: its label is 0, expected 1 to 10 ' in message(shards, label_offset=-1)


def test_an_image_of_another_shape_is_told_with_the_remedy(shards: list[str]) -> None:
    assert message(shards, shape=(4, 4, 1)).endswith(
        'train-0.tfrecord, record 0: an image of 3x2x1 becomes 3x2x1 by no step, but the network reads 4x4x1; a step such '
        'as crop_or_pad, random_crop with padding, or resize makes it fit.'
    )


def test_an_image_too_small_to_crop_is_told_with_the_remedy(shards: list[str]) -> None:
    assert 'record 0: an image of 3x2x1 does not go through random_crop to 8x8x1; a step such as crop_or_pad' in message(
        shards, shape=(8, 8, 1), steps=[{'type': 'random_crop', 'padding': 1}]
    )


def test_an_error_that_is_not_about_records_passes_unchanged(shards: list[str]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match='not mine'), data_of(shards).reading():
        raise tf.errors.InvalidArgumentError(None, None, 'not mine')
    with pytest.raises(KeyError), data_of(shards).reading():
        raise KeyError('x')
