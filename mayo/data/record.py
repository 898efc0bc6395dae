"""One example of a TFRecord file, in TF-Slim's layout.

    image/encoded      bytes   a JPEG or PNG file
    image/class/label  int64   the class, counted from 0 (from 1 where 0 is a background class)
    image/class/text   bytes   the name of the class, UTF-8

N is the number of examples in a batch.
"""

import re
from typing import Any

from mayo.data import picture
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

GREY = 19595, 38470, 7471  # of red, green and blue, in parts of 2^16


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
    limits = (
        tf.int32.min,
        tf.int32.max,
    )  # a label beyond them is none of any network's classes, and must not become one by wrapping round
    return features['image/encoded'], tf.cast(tf.clip_by_value(features['image/class/label'], *limits), 'int32')


def decode(image: Any, channels: int) -> Any:
    """Pixels [H, W, channels], float32 in 0..255, of a JPEG, PNG, BMP, GIF or WebP file, a scalar string; in graphs, too.

    They are those that other decoders give: JPEG by the accurate transform, PNG of 16 bits by its high bytes, of GIF and
    WebP the first frame. Colour becomes grey for 1 channel, by ITU-R 601, grey three equal channels for 3. Of a palette
    or of transparency nothing remains but the colours, except that 4 channels have the transparency of a PNG.

        grey = (19595 red + 38470 green + 7471 blue + 2^15) >> 16

    TensorFlow raises InvalidArgumentError where there is no picture; `read` says why.
    """
    planes = 4 if channels == 4 else 3
    is_jpeg = tf.strings.substr(image, 0, len(picture.JPEG)) == picture.JPEG
    is_png = tf.strings.substr(image, 0, len(picture.PNG)) == picture.PNG
    pixels = tf.cond(
        is_jpeg,
        lambda: _opaque(_jpeg(image), planes),
        lambda: tf.cond(
            is_png,
            lambda: tf.io.decode_png(_fitting(image, _png_pixels(image)), planes),
            lambda: _opaque(tf.ensure_shape(tf.py_function(_rare, [image], 'uint8'), [None, None, 3]), planes),
        ),
    )
    pixels = tf.ensure_shape(_grey(pixels) if channels == 1 else pixels, [None, None, channels])
    return tf.cast(pixels, 'float32')


def read(content: bytes, channels: int) -> Any:
    """The same of the bytes of a file, at once. Errors: Unreadable, with the reason."""
    try:
        return decode(tf.constant(picture.plain(content)), channels)
    except tf.errors.InvalidArgumentError as error:
        raise picture.Unreadable(f'the {picture.kind_of(content)} file is damaged: {reason(error)}') from error


def _fitting(image: Any, pixels: Any) -> Any:
    """The file, if its picture is no larger than what is read: known from its header, before there is room for it."""
    with tf.control_dependencies([tf.debugging.assert_less_equal(pixels, tf.constant(picture.MAX_PIXELS, 'int64'))]):
        return tf.identity(image)


def _jpeg(image: Any) -> Any:
    """Pixels [H, W, 3] of a JPEG file. Its CMYK is inverted, as Adobe does; TensorFlow inverts where a marker of Adobe says so."""
    shape = tf.io.extract_jpeg_shape(image, 'int64')
    start = tf.constant(b'\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0')
    image = tf.cond(shape[2] == 4, lambda: tf.strings.join([start, tf.strings.substr(image, 2, -1)]), lambda: image)
    return tf.io.decode_jpeg(_fitting(image, shape[0] * shape[1]), 3, dct_method='INTEGER_ACCURATE')


def _png_pixels(image: Any) -> Any:
    """Width times height. A file that ends before them is left to the decoder to refuse, as is a side beyond 31 bits."""
    place = tf.where(tf.strings.length(image) < 24, 0, 16)
    return tf.reduce_prod(tf.cast(tf.io.decode_raw(tf.strings.substr(image, place, 8), 'int32', little_endian=False), 'int64'))


def _opaque(pixels: Any, planes: int) -> Any:
    return pixels if planes == 3 else tf.concat([pixels, tf.fill(tf.shape(pixels[..., :1]), tf.constant(255, 'uint8'))], -1)


def _grey(pixels: Any) -> Any:
    weighted = tf.reduce_sum(tf.cast(pixels, 'int32') * tf.constant(GREY), -1, keepdims=True)
    return tf.bitwise.right_shift(weighted + (1 << 15), 16)


def _rare(image: Any) -> Any:
    """Pixels [H, W, 3] of a BMP, GIF or WebP file. Errors: Unreadable."""
    content = picture.plain(image.numpy())
    kind = picture.kind_of(content)
    try:
        if kind == 'GIF':
            return tf.io.decode_gif(content)[0]
        return tf.io.decode_webp(content, 0)[0, ..., :3] if kind == 'WebP' else tf.io.decode_png(content, 3)
    except tf.errors.OpError as error:
        raise picture.Unreadable(reason(error)) from None


def reason(error: Exception) -> str:
    """What TensorFlow says is wrong with an image, without which of its operations says so."""
    message = getattr(error, 'message', str(error)).splitlines()[0]
    return re.sub(r'^\{\{.*?\}\} (Unreadable: )?|( \[Op:.*)$', '', message)
