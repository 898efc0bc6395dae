"""Layers that join several values: concat, add, mul."""

import keras

from mayo.layers.join import Add, Concat, Mul
from mayo.net.tf.layer.base import Dims, Site, builders


@builders.register('concat')
def concat(layer: Concat, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Concatenate(**site.keras)


@builders.register('add')
def add(layer: Add, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Add(**site.keras)


@builders.register('mul')
def mul(layer: Mul, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Multiply(**site.keras)
