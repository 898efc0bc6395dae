"""Normalization as a layer of its own: over the batch, and over neighbouring channels."""

import keras
import tensorflow as tf

from mayo.net.tf.batch_norm import BatchNormalization
from mayo.net.tf.layer.base import Dims, Function, Params, Site, builders
from mayo.net.tf.layer.conv import Linear


@builders.register('batch_normalization')
def batch_normalization(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """activation((x - mean) / sqrt(variance + epsilon) * gamma + beta), a channel at a time."""
    norm = BatchNormalization(
        momentum=params['momentum'], epsilon=params['epsilon'], center=params['center'], scale=params['scale'], dtype=site.dtype
    )
    return Linear(None, norm, site.object(params, 'activation_fn'), **site.keras)


@builders.register('local_response_normalization')
def local_response_normalization(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """x / (bias + alpha sum of x^2 over `depth_radius` channels on each side)^beta; in float32, as TensorFlow has it."""

    def normalize(values: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.nn.local_response_normalization(tf.cast(values, tf.float32), **params), values.dtype)

    return Function(normalize, **site.keras)
