"""Layers that rearrange values and that Keras has: flatten, crop."""

import keras

from mayo.layers.arrange import Crop, Flatten
from mayo.net.tf.layer.base import Dims, Site, builders


@builders.register('flatten')
def flatten(layer: Flatten, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Flatten(**site.keras)


@builders.register('crop')
def crop(layer: Crop, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Cropping2D(layer.sides, **site.keras)
