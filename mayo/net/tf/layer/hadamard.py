"""Hadamard layers, and a depthwise convolution with one of 1 x 1 upon it."""

from typing import Any

import keras
import tensorflow as tf

from mayo.layers import hadamard as layers
from mayo.net.tf.layer.base import Dims, Site, builders
from mayo.net.tf.layer.conv import Linear, biases_of, keras_padding, normalizer_of, trained, weights_of, zeros_around
from mayo.net.tf.variables import GroupwiseConv2D, PointwiseConv2D


def transformed(values: tf.Tensor, block: int = 0) -> tf.Tensor:
    """H x over the last axis, of 2^k channels: by butterflies, C log2 C additions. block: see mayo.layers.hadamard.

    >>> transformed(tf.constant([[1.0, 2.0, 3.0, 4.0]])).numpy().tolist()
    [[10.0, -2.0, -4.0, 0.0]]
    >>> transformed(tf.constant([[1.0, 2.0, 3.0, 4.0]]), block=2).numpy().tolist()
    [[4.0, 6.0, -2.0, -2.0]]
    """
    half = values.shape[-1] // 2
    mixed = values
    while half >= max(block, 1):
        first, second = tf.unstack(tf.reshape(mixed, [-1, 2, half]), axis=1)
        mixed = tf.stack([first + second, first - second], axis=1)
        half //= 2
    return tf.ensure_shape(tf.reshape(mixed, tf.shape(values)), values.shape)


class Transform(keras.layers.Layer):
    """H (s x), without s unless it has scales."""

    def __init__(self, block: int, scales: keras.initializers.Initializer | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.block, self.scales = block, scales

    def build(self, source_shape: Dims) -> None:
        if self.scales is not None:
            shape = (1, 1, 1, source_shape[-1])
            self.channel_scale = self.add_weight(name='channel_scale', shape=shape, initializer=self.scales)
        self.built = True

    def compute_output_shape(self, source_shape: Dims) -> Dims:
        return source_shape

    def call(self, values: tf.Tensor) -> tf.Tensor:
        if self.scales is not None:
            values = values * tf.reshape(tf.cast(self.channel_scale, values.dtype), [-1])
        return transformed(values, self.block)


class Mixing(Linear):
    """activation(norm(mix(linear(pad(x))))); linear may be missing."""

    def __init__(self, *args: Any, mix: keras.layers.Layer, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mix = mix

    def convolved(self, source: tf.Tensor) -> tf.Tensor:
        return self.mix(super().convolved(source))

    def _chain(self) -> list[keras.layers.Layer]:
        return [layer for layer in (self.padding, self.linear, self.mix, self.norm) if layer is not None]


@builders.register('hadamard')
def hadamard(layer: layers.Hadamard, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The scales start at 1 / sqrt(C), give or take 0.001."""
    channels = sources[0][-1]
    assert channels is not None
    around = keras.initializers.TruncatedNormal(channels**-0.5, 0.001, site.seed_for('channel_scale'))
    mix = Transform(layer.block, around if layer.variable_scales else None, dtype=site.dtype)
    mix.trainable = layer.trainable != 'norm'
    return Mixing(None, normalizer_of(layer, site), site.object(layer.activation_fn, 'activation_fn'), mix=mix, **site.keras)


@builders.register('hadamard_convolution')
def hadamard_convolution(layer: layers.HadamardConvolution, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, H', W', C'] to [N, H, W, C]"""
    channels = sources[0][-1]
    assert channels is not None
    window = (layer.kernel_size, layer.stride, keras_padding(layer.padding))
    if layer.outputs(channels) == channels:
        convolving: keras.layers.Layer = keras.layers.DepthwiseConv2D(
            *window, **weights_of(layer, site, 'depthwise'), **biases_of(layer, site), dtype=site.dtype
        )
    else:
        convolving = GroupwiseConv2D(
            layer.outputs(channels),
            *window,
            groups=channels,
            **weights_of(layer, site, 'kernel'),
            **biases_of(layer, site),
            dtype=site.dtype,
        )
    return Mixing(
        trained(layer, convolving),
        normalizer_of(layer, site),
        site.object(layer.activation_fn, 'activation_fn'),
        zeros_around(layer.padding),
        mix=Transform(layer.block, dtype=site.dtype),
        **site.keras,
    )


@builders.register('depthwise_separable_convolution')
def depthwise_separable_convolution(
    layer: layers.DepthwiseSeparableConvolution, sources: list[Dims], site: Site
) -> keras.layers.Layer:
    """[N, H', W', C'] to [N, H, W, C]"""
    is_alone = layer.num_outputs is None
    depthwise = keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.stride,
        keras_padding(layer.padding),
        layer.depth_multiplier,
        **weights_of(layer, site, 'depthwise', layer.depthwise_regularizer),
        **biases_of(layer, site, use_bias=is_alone),
        dtype=site.dtype,
    )
    around = (normalizer_of(layer, site), site.object(layer.activation_fn, 'activation_fn'), zeros_around(layer.padding))
    if is_alone:
        return Linear(trained(layer, depthwise), *around, **site.keras)
    pointwise = PointwiseConv2D(
        layer.num_outputs,
        1,
        **weights_of(layer, site, 'kernel', layer.pointwise_regularizer),
        **biases_of(layer, site),
        dtype=site.dtype,
    )
    return Mixing(trained(layer, depthwise), *around, mix=trained(layer, pointwise), **site.keras)
