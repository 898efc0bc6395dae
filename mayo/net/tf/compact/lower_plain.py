"""Layers without weights, and those that join: which slices pass, and what becomes of their indices."""

from typing import Any

import numpy as np

from mayo.net.graph import Node
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.lowering import Lowering, function_of, pads_of, rules
from mayo.net.tf.compact.program import Function, Value


@rules.register('dropout')
@rules.register('identity')
def identity(lowering: Lowering, node: Node, source: str) -> str:
    return source


@rules.register('activation')
def activation(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes a function that is 0 at 0."""
    return lowering.apply(node.name, source, function_of(node.params['mode']))


@rules.register('softmax')
def softmax(lowering: Lowering, node: Node, source: str) -> str:
    return lowering.apply(node.name, source, Function('softmax'))


@rules.register('average_pool')
@rules.register('max_pool')
def pool(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes: each channel by itself."""
    kind = {'average_pool': 'avg', 'max_pool': 'max'}[node.type]
    height, width, _ = lowering.values[source].dims
    if node.params['kernel_size'] is None:
        whole = ops.Pool(output=node.name, source=source, kind=kind, kernel=(height, width))
        return lowering.add_like(whole, lowering.shape.dims)
    source = lowering.padded(node, source)
    rows, columns = node.params['kernel_size']
    kernel = min(rows, height), min(columns, width)
    pads = pads_of(lowering, node, source, kernel) if node.params['padding'] == 'same' else ((0, 0), (0, 0))
    return lowering.add_like(
        ops.Pool(output=node.name, source=source, kind=kind, kernel=kernel, stride=node.params['stride'], pads=pads),
        lowering.shape.dims,
    )


@rules.register('reduce_mean')
def reduce_mean(lowering: Lowering, node: Node, source: str) -> str:
    """A slice passes unless the mean is over the channels."""
    rank = len(lowering.values[source].dims)
    axes = tuple(sorted(rank + axis if axis < 0 else axis - 1 for axis in node.params['axis']))
    if rank - 1 in axes:
        source = lowering.full(source)
    return lowering.add_like(
        ops.Mean(output=node.name, source=source, axes=axes, keepdims=node.params['keepdims']), lowering.shape.dims
    )


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
    output = lowering.add(
        ops.LocalResponse(
            output=f'{node.name}/full' if value.index else node.name,
            source=lowering.full(source),
            radius=params['depth_radius'],
            bias=params['bias'],
            alpha=params['alpha'],
            beta=params['beta'],
        ),
        lowering.shape.dims,
    )
    return _take(lowering, node.name, output, value) if value.index else output


def _take(lowering: Lowering, output: str, source: str, like: Value) -> str:
    """The channels of `source` that the slice `like` holds."""
    value = lowering.values[source]
    assert like.index is not None
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
    index, count = lowering.reindex(
        f'{node.name}/index',
        tuple((value.index, value.channels, (int(start),)) for value, start in zip(values, starts[:-1], strict=True)),
    )
    fills = [lowering.fills.get(source, np.zeros(value.width)) for source, value in zip(sources, values, strict=True)]
    return lowering.add(operation, lowering.shape.dims, index, count, np.concatenate(fills))


@rules.register('add')
def add(lowering: Lowering, node: Node, *sources: str) -> str:
    """Expands: what is zero in one source is not in another."""
    sources = tuple(_aligned(lowering, node, lowering.full(source), n) for n, source in enumerate(sources))
    return lowering.add(ops.Add(output=node.name, sources=sources), lowering.shape.dims)


@rules.register('mul')
def mul(lowering: Lowering, node: Node, *sources: str) -> str:
    """Zero where any source is: as narrow as the narrowest slice."""
    sources = tuple(_aligned(lowering, node, lowering.plain(source), n) for n, source in enumerate(sources))
    values, width = [lowering.values[source] for source in sources], lowering.shape.channels
    slices = [value for value in values if value.index and value.width == width]
    if not slices:
        return lowering.add(ops.Mul(output=node.name, sources=tuple(map(lowering.full, sources))), lowering.shape.dims)
    least = min(slices, key=lambda value: value.channels)
    narrowed = []
    for position, (source, value) in enumerate(zip(sources, values, strict=True)):
        if value.width == width and value.index != least.index:
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
