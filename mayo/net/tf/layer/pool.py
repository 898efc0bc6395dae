"""Pooling: average_pool, max_pool."""

import keras

from mayo.layers.pool import AveragePool, MaxPool, Pool
from mayo.layers.shape import Shape, clip
from mayo.net.tf.layer.base import Dims, Site, builders
from mayo.net.tf.layer.conv import Linear, keras_padding, zeros_around


@builders.register('average_pool')
def average_pool(layer: AveragePool, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return _pool(layer, sources, site, keras.layers.AveragePooling2D, keras.layers.GlobalAveragePooling2D)


@builders.register('max_pool')
def max_pool(layer: MaxPool, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return _pool(layer, sources, site, keras.layers.MaxPooling2D, keras.layers.GlobalMaxPooling2D)


def _pool(layer: Pool, sources: list[Dims], site: Site, local: type, whole: type) -> keras.layers.Layer:
    if layer.kernel_size is None:
        return whole(keepdims=True, **site.keras)
    window = clip(layer.kernel_size, Shape(tuple(side or 0 for side in sources[0][1:])))
    pooling = local(window, layer.stride, keras_padding(layer.padding), dtype=site.dtype)
    return Linear(pooling, padding=zeros_around(layer.padding), **site.keras)
