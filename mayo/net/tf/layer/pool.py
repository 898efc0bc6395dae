"""Layers that summarize space: average_pool, max_pool, reduce_mean."""

import keras
import tensorflow as tf

from mayo.net.tf.layer.base import Dims, Function, Params, Site, builders
from mayo.net.tf.layer.conv import Linear, keras_padding, zeros_around


@builders.register('average_pool')
def average_pool(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Means of windows; of the whole map, [N, 1, 1, C], if `kernel_size` is `global` or missing."""
    return _pool(params, sources, site, keras.layers.AveragePooling2D, keras.layers.GlobalAveragePooling2D)


@builders.register('max_pool')
def max_pool(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Maxima of windows; of the whole map, [N, 1, 1, C], if `kernel_size` is `global` or missing."""
    return _pool(params, sources, site, keras.layers.MaxPooling2D, keras.layers.GlobalMaxPooling2D)


def _pool(params: Params, sources: list[Dims], site: Site, local: type, whole: type) -> keras.layers.Layer:
    if params['kernel_size'] is None:
        return whole(keepdims=True, **site.keras)
    window = [min(size, side) for size, side in zip(params['kernel_size'], sources[0][1:3], strict=True)]
    layer = local(window, params['stride'], keras_padding(params), dtype=site.dtype)
    return Linear(layer, padding=zeros_around(params), **site.keras)


@builders.register('reduce_mean')
def reduce_mean(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Mean over `axis` of [N, H, W, C]; the axes stay, of size 1, with `keepdims`."""
    return Function(lambda values: tf.reduce_mean(values, params['axis'], params['keepdims']), **site.keras)
