"""Layers with weights: batch norm folded into them, gates read, slices made and read."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mayo.config.names import object_spec
from mayo.estimate.gate import GateParams
from mayo.net.graph import Node
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.lowering import Lowering, function_of, pads_of, rules
from mayo.net.tf.compact.program import Function

EPSILON = 0.001  # of batch norm where YAML names none; Keras's default
BATCH_NORM = 'BatchNormalization'
BOOSTS = {'parametric': 'before', 'squeeze': 'after', 'naive': 'never'}  # what a program's gate calls each policy


@rules.register('convolution')
@rules.register('gated_convolution')
def convolution(lowering: Lowering, node: Node, source: str) -> str:
    """Reads the active channels of its source; with a gate, its output is a slice."""
    groups = node.params['num_groups']
    source = lowering.full(source) if groups > 1 else lowering.plain(source)
    weights = np.transpose(lowering.weights[f'{node.name}/weights'], (3, 2, 0, 1))
    scale, bias = _norm(lowering, node, weights.shape[0])
    gate, standardize, keep = None, None, weights.shape[0]
    if params := gate_params_of(node):
        gate, bias = _gate(lowering, node, params, bias)
        keep = gate.keep
        if params.norm == 'channel' and node.params['normalizer_fn'] is not None:
            standardize = params.epsilon
    if standardize is None:
        weights, scale = _scaled(weights, scale), np.ones(1)
    return lowering.add(
        ops.Conv(
            output=node.name,
            source=source,
            weights=_float32(weights),
            bias=_float32(bias),
            stride=node.params['stride'],
            pads=pads_of(lowering, node, source),
            groups=groups,
            function=function_of(node.params['activation_fn']),
            gate=gate,
            standardize=standardize,
            scale=_float32(scale) if np.any(scale != 1) else None,
        ),
        lowering.shape.dims,
        f'{node.name}/index' if keep < weights.shape[0] else None,
        keep,
    )


@rules.register('depthwise_convolution')
def depthwise_convolution(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes; its other channels become what bias and activation make of zero."""
    source = lowering.plain(source)
    value = lowering.values[source]
    weights = np.transpose(lowering.weights[f'{node.name}/depthwise_weights'], (2, 3, 0, 1))
    channels, times = weights.shape[:2]
    scale, bias = _norm(lowering, node, channels * times)
    weights = _scaled(weights.reshape(channels * times, 1, *weights.shape[2:]), scale).reshape(weights.shape)
    function = function_of(node.params['activation_fn'])
    index, count = value.index, value.channels * times
    if index and times > 1:
        index, count = lowering.reindex(f'{node.name}/index', ((index, value.channels, (0,)),), times)
    fill = _of_constant(function, bias) if index else None
    late = index is not None and fill is None
    output = lowering.add(
        ops.Depthwise(
            output=f'{node.name}/features' if late else node.name,
            source=source,
            weights=_float32(weights),
            bias=_float32(bias),
            stride=node.params['stride'],
            pads=pads_of(lowering, node, source),
            function=None if late else function,
        ),
        lowering.shape.dims,
        index,
        count,
        bias if late else fill,
    )
    return lowering.apply(node.name, output, function) if late else output


@rules.register('fully_connected')
def fully_connected(lowering: Lowering, node: Node, source: str) -> str:
    """Reads the weights of the active channels of its source."""
    weights = lowering.weights[f'{node.name}/weights']
    scale, bias = _norm(lowering, node, weights.shape[1])
    return lowering.add(
        ops.Dense(
            output=node.name,
            source=lowering.plain(source),
            weights=_float32(_scaled(weights.T, scale).T),
            bias=_float32(bias),
            function=function_of(node.params['activation_fn']),
        ),
        lowering.shape.dims,
    )


@rules.register('batch_normalization')
def batch_normalization(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes; its other channels become what the shift, and the activation, make of them."""
    value = lowering.values[source]
    scale, shift = _folded(lowering.weights, node.name, node.params['epsilon'], value.width)
    function = function_of(node.params.get('activation_fn'))
    before = lowering.fills.get(source, np.zeros(value.width))
    fill = _of_constant(function, before * scale + shift) if value.index else None
    if value.index and fill is None:
        source, value = lowering.full(source), lowering.values[lowering.full(source)]
    return lowering.add(
        ops.Scale(output=node.name, source=source, scale=_float32(scale), shift=_float32(shift), function=function),
        lowering.shape.dims,
        value.index,
        value.channels,
        fill,
    )


def _gate(lowering: Lowering, node: Node, params: GateParams, bias: np.ndarray) -> tuple[ops.Gate, np.ndarray]:
    """The gate of a node and the convolution's bias, which takes up a constant b that is added before boosting."""

    def affine(name: str) -> ops.Affine:
        return ops.Affine(weights[f'{name}/weights'], weights[f'{name}/biases'])

    weights, name = lowering.weights, f'{node.name}/gate'
    layers = (*([affine(f'{name}/factor')] if params.factor else []), affine(name))
    boost = BOOSTS[params.policy]
    shift: np.ndarray | ops.Affine | None = None
    if boost != 'never':
        shift = affine(f'{name}/beta') if params.parametric_beta else weights[f'{name}/shift']
    first = boost == 'after' or params.add_beta_first
    if first and isinstance(shift, np.ndarray):
        bias, shift = bias + shift, None
    return ops.Gate(params.kept(bias.size), params.pool, layers, boost, shift, first), bias


def gate_params_of(node: Node) -> GateParams | None:
    """Of a convolution whose gate is enabled."""
    if node.type != 'gated_convolution':
        return None
    params = GateParams.from_yaml(node.params['gate_params'], f'{node}.gate_params')
    return params if params.enable else None


def normalizer_of(node: Node) -> Any:
    """The specification of `normalizer_fn` with `normalizer_params`."""
    normalizer = node.params['normalizer_fn']
    named = {'type': normalizer} if isinstance(normalizer, str) else normalizer
    return object_spec({**named, **(node.params['normalizer_params'] or {})}, f'{node}.normalizer_fn')


def _norm(lowering: Lowering, node: Node, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) after the weights: of the batch norm, or (1, biases)."""
    if node.params['normalizer_fn'] is not None:
        return _folded(lowering.weights, node.name, normalizer_of(node).kwargs.get('epsilon', EPSILON), channels)
    return np.ones(channels), lowering.weights.get(f'{node.name}/biases', np.zeros(channels))


def _folded(weights: Mapping[str, np.ndarray], name: str, epsilon: float, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta as x scale + shift, in float64; what is not there is 1 or 0."""

    def of(part: str, default: float) -> np.ndarray:
        return weights.get(f'{name}/BatchNorm/{part}', np.full(channels, default)).astype(np.float64)

    statistics = f'{name}/BatchNorm/moving_variance' in weights
    scale = of('gamma', 1) / (np.sqrt(of('moving_variance', 1) + epsilon) if statistics else 1)
    return scale, of('beta', 0) - of('moving_mean', 0) * scale


def _scaled(weights: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """weights [C, ...] times scale [C]."""
    return weights * scale.reshape(-1, *[1] * (weights.ndim - 1)) if np.any(scale != 1) else weights


def _float32(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)


def _of_constant(function: Function | None, values: np.ndarray) -> np.ndarray | None:
    """function(values) for the functions that often follow a shift; None for others."""
    if function is None:
        return values
    if function.name == 'relu' and not function.arguments:
        return np.maximum(values, 0)
    return np.clip(values, 0, 6) if function.name == 'relu6' else None
