"""The compact network as a function of TensorFlow, with the preprocessing inside where a subject has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from mayo.data import augment
from mayo.export.artifact import Preprocessing, Subject
from mayo.net.tf.compact import CompactNetwork


def preprocess(image: Any, preprocessing: Preprocessing, *, products: bool = False) -> Any:
    """An image of bytes [H, W, C] as the network reads it, float32: what `predict` makes of it.

    products: resize by products with constant matrices, for runtimes without the operation that antialiases; H and W are known.
    """
    image = tf.cast(image, tf.float32)
    height, width = image.shape[:2]
    if height and width:
        return _applied(
            image, preprocessing, augment.fitted(preprocessing.steps, preprocessing.shape, (height, width)), products
        )
    side = max(preprocessing.shape[:2])
    large = augment.fitted(preprocessing.steps, preprocessing.shape, (side + 1, side + 1))
    return tf.cond(
        tf.reduce_min(tf.shape(image)[:2]) > side,
        lambda: _applied(image, preprocessing, large, products),
        lambda: _applied(image, preprocessing, preprocessing.steps, products),
    )


def _applied(image: Any, preprocessing: Preprocessing, steps: Sequence[Mapping[str, Any]], products: bool) -> Any:
    shape, seed = preprocessing.shape, tf.zeros([2], tf.int64)  # steps that need a seed are refused
    for step in steps:
        keys = augment.keys_of(step)
        if products and step['type'] == 'resize' and keys['antialias'] and not keys['fill']:
            image = _product(image, augment.resized_size(image.shape[:2], shape, keys), keys)
        else:
            image = augment.apply(image, shape, seed, [step])
    return tf.ensure_shape(image, shape)


def _product(image: Any, size: tuple[int, int], keys: Mapping[str, Any]) -> Any:
    """rows @ image @ columns^T for each channel."""
    height, width, channels = image.shape
    rows, columns = (
        tf.constant(augment.resizing(before, after, keys['method'], keys['half_pixel'], keys['antialias']))
        for before, after in zip((height, width), size, strict=True)
    )
    image = tf.matmul(rows, tf.reshape(image, [height, width * channels]))
    image = tf.transpose(tf.reshape(image, [size[0], width, channels]), [1, 0, 2])
    image = tf.matmul(columns, tf.reshape(image, [width, size[0] * channels]))
    return tf.transpose(tf.reshape(image, [size[1], size[0], channels]), [1, 0, 2])


def function(subject: Subject, batch: int | None, xla: bool | None = None, *, products: bool = False) -> Any:
    """A tf.function of `images` [batch, H, W, C] to {'outputs': [batch, C]}. products: as for `preprocess`."""
    network = CompactNetwork(subject.program, xla)
    dims = subject.program.values[subject.program.inputs[0]].dims

    def classified(images: Any) -> Any:
        """The outputs of images as an artifact takes them."""
        if subject.preprocessing is not None:
            images = tf.map_fn(
                lambda image: preprocess(image, subject.preprocessing, products=products),
                images,
                fn_output_signature=tf.TensorSpec(dims, tf.float32),
            )
        if images.shape[0] is None and subject.program.gated:  # one image alone needs no loop
            return tf.cond(
                tf.equal(tf.shape(images)[0], 1),
                lambda: network(tf.reshape(images[:1], (1, *dims)))[0],
                lambda: network(images)[0],
            )
        return network(images)[0]

    spec = tf.TensorSpec((batch, *subject.dims), subject.dtype, 'images')
    return tf.function(lambda images: {'outputs': classified(images)}, input_signature=[spec])
