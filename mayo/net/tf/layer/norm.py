"""Batch normalization as a layer of its own."""

import keras

from mayo.layers import norm
from mayo.net.tf.batch_norm import BatchNormalization
from mayo.net.tf.layer.base import Dims, Site, builders
from mayo.net.tf.layer.conv import Linear


@builders.register('batch_normalization')
def batch_normalization(layer: norm.BatchNormalization, sources: list[Dims], site: Site) -> keras.layers.Layer:
    normalize = BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, center=layer.center, scale=layer.scale, dtype=site.dtype
    )
    normalize.scope = layer.scope
    return Linear(None, normalize, site.object(layer.activation_fn, 'activation_fn'), **site.keras)
