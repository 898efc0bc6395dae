"""From a network to the operations that compute it compactly: batch norm folded, gates read, channel slices followed.

One walk over the graph. What a layer passes on is the name of a value of the program; a gated convolution starts a slice, and
each layer type says below whether a slice passes it, as mayo.estimate.density does for costs. Where channels are mixed or their
positions matter, the slice is expanded to all channels first.

A shift (a depthwise convolution's bias, a batch norm) moves suppressed channels away from zero, all positions alike: the slice
passes and its `fill` [C] is remembered until somebody needs the other channels.
"""
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mayo.config.names import object_spec
from mayo.estimate import Shape, measure
from mayo.estimate.density import KEEP_ZERO
from mayo.estimate.gate import GateParams
from mayo.net.graph import Graph, Node
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Function, Program, Value
from mayo.util.registry import Registry

EPSILON = 0.001                 # of batch norm where YAML names none; Keras's default
BATCH_NORM = 'BatchNormalization'

Rule = Callable[..., str]
rules: Registry[Rule] = Registry('layer type in compact execution')


def lower(network: Any, input_shape: Shape) -> Program:
    """The program of `network` (mayo.net.tf.network.Network) with the weights it has now."""
    weights = {name: np.asarray(variable, np.float32) for name, variable in network.named_variables().items()}
    return lower_graph(network.graph, input_shape, weights)


def lower_graph(graph: Graph, input_shape: Shape, weights: Mapping[str, np.ndarray]) -> Program:
    """The program of `graph`; weights: by their names in checkpoints, without the model's ('conv0/BatchNorm/gamma').

    Errors: ValueError for what `unsupported` names.
    """
    if problems := unsupported(graph):
        raise ValueError('\n'.join(problems))
    lowering = Lowering(weights)
    start = {name: lowering.take_in(name, input_shape) for name in graph.inputs}
    names = graph.walk(start, lowering.visit)
    outputs = tuple(lowering.full(names[name]) for name in graph.outputs)
    return Program(tuple(lowering.operations), lowering.values, graph.inputs, outputs)


def unsupported(graph: Graph) -> list[str]:
    """Why compact execution cannot serve `graph`, a reason for each layer; empty if it can."""
    return [f'{node}: {reason}' for node in graph.nodes for reason in _reasons(node)]


def _reasons(node: Node) -> list[str]:
    reasons = []
    if node.type not in rules:
        reasons.append(f'compact execution knows no layer of type `{node.type}`.')
    if node.params.get('normalizer_fn') and not _normalizer(node).name.endswith(BATCH_NORM):
        reasons.append(f'compact execution folds batch norm only, not {_normalizer(node).name}.')
    gate = _gate_params(node)
    if gate is None:
        return reasons
    if gate.granularity == 'vector':
        reasons.append('compact execution chooses channels for a whole image; gate_params.granularity `vector` chooses '
                       'for each row.')
    if gate.threshold != 'online' and gate.kept(node.params['num_outputs']) < node.params['num_outputs']:
        reasons.append(f'compact execution computes a fixed number of channels; with gate_params.threshold `{gate.threshold}` '
                       'it varies.')
    return reasons


