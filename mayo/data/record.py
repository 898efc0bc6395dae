"""One example of a TFRecord file, in TF-Slim's layout.

    image/encoded      bytes   a JPEG or PNG file
    image/class/label  int64   the class, counted from 0 (from 1 where 0 is a background class)
    image/class/text   bytes   the name of the class, UTF-8

N is the number of examples in a batch.
"""

import re
from typing import Any

from mayo.util.lazy import lazy

tf = lazy('tensorflow')


def encode(image: bytes, label: int, text: str) -> bytes:
    """The serialized example of one image file, its label and the name of its class."""

    def feature_of(value: bytes) -> object:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = tf.train.Features(
        feature={
            'image/encoded': feature_of(image),
            'image/class/label': tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            'image/class/text': feature_of(text.encode()),
        }
    )
    return tf.train.Example(features=features).SerializeToString(deterministic=True)


def parse(records: Any) -> tuple[Any, Any]:
    """(image files [N] string, labels [N] int32) of serialized examples, a string tensor [N]."""
    features = tf.io.parse_example(
        records, {'image/encoded': tf.io.FixedLenFeature([], 'string'), 'image/class/label': tf.io.FixedLenFeature([], 'int64')}
    )
    return features['image/encoded'], tf.cast(features['image/class/label'], 'int32')


def decode(image: Any, channels: int) -> Any:
    """Pixels [H, W, channels], float32 in 0..255, of a JPEG, PNG, BMP, GIF or WebP file; grey becomes RGB for 3."""
    pixels = tf.io.decode_image(image, channels, expand_animations=False)
    return tf.cast(tf.ensure_shape(pixels, [None, None, channels]), 'float32')


def reason(error: Exception) -> str:
    """What TensorFlow says is wrong with an image, without which of its operations says so."""
    message = getattr(error, 'message', str(error)).splitlines()[0]
    return re.sub(r'^\{\{.*?\}\} |( \[Op:.*)$', '', message)
