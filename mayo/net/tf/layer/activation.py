"""Layers of one function: activation, softmax, dropout, identity."""

import keras

from mayo.layers.activation import Activation, Dropout, Identity, Softmax
from mayo.net.tf.layer.base import Dims, Site, builders


@builders.register('activation')
def activation(layer: Activation, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Activation(site.object(layer.mode, 'mode'), **site.keras)


@builders.register('softmax')
def softmax(layer: Softmax, sources: list[Dims], site: Site) -> keras.layers.Layer:
    return keras.layers.Softmax(**site.keras)


@builders.register('dropout')
def dropout(layer: Dropout, sources: list[Dims], site: Site) -> keras.layers.Layer:
    same = (None, *[1] * (len(sources[0]) - 1)) if layer.whole else None
    return keras.layers.Dropout(1 - layer.keep_prob, same, seed=site.seed_for('dropout'), **site.keras)


@builders.register('identity')
def identity(layer: Identity, sources: list[Dims], site: Site) -> keras.layers.Layer:
    if layer.activation_fn is None:
        return keras.layers.Identity(**site.keras)
    return keras.layers.Activation(site.object(layer.activation_fn, 'activation_fn'), **site.keras)
