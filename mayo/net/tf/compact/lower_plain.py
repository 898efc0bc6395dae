"""Layers without weights, and those that join: which slices pass, and what becomes of their indices."""

from typing import Any

import numpy as np

from mayo.config.names import Spec
from mayo.layers import Layer
from mayo.layers.activation import Activation, Identity
from mayo.layers.arrange import Crop, Pad, SpaceToDepth
from mayo.layers.norm import LocalResponseNormalization
from mayo.layers.pool import MaxPool, Pool, ReduceMean
from mayo.layers.shape import Shape, clip, positions_of
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.lowering import Lowering, pads_of, rules

SOFTMAX = Spec('keras.activations.softmax')


@rules.register('dropout')
def dropout(lowering: Lowering, name: str, layer: Layer, source: str) -> str:
    return source


@rules.register('identity')
def identity(lowering: Lowering, name: str, layer: Identity, source: str) -> str:
    return lowering.apply(name, source, layer.activation_fn)


@rules.register('activation')
def activation(lowering: Lowering, name: str, layer: Activation, source: str) -> str:
    """A slice passes a function that is 0 at 0."""
    return lowering.apply(name, source, layer.mode)


@rules.register('softmax')
def softmax(lowering: Lowering, name: str, layer: Layer, source: str) -> str:
    return lowering.apply(name, source, SOFTMAX)


@rules.register('average_pool')
@rules.register('max_pool')
def pool(lowering: Lowering, name: str, layer: Pool, source: str) -> str:
    """A slice passes: each channel by itself."""
    kind = 'max' if isinstance(layer, MaxPool) else 'avg'
    height, width, _ = lowering.values[source].dims
    if layer.kernel_size is None:
        whole = ops.Pool(output=name, source=source, kind=kind, kernel=(height, width))
        return lowering.add_like(whole, lowering.shape.dims)
    source = lowering.padded(name, source, layer.padding)
    kernel = clip(layer.kernel_size, Shape((height, width, 1)))
    pads = pads_of(lowering, source, layer.padding if layer.padding == 'same' else 'valid', kernel, layer.stride)
    return lowering.add_like(
        ops.Pool(output=name, source=source, kind=kind, kernel=kernel, stride=layer.stride, pads=pads), lowering.shape.dims
    )


@rules.register('reduce_mean')
def reduce_mean(lowering: Lowering, name: str, layer: ReduceMean, source: str) -> str:
    """A slice passes unless the mean is over the channels."""
    axes = tuple(sorted(positions_of(layer.axis, Shape(lowering.values[source].dims))))
    return lowering.add_like(ops.Mean(output=name, source=source, axes=axes, keepdims=layer.keepdims), lowering.shape.dims)


@rules.register('squeeze')
@rules.register('flatten')
def reshape(lowering: Lowering, name: str, layer: Layer, source: str) -> str:
    """A slice passes; flattened, its index names every position of each channel."""
    value, dims = lowering.values[source], lowering.shape.dims
    positions = dims[-1] // value.width
    operation = ops.Reshape(output=name, source=source)
    if value.index is None or positions == 1:
        return lowering.add_like(operation, dims)
    return _spread(lowering, operation, positions)


@rules.register('space_to_depth')
def space_to_depth(lowering: Lowering, name: str, layer: SpaceToDepth, source: str) -> str:
    """A slice passes: each position of the block has channels of its own."""
    block = layer.block_size
    operation = ops.SpaceToDepth(output=name, source=source, block=block)
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
def pad(lowering: Lowering, name: str, layer: Pad, source: str) -> str:
    """A slice passes, unless channels are added before or after it."""
    return lowering.pad(name, source, (*layer.sides, layer.channels))


@rules.register('crop')
def crop(lowering: Lowering, name: str, layer: Crop, source: str) -> str:
    sides = (*layer.sides, (0, 0))
    return lowering.add_like(ops.Crop(output=name, source=source, sides=sides), lowering.shape.dims)


@rules.register('local_response_normalization')
def local_response_normalization(lowering: Lowering, name: str, layer: LocalResponseNormalization, source: str) -> str:
    """Needs the neighbours of each channel: of a slice, all channels; zero ones stay zero and are dropped again."""
    operation = ops.LocalResponse(
        output=name, source=source, radius=layer.depth_radius, bias=layer.bias, alpha=layer.alpha, beta=layer.beta
    )
    return lowering.add(operation, lowering.shape.dims)


# --- layers that join ---


@rules.register('concat')
def concat(lowering: Lowering, name: str, layer: Layer, *sources: str) -> str:
    """Slices stay slices: their indices, moved, side by side."""
    sources = tuple(map(lowering.plain, sources))
    values = [lowering.values[source] for source in sources]
    operation = ops.Concat(output=name, sources=sources)
    if all(value.index is None for value in values):
        return lowering.add(operation, lowering.shape.dims)
    starts = np.cumsum([0, *(value.width for value in values)])
    index, count = lowering.reindex(
        f'{name}/index',
        tuple((value.index, value.channels, (int(start),)) for value, start in zip(values, starts[:-1], strict=True)),
    )
    return lowering.add(operation, lowering.shape.dims, index, count)


@rules.register('add')
def add(lowering: Lowering, name: str, layer: Layer, *sources: str) -> str:
    """Expands: what is zero in one source is not in another."""
    sources = tuple(_aligned(lowering, name, source, n) for n, source in enumerate(sources))
    return lowering.add(ops.Add(output=name, sources=sources), lowering.shape.dims)


@rules.register('mul')
def mul(lowering: Lowering, name: str, layer: Layer, *sources: str) -> str:
    """Zero where any source is: as narrow as the narrowest slice."""
    sources = tuple(_aligned(lowering, name, lowering.plain(source), n) for n, source in enumerate(sources))
    values, width = [lowering.values[source] for source in sources], lowering.shape.channels
    slices = [value for value in values if value.index and value.width == width]
    if not slices:
        return lowering.add(ops.Mul(output=name, sources=tuple(map(lowering.full, sources))), lowering.shape.dims)
    least = min(slices, key=lambda value: value.channels)
    narrowed = []
    for position, (source, value) in enumerate(zip(sources, values, strict=True)):
        if value.width == width and value.index != least.index:
            source = lowering.take(f'{name}/{position}', lowering.full(source), least)
        narrowed.append(source if value.width > 1 else lowering.full(source))
    return lowering.add(ops.Mul(output=name, sources=tuple(narrowed)), lowering.shape.dims, least.index, least.channels)


def _aligned(lowering: Lowering, name: str, source: str, position: int) -> str:
    """A vector among maps as a map of one position."""
    value, rank = lowering.values[source], len(lowering.shape.dims)
    if len(value.dims) == rank:
        return source
    dims = (*[1] * (rank - len(value.dims)), value.width)
    return lowering.add_like(ops.Reshape(output=f'{name}/{position}/map', source=source), dims)