class Lowering:
    """The program so far, and what rules need to add to it."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights = weights
        self.operations: list[ops.Operation] = []
        self.values: dict[str, Value] = {}
        self.fills: dict[str, np.ndarray] = {}          # of slices whose other channels are not zero
        self.expanded: dict[str, str] = {}
        self.shape = Shape((1,))                        # of the node being lowered, all channels

    def take_in(self, name: str, shape: Shape) -> str:
        self.values[name] = Value(shape.dims, shape.channels)
        return name

    def visit(self, node: Node, sources: list[str]) -> str:
        shapes = [Shape((*value.dims[:-1], value.width)) for value in map(self.values.__getitem__, sources)]
        self.shape = measure(node.type, shapes, node.params).shape
        return rules[node.type](self, node, *sources)

    def add(self, operation: ops.Operation, dims: tuple[int, ...], index: str | None = None, count: int = 0,
            fill: np.ndarray | None = None) -> str:
        """Append `operation`, whose value has all `dims`, or `count` channels of them at `index`."""
        stored = (*dims[:-1], count) if index else dims
        self.values[operation.output] = Value(stored, dims[-1], index)
        if index and fill is not None and fill.any():
            self.fills[operation.output] = fill
        self.operations.append(operation)
        return operation.output

    def add_like(self, operation: Any, dims: tuple[int, ...], source: str | None = None) -> str:
        """Append an operation that leaves the channels as they are in its source: of a slice, a slice with the same index."""
        name = source or operation.source
        value = self.values[name]
        return self.add(operation, dims, value.index, value.channels, self.fills.get(name))

    def full(self, name: str) -> str:
        """The value with all channels."""
        value = self.values[name]
        if value.index is None:
            return name
        if name not in self.expanded:
            expand = ops.Expand(output=f'{name}/full', source=name, fill=self.fills.get(name))
            self.expanded[name] = self.add(expand, (*value.dims[:-1], value.width))
        return self.expanded[name]

    def plain(self, name: str) -> str:
        """The value if it is full or a slice whose other channels are zero; else with all channels."""
        return self.full(name) if name in self.fills else name

    def reindex(self, output: str, parts: tuple[tuple[str | None, int, tuple[int, ...]], ...], times: int = 1) -> tuple[str, int]:
        """A new index and its length; see ops.Index."""
        self.operations.append(ops.Index(output=output, parts=parts, times=times))
        return output, times * sum(count * len(offsets) for _, count, offsets in parts)

    def padded(self, node: Node, source: str) -> str:
        """`source` with the zeros that a number under `padding` puts around it."""
        if isinstance(node.params['padding'], str):
            return source
        height, width = node.params['padding']
        return self.pad(f'{node.name}/padded', source, ((height, height), (width, width), (0, 0)))

    def pad(self, output: str, source: str, sides: ops.Pads) -> str:
        source = self.plain(source)
        value = self.values[source]
        dims = tuple(dim + sum(side) for dim, side in zip((*value.dims[:-1], value.width), sides))
        return self.add_like(ops.Pad(output=output, source=source, sides=sides), dims)

    def apply(self, name: str, source: str, function: Function | None) -> str:
        """function(source)."""
        if function is None:
            return source
        if function.name not in KEEP_ZERO or source in self.fills:
            source = self.full(source)
        value = self.values[source]
        return self.add_like(ops.Activation(output=name, source=source, function=function), (*value.dims[:-1], value.width))


# --- layers with weights ---

@rules.register('convolution')
@rules.register('gated_convolution')
def convolution(lowering: Lowering, node: Node, source: str) -> str:
    """Reads the active channels of its source; with a gate, its output is a slice."""
    groups = node.params['num_groups']
    source = lowering.full(source) if groups > 1 else lowering.plain(source)
    gate = _gate_params(node)
    weights = np.transpose(lowering.weights[f'{node.name}/weights'], (3, 2, 0, 1))
    standardize = gate is not None and gate.norm == 'channel' and node.params['normalizer_fn'] is not None
    scale, bias = _norm(lowering, node, weights.shape[0])
    if not standardize:
        weights, scale = _scaled(weights, scale), np.ones(1)
    lowered, bias = (None, bias) if gate is None else _gate(lowering, node, gate, bias)
    sliced = lowered is not None and lowered.keep < weights.shape[0]
    return lowering.add(ops.Conv(
        output=node.name, source=source, weights=np.ascontiguousarray(weights, np.float32), bias=bias.astype(np.float32),
        stride=node.params['stride'], pads=_pads(lowering, node, source), groups=groups,
        function=_function(node.params['activation_fn']), gate=lowered,
        standardize=gate.epsilon if standardize else None,
        scale=scale.astype(np.float32) if np.any(scale != 1) else None,
    ), lowering.shape.dims, f'{node.name}/index' if sliced else None, lowered.keep if sliced else 0)


@rules.register('depthwise_convolution')
def depthwise_convolution(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes; its other channels become what bias and activation make of zero."""
    source = lowering.plain(source)
    value = lowering.values[source]
    weights = np.transpose(lowering.weights[f'{node.name}/depthwise_weights'], (2, 3, 0, 1))
    channels, times = weights.shape[:2]
    scale, bias = _norm(lowering, node, channels * times)
    weights = _scaled(weights.reshape(channels * times, 1, *weights.shape[2:]), scale).reshape(weights.shape)
    function = _function(node.params['activation_fn'])
    index, count = value.index, value.channels * times
    if index and times > 1:
        index, count = lowering.reindex(f'{node.name}/index', ((index, value.channels, (0,)),), times)
    fill = _of_constant(function, bias) if index else None
    late = index is not None and fill is None
    output = lowering.add(ops.Depthwise(
        output=f'{node.name}/features' if late else node.name, source=source, weights=np.ascontiguousarray(weights, np.float32),
        bias=bias.astype(np.float32), stride=node.params['stride'], pads=_pads(lowering, node, source),
        function=None if late else function), lowering.shape.dims, index, count, bias if late else fill)
    return lowering.apply(node.name, output, function) if late else output


