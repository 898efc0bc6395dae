"""Layers that join several values: concat, add, mul."""

import keras

from mayo.net.tf.layer.base import Dims, Params, Site, builders


@builders.register('concat')
def concat(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The channels of every input, one after the other."""
    return keras.layers.Concatenate(**site.keras)


@builders.register('add')
def add(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The sum of the inputs."""
    return keras.layers.Add(**site.keras)


@builders.register('mul')
def mul(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The product of the inputs."""
    return keras.layers.Multiply(**site.keras)
