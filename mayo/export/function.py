"""The compact network as a function of TensorFlow, with the preprocessing inside where a subject has it."""

from typing import Any

import tensorflow as tf

from mayo.data import augment
from mayo.export.artifact import Preprocessing, Subject
from mayo.net.tf.compact import CompactNetwork


def preprocess(image: Any, preprocessing: Preprocessing) -> Any:
    """An image of bytes [H, W, C] as the network reads it, float32."""
    seed = tf.zeros([2], tf.int64)  # steps that need it are refused
    image = augment.apply(tf.cast(image, tf.float32), preprocessing.shape, seed, preprocessing.steps)
    return tf.ensure_shape(image, preprocessing.shape)


def function(subject: Subject, batch: int | None, xla: bool | None = None) -> Any:
    """A tf.function of `images` [batch, H, W, C] to {'outputs': [batch, C]}."""
    network = CompactNetwork(subject.program, xla)
    dims = subject.program.values[subject.program.inputs[0]].dims

    def classified(images: Any) -> Any:
        """The outputs of images as an artifact takes them."""
        if subject.preprocessing is not None:
            images = tf.map_fn(
                lambda image: preprocess(image, subject.preprocessing),
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
