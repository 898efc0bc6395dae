"""Convolutions, plain, depthwise and gated: pad, convolve, normalize, activate."""

from typing import Any

import keras
import tensorflow as tf

from mayo.estimate.gate import GateParams
from mayo.net.tf.gate import Gate, GateStats, Window, policies
from mayo.net.tf.gate.base import Activation
from mayo.net.tf.layer.base import Dims, Params, Site, builders
from mayo.net.tf.objects import instantiate
from mayo.net.tf.variables import Composite


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
def convolution(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, H', W', C'] to [N, H, W, C]; `num_groups` splits the channels, numeric padding goes on both sides."""
    return Linear(
        _convolution(params, site),
        _normalizer(params, site),
        site.object(params, 'activation_fn'),
        zeros_around(params),
        **site.keras,
    )


@builders.register('gated_convolution')
def gated_convolution(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """A convolution with a gate; the plain one if `gate_params.enable` is false."""
    gate_params = GateParams.from_yaml(params['gate_params'], f'{site.label}.gate_params')
    if not gate_params.enable:
        return convolution(params, sources, site)
    activation = site.object(params, 'activation_fn') or keras.activations.linear
    padding = params['padding'] if isinstance(params['padding'], str) else params['padding'][0]
    window = Window(params['kernel_size'][0], params['stride'][0], padding)
    gate = policies[gate_params.policy](
        gate_params, params['num_outputs'], window, activation, seed=site.seed_for('gate'), shared=site.threshold
    )
    has_bias = gate_params.norm_has_scale  # elsewhere the gate's b takes its place
    return GatedConvolution(
        _convolution(params, site, has_bias),
        _gated_normalizer(params, site, gate_params),
        activation,
        zeros_around(params),
        gate=gate,
        **site.keras,
    )


@builders.register('depthwise_convolution')
def depthwise_convolution(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """Each channel by itself: [N, H', W', C'] to [N, H, W, C' depth_multiplier]."""
    layer = keras.layers.DepthwiseConv2D(
        params['kernel_size'],
        params['stride'],
        keras_padding(params),
        params['depth_multiplier'],
        **_weights(params, site, 'depthwise'),
        **_biases(params, site),
        dtype=site.dtype,
    )
    return Linear(layer, _normalizer(params, site), site.object(params, 'activation_fn'), zeros_around(params), **site.keras)


@builders.register('fully_connected')
def fully_connected(params: Params, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """[N, C'] to [N, C]."""
    layer = keras.layers.Dense(
        params['num_outputs'], **_weights(params, site, 'kernel'), **_biases(params, site), dtype=site.dtype
    )
    return Linear(layer, _normalizer(params, site), site.object(params, 'activation_fn'), **site.keras)


def zeros_around(params: Params) -> keras.layers.Layer | None:
    """Zeros on both sides of height and width if `padding` is numbers."""
    return None if isinstance(params['padding'], str) else keras.layers.ZeroPadding2D(params['padding'])


def keras_padding(params: Params) -> str:
    """TensorFlow's `same` or `valid`; after zeros around, `valid`."""
    return params['padding'] if isinstance(params['padding'], str) else 'valid'


def _convolution(params: Params, site: Site, use_bias: bool = True) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        params['num_outputs'],
        params['kernel_size'],
        params['stride'],
        keras_padding(params),
        groups=params['num_groups'],
        **_weights(params, site, 'kernel'),
        **_biases(params, site, use_bias),
        dtype=site.dtype,
    )


def _weights(params: Params, site: Site, called: str) -> Params:
    """Keras's arguments for the weights, which it calls `called`; without an initializer, slim's default: Xavier's."""
    return {
        f'{called}_initializer': site.object(params, 'weights_initializer')
        or keras.initializers.GlorotUniform(site.seed_for('weights_initializer')),
        f'{called}_regularizer': site.object(params, 'weights_regularizer'),
    }


def _biases(params: Params, site: Site, use_bias: bool = True) -> Params:
    """Keras's arguments for the biases, which a layer with normalization has none of."""
    return {
        'use_bias': use_bias and params['normalizer_fn'] is None and params['biases_initializer'] is not None,
        'bias_initializer': site.object(params, 'biases_initializer'),
        'bias_regularizer': site.object(params, 'biases_regularizer'),
    }


def _normalizer(params: Params, site: Site, **override: Any) -> keras.layers.Layer | None:
    """The layer of `normalizer_fn` with `normalizer_params`; None if there is none."""
    if params['normalizer_fn'] is None:
        return None
    named = params['normalizer_fn']
    named = {'type': named} if isinstance(named, str) else named
    return instantiate(named | (params['normalizer_params'] or {}) | override, f'{site.label}.normalizer_fn', dtype=site.dtype)


def _gated_normalizer(params: Params, site: Site, gate: GateParams) -> keras.layers.Layer | None:
    """The same under a gate: with neither scale nor centre, which the gate has, and per image if its `norm` is `channel`."""
    override = {} if gate.norm_has_scale else {'scale': False, 'center': False}
    if gate.norm == 'channel' and params['normalizer_fn'] is not None:
        return keras.layers.GroupNormalization(groups=-1, epsilon=gate.epsilon, dtype=site.dtype, **override)
    return _normalizer(params, site, **override)