@rules.register('fully_connected')
def fully_connected(lowering: Lowering, node: Node, source: str) -> str:
    """Reads the weights of the active channels of its source."""
    weights = lowering.weights[f'{node.name}/weights']
    scale, bias = _norm(lowering, node, weights.shape[1])
    return lowering.add(ops.Dense(
        output=node.name, source=lowering.plain(source), weights=_scaled(weights.T, scale).T.astype(np.float32),
        bias=bias.astype(np.float32), function=_function(node.params['activation_fn'])), lowering.shape.dims)


@rules.register('batch_normalization')
def batch_normalization(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes; its other channels become what the shift, and the activation, make of them."""
    value = lowering.values[source]
    scale, shift = _folded(lowering.weights, node.name, node.params['epsilon'], value.width)
    function = _function(node.params.get('activation_fn'))
    before = lowering.fills.get(source, np.zeros(value.width))
    fill = _of_constant(function, before * scale + shift) if value.index else None
    if value.index and fill is None:
        source, value = lowering.full(source), lowering.values[lowering.full(source)]
    return lowering.add(ops.Scale(
        output=node.name, source=source, scale=scale.astype(np.float32), shift=shift.astype(np.float32), function=function),
        lowering.shape.dims, value.index, value.channels, fill)


def _gate(lowering: Lowering, node: Node, params: GateParams, bias: np.ndarray) -> tuple[ops.Gate, np.ndarray]:
    """The gate of a node and the convolution's bias, which takes up a constant b that is added before boosting."""
    def affine(name: str) -> ops.Affine:
        return ops.Affine(weights[f'{name}/weights'], weights[f'{name}/biases'])

    weights, name = lowering.weights, f'{node.name}/gate'
    layers = (*([affine(f'{name}/factor')] if params.factor else []), affine(name))
    boost = {'parametric': 'before', 'squeeze': 'after', 'naive': 'never'}[params.policy]
    shift: np.ndarray | ops.Affine | None = None
    if boost != 'never':
        shift = affine(f'{name}/beta') if params.parametric_beta else weights[f'{name}/shift']
    first = boost == 'after' or params.add_beta_first
    if first and isinstance(shift, np.ndarray):
        bias, shift = bias + shift, None
    return ops.Gate(params.kept(bias.size), params.pool, layers, boost, shift, first), bias


def _gate_params(node: Node) -> GateParams | None:
    """Of a convolution whose gate is enabled."""
    if node.type != 'gated_convolution':
        return None
    params = GateParams.from_yaml(node.params['gate_params'], f'{node}.gate_params')
    return params if params.enable else None


def _normalizer(node: Node) -> Any:
    """The specification of `normalizer_fn` with `normalizer_params`."""
    normalizer = node.params['normalizer_fn']
    named = {'type': normalizer} if isinstance(normalizer, str) else normalizer
    return object_spec({**named, **(node.params['normalizer_params'] or {})}, f'{node}.normalizer_fn')


def _norm(lowering: Lowering, node: Node, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """(scale, shift) after the weights: of the batch norm, or (1, biases)."""
    if node.params['normalizer_fn'] is not None:
        return _folded(lowering.weights, node.name, _normalizer(node).kwargs.get('epsilon', EPSILON), channels)
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
    return weights * scale.reshape(-1, *[1] * (weights.ndim - 1))


def _function(spec: Any) -> Function | None:
    """Of `activation_fn` or `mode`; None for the identity."""
    if spec is None:
        return None
    found = object_spec(spec, 'activation_fn')
    name = found.name.rpartition('.')[2]
    return None if name == 'linear' else Function(name, found.kwargs)


def _of_constant(function: Function | None, values: np.ndarray) -> np.ndarray | None:
    """function(values) for the functions that often follow a shift; None for others."""
    if function is None:
        return values
    if function.name == 'relu' and not function.arguments:
        return np.maximum(values, 0)
    return np.clip(values, 0, 6) if function.name == 'relu6' else None


def _pads(lowering: Lowering, node: Node, source: str, kernel: tuple[int, int] | None = None) -> ops.Pads:
    """The zeros around height and width of what `node` slides over. kernel: if it is not the one in YAML."""
    padding = node.params['padding']
    if not isinstance(padding, str):
        return tuple((side, side) for side in padding)
    if padding == 'valid':
        return (0, 0), (0, 0)
    return tuple(_same(*sizes) for sizes in zip(
        lowering.values[source].dims, lowering.shape.dims[:2], kernel or node.params['kernel_size'], node.params['stride']))


def _same(size: int, target: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's `same`: what is missing, the smaller half first."""
    missing = max((target - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


# --- layers without weights ---

@rules.register('dropout')
@rules.register('identity')
def identity(lowering: Lowering, node: Node, source: str) -> str:
    return source


@rules.register('activation')
def activation(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes a function that is 0 at 0."""
    return lowering.apply(node.name, source, _function(node.params['mode']))


@rules.register('softmax')
def softmax(lowering: Lowering, node: Node, source: str) -> str:
    return lowering.apply(node.name, source, Function('softmax'))


@rules.register('average_pool')
@rules.register('max_pool')
def pool(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes: each channel by itself."""
    kind = {'average_pool': 'avg', 'max_pool': 'max'}[node.type]
    size = lowering.values[source].dims[:2]
    if node.params['kernel_size'] is None:
        return lowering.add_like(ops.Pool(output=node.name, source=source, kind=kind, kernel=size), lowering.shape.dims)
    source = lowering.padded(node, source)
    kernel = tuple(map(min, node.params['kernel_size'], size))
    pads = _pads(lowering, node, source, kernel) if node.params['padding'] == 'same' else ((0, 0), (0, 0))
    return lowering.add_like(ops.Pool(output=node.name, source=source, kind=kind, kernel=kernel, stride=node.params['stride'],
                                      pads=pads), lowering.shape.dims)


@rules.register('reduce_mean')
def reduce_mean(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes unless the mean is over the channels."""
    rank = len(lowering.values[source].dims)
    axes = tuple(sorted(rank + axis if axis < 0 else axis - 1 for axis in node.params['axis']))
    if rank - 1 in axes:
        source = lowering.full(source)
    return lowering.add_like(ops.Mean(output=node.name, source=source, axes=axes, keepdims=node.params['keepdims']),
                             lowering.shape.dims)


@rules.register('squeeze')
@rules.register('flatten')
def reshape(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes; flattened, its index names every position of each channel."""
    value, dims = lowering.values[source], lowering.shape.dims
    positions = dims[-1] // value.width
    operation = ops.Reshape(output=node.name, source=source)
    if value.index is None or positions == 1:
        return lowering.add_like(operation, dims)
    return _spread(lowering, operation, positions)


@rules.register('space_to_depth')
def space_to_depth(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes: each position of the block has channels of its own."""
    block = node.params['block_size']
    operation = ops.SpaceToDepth(output=node.name, source=source, block=block)
    if lowering.values[source].index is None:
        return lowering.add(operation, lowering.shape.dims)
    return _spread(lowering, operation, block * block)


def _spread(lowering: Lowering, operation: Any, positions: int) -> str:
    """A slice whose positions become channels, in the order position, channel."""
    value = lowering.values[operation.source]
    offsets = tuple(position * value.width for position in range(positions))
    index, count = lowering.reindex(f'{operation.output}/index', ((value.index, value.channels, offsets),))
    fill = lowering.fills.get(operation.source)
    return lowering.add(operation, lowering.shape.dims, index, count, None if fill is None else np.tile(fill, positions))


@rules.register('pad')
def pad(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes, unless channels are added before or after it."""
    channels = node.params['channels']
    return lowering.pad(node.name, lowering.full(source) if any(channels) else source, (*node.params['sides'], channels))


@rules.register('crop')
def crop(lowering: Lowering, node: Node, source: str) -> str:
    sides = (*node.params['sides'], (0, 0))
    return lowering.add_like(ops.Crop(output=node.name, source=source, sides=sides), lowering.shape.dims)


@rules.register('local_response_normalization')
def local_response_normalization(lowering: Lowering, node: Node, source: str) -> str:
    """Needs the neighbours of each channel: of a slice, all channels; zero ones stay zero and are dropped again."""
    source = lowering.plain(source)
    value, params = lowering.values[source], node.params
    name = node.name if value.index is None else f'{node.name}/full'
    output = lowering.add(ops.LocalResponse(output=name, source=lowering.full(source), radius=params['depth_radius'],
                                            bias=params['bias'], alpha=params['alpha'], beta=params['beta']), lowering.shape.dims)
    return output if value.index is None else _take(lowering, node.name, output, value)


def _take(lowering: Lowering, output: str, source: str, like: Value) -> str:
    """The channels of `source` that the slice `like` holds."""
    value = lowering.values[source]
    return lowering.add(ops.Take(output=output, source=source, index=like.index), value.dims, like.index, like.channels)


# --- layers that join ---

@rules.register('concat')
def concat(lowering: Lowering, node: Node, *sources: str) -> str:
    """Slices stay slices: their indices, moved, side by side."""
    values = [lowering.values[source] for source in sources]
    operation = ops.Concat(output=node.name, sources=sources)
    if all(value.index is None for value in values):
        return lowering.add(operation, lowering.shape.dims)
    starts = np.cumsum([0, *(value.width for value in values)])
    index, count = lowering.reindex(f'{node.name}/index', tuple(
        (value.index, value.channels, (int(start),)) for value, start in zip(values, starts)))
    fill = np.concatenate([lowering.fills.get(source, np.zeros(value.width)) for source, value in zip(sources, values)])
    return lowering.add(operation, lowering.shape.dims, index, count, fill)


@rules.register('add')
def add(lowering: Lowering, node: Node, *sources: str) -> str:
    """Expands: what is zero in one source is not in another."""
    sources = tuple(_aligned(lowering, node, lowering.full(source), n) for n, source in enumerate(sources))
    return lowering.add(ops.Add(output=node.name, sources=sources), lowering.shape.dims)


@rules.register('mul')
def mul(lowering: Lowering, node: Node, *sources: str) -> str:
    """Zero where any source is: as narrow as the narrowest slice."""
    sources = tuple(_aligned(lowering, node, lowering.plain(source), n) for n, source in enumerate(sources))
    slices = [value for value in map(lowering.values.__getitem__, sources) if value.index and value.width == lowering.shape.channels]
    if not slices:
        return lowering.add(ops.Mul(output=node.name, sources=tuple(map(lowering.full, sources))), lowering.shape.dims)
    least = min(slices, key=lambda value: value.channels)
    narrowed = []
    for position, source in enumerate(sources):
        value = lowering.values[source]
        if value.width == lowering.shape.channels and value.index != least.index:
            source = _take(lowering, f'{node.name}/{position}', lowering.full(source), least)
        narrowed.append(source if value.width > 1 else lowering.full(source))
    return lowering.add(ops.Mul(output=node.name, sources=tuple(narrowed)), lowering.shape.dims, least.index, least.channels)


def _aligned(lowering: Lowering, node: Node, source: str, position: int) -> str:
    """A vector among maps as a map of one position."""
    value, rank = lowering.values[source], len(lowering.shape.dims)
    if len(value.dims) == rank:
        return source
    dims = (*[1] * (rank - len(value.dims)), value.width)
    return lowering.add_like(ops.Reshape(output=f'{node.name}/{position}/map', source=source), dims)
