"""Convolutions, plain, depthwise and gated: pad, convolve, normalize, activate."""

from typing import Any

import keras
import tensorflow as tf

from mayo.config.names import Spec
from mayo.layers import convolution as layers
from mayo.layers import linear
from mayo.layers.dense import FullyConnected
from mayo.layers.gate import GateParams
from mayo.layers.hadamard import Hadamard
from mayo.layers.shape import Padding, around
from mayo.net.tf.gate.base import Activation, Gate, GateStats, Window
from mayo.net.tf.layer.base import Dims, Site, builders
from mayo.net.tf.objects import instantiate
from mayo.net.tf.variables import Composite, GroupwiseConv2D


class Chain(Composite):
    """Abstract: pad, linear, norm and activation, of which each but the last knows its shapes; each may be missing."""

    def __init__(
        self,
        linear: keras.layers.Layer | None,
        norm: keras.layers.Layer | None = None,
        activation: Activation | None = None,
        padding: keras.layers.Layer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.padding, self.linear, self.norm, self.activation = padding, linear, norm, activation

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        return [('', layer) for layer in self._chain()]

    def build(self, source_shape: Dims) -> None:
        for layer in self._chain():
            layer.build(source_shape)
            source_shape = layer.compute_output_shape(source_shape)
        self.built = True

    def compute_output_shape(self, source_shape: Dims) -> Dims:
        for layer in self._chain():
            source_shape = layer.compute_output_shape(source_shape)
        return source_shape

    def convolved(self, source: tf.Tensor) -> tf.Tensor:
        """linear(pad(x))."""
        for layer in (self.padding, self.linear):
            source = source if layer is None else layer(source)
        return source

    def _chain(self) -> list[keras.layers.Layer]:
        return [layer for layer in (self.padding, self.linear, self.norm) if layer is not None]


class Linear(Chain):
    """activation(norm(linear(pad(x)))): a convolution, say, with what stands around it."""

    def call(self, source: tf.Tensor, training: bool = False) -> tf.Tensor:
        values = self.convolved(source)
        if self.norm is not None:
            values = self.norm(values, training=training)
        return values if self.activation is None else self.activation(values)


class GatedConvolution(Chain):
    """A convolution whose output channels are scaled and suppressed by a gate on its input."""

    def __init__(self, *args: Any, gate: Gate, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gate = gate

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        return [*super().parts(), ('gate', self.gate)]

    def build(self, source_shape: Dims) -> None:
        super().build(source_shape)
        self.gate.build(source_shape)
        self.gate.trainable = self.gate.params.trainable

    def call(self, source: tf.Tensor, training: bool = False, keep: tf.Tensor | None = None) -> tuple[tf.Tensor, GateStats]:
        source, summary = self.gate.observe(source, training)
        return self.gate.gated(self.convolved(source), self.norm, summary, training, keep)


@builders.register('convolution')
def convolution(layer: layers.Convolution, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, H', W', C'] to [N, H, W, C]; `num_groups` splits the channels, numeric padding goes on both sides."""
    return _plain(layer, site)


@builders.register('gated_convolution')
def gated_convolution(layer: layers.GatedConvolution, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """A convolution with a gate; the plain one if `gate_params.enable` is false."""
    params = layer.gate
    if params is None:
        return _plain(layer, site)
    activation = site.object(layer.activation_fn, 'activation_fn') or keras.activations.linear
    padding = layer.padding if isinstance(layer.padding, str) else around(layer.padding)[0]
    window = Window(layer.kernel_size[0], layer.stride[0], padding)
    gate = Gate(params, layer.num_outputs, window, activation, seed=site.seed_for('gate'), shared=site.threshold)
    return GatedConvolution(
        _convolution(
            layer, site, use_bias=params.norm_has_scale or layer.force_biases
        ),  # elsewhere the gate's b takes its place
        _gated_normalizer(layer, site, params),
        activation,
        zeros_around(layer.padding),
        gate=gate,
        **site.keras,
    )


@builders.register('depthwise_convolution')
def depthwise_convolution(layer: layers.DepthwiseConvolution, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Each channel by itself: [N, H', W', C'] to [N, H, W, C' depth_multiplier]."""
    convolving = keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.stride,
        keras_padding(layer.padding),
        layer.depth_multiplier,
        **weights_of(layer, site, 'depthwise'),
        **biases_of(layer, site),
        dtype=site.dtype,
    )
    activation = site.object(layer.activation_fn, 'activation_fn')
    return Linear(trained(layer, convolving), normalizer_of(layer, site), activation, zeros_around(layer.padding), **site.keras)


@builders.register('fully_connected')
def fully_connected(layer: FullyConnected, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, C'] to [N, C], or [N, H, W, C'] to [N, H, W, C]."""
    dense = keras.layers.Dense(
        layer.num_outputs, **weights_of(layer, site, 'kernel'), **biases_of(layer, site), dtype=site.dtype
    )
    return Linear(
        trained(layer, dense), normalizer_of(layer, site), site.object(layer.activation_fn, 'activation_fn'), **site.keras
    )


def trained(layer: linear.Linear, linear_layer: keras.layers.Layer) -> keras.layers.Layer:
    """The part of a layer with its weights, which with `trainable: norm` stay as they are."""
    linear_layer.trainable = layer.trainable != 'norm'
    return linear_layer


def zeros_around(padding: Padding) -> keras.layers.Layer | None:
    """Zeros on both sides of height and width if `padding` is numbers."""
    return None if isinstance(padding, str) else keras.layers.ZeroPadding2D(around(padding))


def keras_padding(padding: Padding) -> str:
    """TensorFlow's `same` or `valid`; after zeros around, `valid`."""
    return padding if isinstance(padding, str) else 'valid'


def _plain(layer: layers.Convolution | layers.GatedConvolution, site: Site) -> keras.layers.Layer:
    return Linear(
        _convolution(layer, site),
        normalizer_of(layer, site),
        site.object(layer.activation_fn, 'activation_fn'),
        zeros_around(layer.padding),
        **site.keras,
    )


def _convolution(layer: layers.Convolution | layers.GatedConvolution, site: Site, use_bias: bool = True) -> keras.layers.Layer:
    kind = GroupwiseConv2D if layer.groupwise else keras.layers.Conv2D
    convolving = kind(
        layer.num_outputs,
        layer.kernel_size,
        layer.stride,
        keras_padding(layer.padding),
        groups=layer.num_groups,
        **weights_of(layer, site, 'kernel'),
        **biases_of(layer, site, use_bias),
        dtype=site.dtype,
    )
    return trained(layer, convolving)


def weights_of(layer: linear.Linear, site: Site, called: str, regularizer: Spec | None = None) -> dict[str, Any]:
    """Keras's arguments for the weights, which it calls `called`; without an initializer, slim's default: Xavier's.

    regularizer: in place of the layer's.
    """
    return {
        f'{called}_initializer': site.object(layer.weights_initializer, 'weights_initializer')
        or keras.initializers.GlorotUniform(site.seed_for('weights_initializer')),
        f'{called}_regularizer': site.object(regularizer or layer.weights_regularizer, 'weights_regularizer'),
    }


def biases_of(layer: linear.Linear, site: Site, use_bias: bool = True) -> dict[str, Any]:
    """Keras's arguments for the biases, which a layer with normalization has none of."""
    return {
        'use_bias': use_bias and layer.has_biases,
        'bias_initializer': site.object(layer.biases_initializer, 'biases_initializer'),
        'bias_regularizer': site.object(layer.biases_regularizer, 'biases_regularizer'),
    }


def normalizer_of(layer: linear.Linear | Hadamard, site: Site, **override: Any) -> keras.layers.Layer | None:
    """The layer's normalizer; None if there is none."""
    return instantiate(layer.normalizer_fn, dtype=site.dtype, **override)


def _gated_normalizer(layer: layers.GatedConvolution, site: Site, gate: GateParams) -> keras.layers.Layer | None:
    """The same under a gate: with neither scale nor centre, which the gate has, and per image if its `norm` is `channel`."""
    override = {} if gate.norm_has_scale else {'scale': False, 'center': False}
    if gate.norm == 'channel' and layer.normalizer_fn is not None:
        return keras.layers.GroupNormalization(groups=-1, epsilon=gate.epsilon, dtype=site.dtype, **override)
    return normalizer_of(layer, site, **override)
