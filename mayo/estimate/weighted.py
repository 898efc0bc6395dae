"""Layer types with weights. MACs are those of convolutions and fully connected layers; a bias or a norm is none.

Letters: output H x W, kernel Kh x Kw, C' input channels, C output channels.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from mayo.estimate.density import Flow, full, keeps_zero, kept
from mayo.estimate.gate import GateParams
from mayo.estimate.rules import Layer, Named, layer_types, named, normalizer
from mayo.estimate.shape import Padding, Pair, Shape, slide
from mayo.util.errors import UserError

ZEROS = 'keras.initializers.Zeros'


@layer_types.register('convolution')
def convolution(
    source: Shape,
    *,
    kernel_size: Pair,
    num_outputs: int,
    stride: Pair = (1, 1),
    padding: Padding = 'same',
    num_groups: int = 1,
    activation_fn: Named = 'relu',
    normalizer_fn: Named = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Named = None,
    weights_regularizer: Named = None,
    biases_initializer: Named = ZEROS,
    biases_regularizer: Named = None,
    trainable: bool = True,
) -> Layer:
    """H W Kh Kw C' C / groups MACs. With a normalizer it has no bias."""
    shape = _slide(source, kernel_size, stride, padding, num_outputs)
    if source.channels % num_groups or num_outputs % num_groups:
        raise UserError(f'{num_groups} groups do not divide {source.channels} input and {num_outputs} output channels.')
    weights = math.prod(kernel_size) * source.channels // num_groups * num_outputs
    learned, state = _normalization(normalizer_fn, normalizer_params, biases_initializer, num_outputs)
    return _layer(shape, weights + learned, state, weights * shape.height * shape.width, full, trainable)


@layer_types.register('depthwise_convolution')
def depthwise_convolution(
    source: Shape,
    *,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Padding = 'same',
    depth_multiplier: int = 1,
    activation_fn: Named = 'relu',
    normalizer_fn: Named = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Named = None,
    weights_regularizer: Named = None,
    biases_initializer: Named = ZEROS,
    biases_regularizer: Named = None,
    trainable: bool = True,
) -> Layer:
    """H W Kh Kw C' multiplier MACs. A zero channel stays zero only if nothing shifts it, neither bias nor norm."""
    channels = source.channels * depth_multiplier
    shape = _slide(source, kernel_size, stride, padding, channels)
    weights = math.prod(kernel_size) * channels
    learned, state = _normalization(normalizer_fn, normalizer_params, biases_initializer, channels)
    is_shifted = learned or state or not keeps_zero(named('activation_fn', activation_fn))
    dense = weights * shape.height * shape.width
    return _layer(shape, weights + learned, state, dense, full if is_shifted else kept, trainable)


@layer_types.register('gated_convolution')
def gated_convolution(
    source: Shape,
    *,
    kernel_size: Pair,
    num_outputs: int,
    stride: Pair = (1, 1),
    padding: Padding = 'same',
    num_groups: int = 1,
    activation_fn: Named = 'relu',
    normalizer_fn: Named = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Named = None,
    weights_regularizer: Named = None,
    biases_initializer: Named = ZEROS,
    biases_regularizer: Named = None,
    trainable: bool = True,
    gate_params: Mapping[str, Any] | None = None,
) -> Layer:
    """A convolution whose gate chooses, for each image, the channels worth computing (gate.py)."""
    gate = GateParams.from_yaml(gate_params)
    weights_alone = convolution(
        source,
        kernel_size=kernel_size,
        num_outputs=num_outputs,
        stride=stride,
        padding=padding,
        num_groups=num_groups,
        biases_initializer=None,
    )
    learned, state = _normalization(normalizer_fn, normalizer_params, biases_initializer, num_outputs, gate)
    plain = _layer(weights_alone.shape, weights_alone.trainable + learned, state, weights_alone.dense, full, trainable)
    if not gate.enable:
        return plain
    if not keeps_zero(named('activation_fn', activation_fn)):
        raise UserError(
            '`gated_convolution` needs an activation_fn that is 0 at 0, such as relu; '
            'another would undo the suppression of its channels.'
        )
    chooser = gate.gate_weights(source.channels, num_outputs)
    moving = int(gate.threshold == 'local' and gate.kept(num_outputs) < num_outputs)  # the average of the threshold
    changing = chooser if trainable and gate.trainable else 0
    return dataclasses.replace(
        plain, trainable=plain.trainable + changing, gate=gate, state=plain.state + chooser - changing + moving
    )


@layer_types.register('fully_connected')
def fully_connected(
    source: Shape,
    *,
    num_outputs: int,
    activation_fn: Named = 'relu',
    normalizer_fn: Named = None,
    normalizer_params: Mapping[str, Any] | None = None,
    weights_initializer: Named = None,
    weights_regularizer: Named = None,
    biases_initializer: Named = ZEROS,
    biases_regularizer: Named = None,
    trainable: bool = True,
) -> Layer:
    """C' C MACs, on a vector."""
    if source.is_map:
        raise UserError(f'`fully_connected` reads a vector and gets a map of {source}; put `flatten` before it.')
    weights = source.channels * num_outputs
    learned, state = _normalization(normalizer_fn, normalizer_params, biases_initializer, num_outputs)
    return _layer(Shape((num_outputs,)), weights + learned, state, weights, full, trainable)


@layer_types.register('batch_normalization')
def batch_normalization(
    source: Shape,
    *,
    momentum: float = 0.99,
    epsilon: float = 0.001,
    center: bool = True,
    scale: bool = True,
    activation_fn: Named = None,
    trainable: bool = True,
) -> Layer:
    """No MAC: it folds into the layer before it. It shifts every channel away from zero."""
    return _layer(source, (center + scale) * source.channels, 2 * source.channels, 0, full, trainable)


def _slide(source: Shape, kernel: Pair | None, stride: Pair, padding: Padding, channels: int) -> Shape:
    if kernel is None:
        raise UserError('`kernel_size: global` is for pooling; a convolution needs [height, width].')
    return slide(source, kernel, stride, padding, channels)


def _layer(shape: Shape, learned: int, state: int, dense: int, flow: Flow, trainable: bool) -> Layer:
    """`learned` parameters are state where the layer is not trainable."""
    changing = learned if trainable else 0
    return Layer(shape=shape, trainable=changing, state=state + learned - changing, dense=dense, flow=flow)


def _normalization(
    function: Named, params: Mapping[str, Any] | None, biases: Named, channels: int, gate: GateParams | None = None
) -> tuple[int, int]:
    """(scales and shifts, running statistics) of the normalizer of `channels`, or the bias where there is none.

    A gate's saliency and b take the place of scale, shift and bias, unless it is naive; its norm may be its own.
    """
    spec = normalizer(function, params)
    is_gated = gate is not None and gate.enable
    if spec is None:
        learned, state = (channels if biases is not None else 0), 0
    elif gate is not None and is_gated and gate.norm == 'channel':
        learned, state = 2 * channels, 0
    else:
        learned = (spec.kwargs.get('center', True) + spec.kwargs.get('scale', True)) * channels
        state = 2 * channels
    return (0 if gate is not None and is_gated and not gate.norm_has_scale else learned), state
