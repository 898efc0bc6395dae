"""Records as TF-Slim lays them out."""

import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data import record


def test_a_record_has_the_features_of_tf_slim() -> None:
    example = tf.train.Example.FromString(record.encode(b'png', 3, 'Trouser'))
    features = example.features.feature
    assert features['image/encoded'].bytes_list.value == [b'png']
    assert features['image/class/label'].int64_list.value == [3]
    assert features['image/class/text'].bytes_list.value == [b'Trouser']


def test_a_record_survives_writing_and_reading() -> None:
    images, labels = record.parse(tf.constant([record.encode(b'one', 1, 'a'), record.encode(b'two', 1000, 'ö')]))
    assert images.numpy().tolist() == [b'one', b'two']
    assert (labels.dtype, labels.numpy().tolist()) == (tf.int32, [1, 1000])


@pytest.mark.parametrize('encode', [tf.io.encode_png, lambda pixels: tf.io.encode_jpeg(pixels, quality=100)])
@pytest.mark.parametrize('channels', [1, 3])
def test_pictures_become_float_pixels(encode: Any, channels: int) -> None:
    pixels = np.full((4, 5, channels), 100, np.uint8)
    pixels_read = record.decode(encode(pixels), 3).numpy()
    assert (pixels_read.shape, pixels_read.dtype) == ((4, 5, 3), np.float32)
    np.testing.assert_allclose(pixels_read, 100, atol=1)


def test_colour_becomes_grey_where_one_channel_is_wanted() -> None:
    assert record.decode(tf.io.encode_png(np.full((4, 5, 3), 9, np.uint8)), 1).shape == (4, 5, 1)


def test_a_bitmap_can_be_decoded_too() -> None:
    bitmap = struct.pack('<2sIII', b'BM', 58, 0, 54) + struct.pack('<3I2H6I', 40, 1, 1, 1, 24, *[0] * 6) + bytes([1, 2, 3, 0])
    assert record.decode(bitmap, 3).numpy().tolist() == [[[3, 2, 1]]]


@pytest.mark.parametrize('label, expected', [(2**32 + 3, 2**31 - 1), (-(2**32) + 3, -(2**31)), (2**63 - 1, 2**31 - 1), (7, 7)])
def test_a_label_beyond_32_bits_becomes_no_other_class(label: int, expected: int) -> None:
    assert record.parse(tf.constant([record.encode(b'', label, '')]))[1].numpy().tolist() == [expected]
