"""Convolutions, plain, depthwise and gated: pad, convolve, normalize, activate."""
from typing import Any

import keras
import tensorflow as tf

from mayo.estimate.gate import GateParams
from mayo.net.tf.gate import Gate, GateStats, Window, policies
from mayo.net.tf.layer.base import Dims, Site, builders
from mayo.net.tf.objects import instantiate
from mayo.net.tf.variables import Composite


class Linear(Composite):
    """activation(norm(linear(pad(x)))): a convolution, say, with what stands around it; each step may be missing."""

    def __init__(self, linear: keras.layers.Layer | None, norm: keras.layers.Layer | None, activation,
                 padding: keras.layers.Layer | None = None, trainable: bool = True, **options: Any) -> None:
        super().__init__(trainable=trainable, **options)
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

    def padded(self, source: tf.Tensor) -> tf.Tensor:
        """pad(x)."""
        return source if self.padding is None else self.padding(source)

    def call(self, source: tf.Tensor, training: bool = False) -> tf.Tensor:
        values = self.padded(source)
        if self.linear is not None:
            values = self.linear(values)
        if self.norm is not None:
            values = self.norm(values, training=training)
        return values if self.activation is None else self.activation(values)

    def _chain(self) -> list[keras.layers.Layer]:
        return [layer for layer in (self.padding, self.linear, self.norm) if layer is not None]


class GatedConvolution(Linear):
    """A convolution whose output channels are scaled and suppressed by a gate on its input."""

    def __init__(self, *args: Any, gate: Gate, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gate = gate

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        return [*super().parts(), ('gate', self.gate)]

    def build(self, source_shape: Dims) -> None:
        super().build(source_shape)
        self.gate.build(source_shape)

    def call(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, GateStats]:
        source, summary = self.gate.observe(source, training)
        return self.gate.gated(self.linear(self.padded(source)), self.norm, summary, training)


@builders.register('convolution')
def convolution(params: dict[str, Any], sources: list[Dims], site: Site) -> Linear:
    """[N, H', W', C'] to [N, H, W, C]; `num_groups` splits the channels, numeric padding goes on both sides."""
    return Linear(convolve(params, site), normalizer(params, site), activation(params, site),
                  numeric_padding(params), params['trainable'], **site.keras)


@builders.register('gated_convolution')
def gated_convolution(params: dict[str, Any], sources: list[Dims], site: Site) -> Linear:
    """A convolution with a gate; without one if `gate_params.enable` is false."""
    gate_params = GateParams.from_yaml(params['gate_params'], f'{site.where}: {site.name}.gate_params')
    if not gate_params.enable:
        return convolution(params, sources, site)
    has_scale = gate_params.norm_has_scale
    norm = normalizer(params, site, gate_params, None if has_scale else {'scale': False, 'center': False})
    act = activation(params, site) or keras.activations.linear
    window = Window(params['kernel_size'][0], params['stride'][0], params['padding'])
    gate = policies[gate_params.policy](gate_params, params['num_outputs'], window, act, site.seed_for('gate'), site.threshold)
    return GatedConvolution(convolve(params, site, use_bias=has_scale and norm is None), norm, act,
                            numeric_padding(params), params['trainable'], gate=gate, **site.keras)


@builders.register('depthwise_convolution')
def depthwise_convolution(params: dict[str, Any], sources: list[Dims], site: Site) -> Linear:
    """Each channel by itself: [N, H', W', C'] to [N, H, W, C' depth_multiplier]."""
    layer = keras.layers.DepthwiseConv2D(
        params['kernel_size'], params['stride'], keras_padding(params), params['depth_multiplier'],
        depthwise_initializer=site.object(params, 'weights_initializer') or 'glorot_uniform',
        depthwise_regularizer=site.object(params, 'weights_regularizer'), **biases(params, site), dtype=site.dtype)
    return Linear(layer, normalizer(params, site), activation(params, site), numeric_padding(params),
                  params['trainable'], **site.keras)


@builders.register('fully_connected')
def fully_connected(params: dict[str, Any], sources: list[Dims], site: Site) -> Linear:
    """[N, C'] to [N, C]."""
    layer = keras.layers.Dense(
        params['num_outputs'], kernel_initializer=site.object(params, 'weights_initializer') or 'glorot_uniform',
        kernel_regularizer=site.object(params, 'weights_regularizer'), **biases(params, site), dtype=site.dtype)
    return Linear(layer, normalizer(params, site), activation(params, site), None, params['trainable'], **site.keras)


def convolve(params: dict[str, Any], site: Site, use_bias: bool = True) -> keras.layers.Layer:
    """The convolution alone."""
    return keras.layers.Conv2D(
        params['num_outputs'], params['kernel_size'], params['stride'], keras_padding(params),
        groups=params['num_groups'], kernel_initializer=site.object(params, 'weights_initializer') or 'glorot_uniform',
        kernel_regularizer=site.object(params, 'weights_regularizer'), **biases(params, site, use_bias), dtype=site.dtype)


def biases(params: dict[str, Any], site: Site, use_bias: bool = True) -> dict[str, Any]:
    """Arguments for the biases, which only a layer without normalization has."""
    return {'use_bias': use_bias and params['normalizer_fn'] is None and params['biases_initializer'] is not None,
            'bias_initializer': site.object(params, 'biases_initializer') or 'zeros',
            'bias_regularizer': site.object(params, 'biases_regularizer')}


def normalizer(params: dict[str, Any], site: Site, gate: GateParams | None = None,
               override: dict[str, Any] | None = None) -> keras.layers.Layer | None:
    """The normalization of `normalizer_fn` with `normalizer_params`, or of the gate's `norm`; None if there is none."""
    if params['normalizer_fn'] is None:
        return None
    override = override or {}
    if gate is not None and gate.norm == 'channel':
        return keras.layers.GroupNormalization(groups=-1, epsilon=gate.epsilon, dtype=site.dtype, **override)
    value = {'type': params['normalizer_fn'], **(params['normalizer_params'] or {}), **override}
    return instantiate(value, f'{site.where}: {site.name}.normalizer_fn', dtype=site.dtype)


def activation(params: dict[str, Any], site: Site) -> Any:
    """The function of `activation_fn`, or None."""
    return site.object(params, 'activation_fn')


def numeric_padding(params: dict[str, Any]) -> keras.layers.Layer | None:
    """Zeros on both sides if `padding` is a number (or two: height, width)."""
    return None if isinstance(params['padding'], str) else keras.layers.ZeroPadding2D(params['padding'])


def keras_padding(params: dict[str, Any]) -> str:
    """TensorFlow's `same` or `valid`; after numeric padding, `valid`."""
    return params['padding'] if isinstance(params['padding'], str) else 'valid'
