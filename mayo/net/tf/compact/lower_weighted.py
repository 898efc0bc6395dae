"""Layers with weights: batch norm folded into them, gates read, slices made and read."""

from collections.abc import Mapping

import numpy as np

from mayo.layers.convolution import Convolution, DepthwiseConvolution, GatedConvolution
from mayo.layers.dense import FullyConnected
from mayo.layers.gate import GateParams
from mayo.layers.linear import Linear, epsilon_of
from mayo.layers.norm import BatchNormalization
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.lowering import Lowering, function_of, of_constant, pads_of, rules


@rules.register('convolution')
@rules.register('gated_convolution')
def convolution(lowering: Lowering, name: str, layer: Convolution | GatedConvolution, source: str) -> str:
    """Reads the active channels of its source, all if it is in groups; with a gate, its output is a slice."""
    source, constants = lowering.read(layer.travel, source)
    weights = np.transpose(lowering.weights[f'{name}/{layer.weights_name}'], (3, 2, 0, 1))
    scale, bias = _norm(lowering, name, layer, weights.shape[0])
    gate, standardize, keep = None, None, weights.shape[0]
    if layer.gate:
        gate, bias = _gate(lowering, name, layer.gate, bias, constants)
        keep = gate.keep
        if layer.gate.norm == 'channel' and layer.normalizer_fn is not None:
            standardize = layer.gate.epsilon
    if standardize is None:  # otherwise what constants add is subtracted with the mean
        weights, scale = _scaled(weights, scale), np.ones(1)
        bias = bias if constants is None else bias + weights.sum((2, 3)) @ constants
    return lowering.add(
        ops.Conv(
            output=name,
            source=source,
            weights=_float32(weights),
            bias=_float32(bias),
            stride=layer.stride,
            pads=pads_of(lowering, source, layer.padding, layer.kernel_size, layer.stride),
            groups=layer.num_groups,
            function=function_of(layer.activation_fn),
            gate=gate,
            standardize=standardize,
            scale=_float32(scale) if np.any(scale != 1) else None,
        ),
        lowering.shape.dims,
        f'{name}/index' if keep < weights.shape[0] or (gate and gate.cut is not None) else None,
        keep,
    )


@rules.register('depthwise_convolution')
def depthwise_convolution(lowering: Lowering, name: str, layer: DepthwiseConvolution, source: str) -> str:
    """A slice passes; its other channels become what bias and activation make of zero."""
    value = lowering.values[source]
    weights = np.transpose(lowering.weights[f'{name}/depthwise_weights'], (2, 3, 0, 1))
    channels, times = weights.shape[:2]
    scale, bias = _norm(lowering, name, layer, channels * times)
    weights = _scaled(weights.reshape(channels * times, 1, *weights.shape[2:]), scale).reshape(weights.shape)
    function = function_of(layer.activation_fn)
    index, count = value.index, value.channels * times
    if index and times > 1:
        index, count = lowering.reindex(f'{name}/index', ((index, value.channels, (0,)),), times)
    moved = index is not None and not layer.travel.zero_stays
    fill = of_constant(layer.activation_fn, bias) if moved else None
    late = moved and fill is None
    output = lowering.add(
        ops.Depthwise(
            output=f'{name}/features' if late else name,
            source=source,
            weights=_float32(weights),
            bias=_float32(bias),
            stride=layer.stride,
            pads=pads_of(lowering, source, layer.padding, layer.kernel_size, layer.stride),
            function=None if late else function,
        ),
        lowering.shape.dims,
        index,
        count,
        bias if late else fill,
    )
    return lowering.apply(name, output, layer.activation_fn) if late else output


