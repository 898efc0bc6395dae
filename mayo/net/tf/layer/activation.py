"""Layers of one function: activation, softmax, dropout, identity."""

import keras

from mayo.net.tf.layer.base import Dims, Params, Site, builders


@builders.register('activation')
def activation(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The function `mode`: relu, relu6, elu, sigmoid, tanh, leaky_relu, swish, hard_swish."""
    return keras.layers.Activation(site.object(params, 'mode'), **site.keras)


@builders.register('softmax')
def softmax(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Probabilities over the channels."""
    return keras.layers.Softmax(**site.keras)


@builders.register('dropout')
def dropout(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """In training, keeps each value, or with `whole` each image, with probability `keep_prob`, scaled by its inverse."""
    same = (None, *[1] * (len(sources[0]) - 1)) if params['whole'] else None
    return keras.layers.Dropout(1 - params['keep_prob'], same, seed=site.seed_for('dropout'), **site.keras)


@builders.register('identity')
def identity(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The value itself."""
    return keras.layers.Identity(**site.keras)
