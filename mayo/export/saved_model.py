"""TensorFlow's SavedModel: any number of images at once, of any size where it preprocesses them."""

import pathlib
from typing import Any

import numpy as np

from mayo.data import augment
from mayo.export.artifact import Classify, Format, Preprocessing, Subject, formats
from mayo.util.lazy import lazy

tf = lazy('tensorflow')
compact = lazy('mayo.net.tf.compact')

SNIPPET = """\
import tensorflow as tf
network = tf.saved_model.load('saved_model')
outputs = network.signatures['serving_default'](images=tf.constant(images))['outputs'].numpy()"""


def preprocess(image: Any, preprocessing: Preprocessing) -> Any:
    """An image of bytes [H, W, C] as the network reads it, float32."""
    seed = tf.zeros([2], tf.int64)  # steps that need it are refused
    image = augment.apply(tf.cast(image, tf.float32), preprocessing.shape, seed, preprocessing.steps)
    return tf.ensure_shape(image, preprocessing.shape)


def function(subject: Subject, batch: int | None, xla: bool | None = None) -> Any:
    """A tf.function of `images` [batch, H, W, C]: preprocessing, where the subject has it, and the compact network."""
    network = compact.CompactNetwork(subject.program, xla)
    dims = subject.program.values[subject.program.inputs[0]].dims

    def classified(images: Any) -> Any:
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


def write(subject: Subject, path: pathlib.Path) -> None:
    """Writes the folder `path`."""
    tf.saved_model.save(tf.Module(), str(path), signatures=function(subject, None).get_concrete_function())


def load(path: pathlib.Path) -> Classify:
    """The artifact as TensorFlow runs it."""
    model = tf.saved_model.load(str(path))  # has to outlive its signature

    def run(images: np.ndarray) -> np.ndarray:
        outputs: np.ndarray = model.signatures['serving_default'](images=tf.constant(images))['outputs'].numpy()
        return outputs

    return run


formats.register('saved_model')(
    Format('saved_model', ('tensorflow',), ('tensorflow',), True, lambda subject: [], write, load, SNIPPET)
)