@rules.register('fully_connected')
def fully_connected(lowering: Lowering, name: str, layer: FullyConnected, source: str) -> str:
    """Reads the weights of the active channels of its source."""
    weights = lowering.weights[f'{name}/weights']
    scale, bias = _norm(lowering, name, layer, weights.shape[1])
    weights = _scaled(weights.T, scale)
    source, constants = lowering.read(layer.travel, source)
    bias = bias if constants is None else bias + weights @ constants
    if lowering.shape.is_map:
        at_each_position = weights[:, :, None, None]
        return lowering.add(
            ops.Conv(
                output=name,
                source=source,
                weights=_float32(at_each_position),
                bias=_float32(bias),
                function=function_of(layer.activation_fn),
            ),
            lowering.shape.dims,
        )
    return lowering.add(
        ops.Dense(
            output=name,
            source=source,
            weights=_float32(weights.T),
            bias=_float32(bias),
            function=function_of(layer.activation_fn),
        ),
        lowering.shape.dims,
    )


@rules.register('batch_normalization')
def batch_normalization(lowering: Lowering, name: str, layer: BatchNormalization, source: str) -> str:
    """A slice passes; its other channels become what the shift, and the activation, make of them."""
    value = lowering.values[source]
    scale, shift = _folded(lowering.weights, f'{name}/{layer.scope}', layer.epsilon, value.width)
    function = function_of(layer.activation_fn)
    before = lowering.fills.get(source, np.zeros(value.width))
    fill = of_constant(layer.activation_fn, before * scale + shift) if value.index else None
    if value.index and fill is None:
        source, value = lowering.full(source), lowering.values[lowering.full(source)]
    return lowering.add(
        ops.Scale(output=name, source=source, scale=_float32(scale), shift=_float32(shift), function=function),
        lowering.shape.dims,
        value.index,
        value.channels,
        fill,
    )


def _gate(
    lowering: Lowering, layer: str, params: GateParams, bias: np.ndarray, constants: np.ndarray | None
) -> tuple[ops.Gate, np.ndarray]:
    """The gate of a layer and the convolution's bias, which takes up a constant b that is added before boosting.

    constants: what each channel of the source lacks. The mean and the maximum of a channel lack the same.
    """

    def affine(name: str, reads_source: bool = True) -> ops.Affine:
        rows, biases = weights[f'{name}/weights'], weights[f'{name}/biases']
        return ops.Affine(rows, biases if constants is None or not reads_source else _float32(biases + constants @ rows))

    weights, name = lowering.weights, f'{layer}/gate'
    layers = (affine(f'{name}/factor'), affine(name, reads_source=False)) if params.factor else (affine(name),)
    boost = params.rule.boost
    assert boost is not None  # of others `unsupported` tells
    shift: np.ndarray | ops.Affine | None = None
    if params.has_shift:
        shift = affine(f'{name}/beta') if params.parametric_beta else weights[f'{name}/shift']
    first = params.shift_is_scaled
    if first and isinstance(shift, np.ndarray):
        bias, shift = bias + shift, None
    keep, cut = params.kept(bias.size), None
    if params.varies(bias.size):
        keep, cut = bias.size, float(weights['gate/threshold' if params.threshold == 'global' else f'{name}/threshold'])
    return ops.Gate(keep, params.pool, layers, boost, shift, first, cut), bias


def _norm(lowering: Lowering, name: str, layer: Linear, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) after the weights: of the batch norm, or (1, biases)."""
    own = lowering.weights.get(f'{name}/biases', np.zeros(channels))
    if layer.normalizer_fn is None:
        return np.ones(channels), own
    scale, shift = _folded(lowering.weights, f'{name}/BatchNorm/', epsilon_of(layer.normalizer_fn), channels)
    return scale, shift + own * scale


def _folded(weights: Mapping[str, np.ndarray], above: str, epsilon: float, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta as x scale + shift, in float64; what is not there is 1 or 0."""

    def of(part: str, default: float) -> np.ndarray:
        return weights.get(f'{above}{part}', np.full(channels, default)).astype(np.float64)

    statistics = f'{above}moving_variance' in weights
    scale = of('gamma', 1) / (np.sqrt(of('moving_variance', 1) + epsilon) if statistics else 1)
    return scale, of('beta', 0) - of('moving_mean', 0) * scale


def _scaled(weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """weights [C, ...] times scale [C]."""
    return weights * scale.reshape(-1, *[1] * (weights.ndim - 1)) if np.any(scale != 1) else weights


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)
