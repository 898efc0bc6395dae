"""Layers that rearrange values: flatten, squeeze, space_to_depth, pad, crop."""

import keras
import tensorflow as tf

from mayo.net.tf.layer.base import Dims, Function, Params, Site, builders


@builders.register('flatten')
def flatten(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, H, W, C] to [N, H W C]."""
    return keras.layers.Flatten(**site.keras)


@builders.register('squeeze')
def squeeze(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Height and width of one position dropped: [N, 1, 1, C] to [N, C]."""
    return Function(lambda values: tf.squeeze(values, params['axis']), **site.keras)


@builders.register('space_to_depth')
def space_to_depth(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, H, W, C] to [N, H/b, W/b, C b b] for blocks of b."""
    return Function(lambda values: tf.nn.space_to_depth(values, params['block_size']), **site.keras)


@builders.register('pad')
def pad(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Zeros on the four sides, and as channels before and after the others."""
    if not any(params['channels']):
        return keras.layers.ZeroPadding2D(params['sides'], **site.keras)
    return Function(lambda values: tf.pad(values, [(0, 0), *params['sides'], params['channels']]), **site.keras)


@builders.register('crop')
def crop(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Positions taken off the four sides."""
    return keras.layers.Cropping2D(params['sides'], **site.keras)
