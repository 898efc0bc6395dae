"""A program in the making: the values so far, which of them are slices, and what the rules of layer types add to it.

A shift (a depthwise convolution's bias, a batch norm) moves suppressed channels away from zero, all positions alike: the slice
passes and its `fill` [C] is remembered until somebody needs the other channels. Whether a layer needs them follows from how
channels travel through it (mayo.layers.travel), from which mayo.estimate counts what execution costs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mayo.config.names import Spec
from mayo.layers import Shape, functions
from mayo.layers.shape import Padding, Pair, around
from mayo.layers.travel import Apart, Mixed, Whole, reads_all
from mayo.net.graph import Node
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Function, Value
from mayo.net.tf.objects import instantiate
from mayo.util.registry import Registry

Rule = Callable[..., str]  # rule(lowering, name of the node, its layer, names of the values it reads) -> name of its value
rules: Registry[Rule] = Registry('layer type in compact execution')
Parts = tuple[tuple[str | None, int, tuple[int, ...]], ...]


class Lowering:
    """The program so far, and what rules need to add to it."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights = weights
        self.operations: list[ops.Operation] = []
        self.values: dict[str, Value] = {}
        self.fills: dict[str, np.ndarray] = {}  # of slices whose other channels are not zero
        self.expanded: dict[str, str] = {}
        self.centred: dict[str, str] = {}
        self.shape = Shape((1,))  # of the node being lowered, all channels

    def take_in(self, name: str, shape: Shape) -> str:
        self.values[name] = Value(shape.dims, shape.channels)
        return name

    def visit(self, node: Node, sources: list[str]) -> str:
        shapes = [Shape((*value.dims[:-1], value.width)) for value in map(self.values.__getitem__, sources)]
        self.shape = node.params.output(shapes)
        travel = node.params.travel
        if isinstance(travel, Apart) and travel.borders:
            sources = list(map(self.plain, sources))
        if not reads_all(travel):
            return rules[node.type](self, node.name, node.params, *sources)
        output = rules[node.type](self, node.name, node.params, *map(self.full, sources))
        like = self.values[sources[0]]
        if isinstance(travel, Whole) and travel.zero_stays and like.index and sources[0] not in self.fills:
            return self.take(f'{node.name}/active', output, like)
        return output

    def add(
        self,
        operation: ops.Operation,
        dims: tuple[int, ...],
        index: str | None = None,
        count: int = 0,
        fill: np.ndarray | None = None,
    ) -> str:
        """Append `operation`, whose value has all `dims`, or `count` channels of them at `index`."""
        stored = (*dims[:-1], count) if index else dims
        self.values[operation.output] = Value(stored, dims[-1], index)
        if index and fill is not None:
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

    def read(self, travel: Mixed, name: str) -> tuple[str, np.ndarray | None]:
        """What a layer of `travel` multiplies, and the constants [C] that are to be added to each channel of it, if there are any.

        Of a slice whose other channels are constants each channel less its constant, so that the others are zero:
        with c over the active channels, the sum of W[c] (x[c] - constant[c]) plus that of W constant is that of W x over all.
        """
        fill = self.fills.get(name)
        if fill is None or not travel.takes_constants:
            return self.plain(name), None
        if name not in self.centred:
            value = self.values[name]
            ones, shift = np.ones(value.width, np.float32), np.asarray(-fill, np.float32)
            centred = ops.Scale(output=f'{name}/centred', source=name, scale=ones, shift=shift)
            self.centred[name] = self.add(centred, (*value.dims[:-1], value.width), value.index, value.channels)
        return self.centred[name], fill

    def take(self, output: str, source: str, like: Value) -> str:
        """Of a value with all channels, those that the slice `like` holds."""
        assert like.index is not None
        return self.add(
            ops.Take(output=output, source=source, index=like.index), self.values[source].dims, like.index, like.channels
        )

    def reindex(self, output: str, parts: Parts, times: int = 1) -> tuple[str, int]:
        """A new index and its length; see ops.Index."""
        self.operations.append(ops.Index(output=output, parts=parts, times=times))
        return output, times * sum(count * len(offsets) for _, count, offsets in parts)

    def padded(self, name: str, source: str, padding: Padding) -> str:
        """`source` with the zeros that a number under `padding` puts around it."""
        if isinstance(padding, str):
            return source
        return self.pad(f'{name}/padded', source, (*around(padding), (0, 0)))

    def pad(self, output: str, source: str, sides: ops.Pads) -> str:
        source = self.plain(source)
        value = self.values[source]
        dims = tuple(dim + sum(side) for dim, side in zip((*value.dims[:-1], value.width), sides, strict=True))
        return self.add_like(ops.Pad(output=output, source=source, sides=sides), dims)

    def apply(self, name: str, source: str, activation: Spec | None) -> str:
        """activation(source)."""
        function = function_of(activation)
        if function is None:
            return source
        value, fill = self.values[source], self.fills.get(source)
        if value.index and (fill is not None or not functions.keeps_zero(activation)):
            fill = of_constant(activation, np.zeros(value.width) if fill is None else fill)
            if fill is None:
                source = self.full(source)
                value = self.values[source]
        operation = ops.Activation(output=name, source=source, function=function)
        return self.add(operation, (*value.dims[:-1], value.width), value.index, value.channels, fill)


def of_constant(activation: Spec | None, values: np.ndarray) -> np.ndarray | None:
    """activation(values [C]) where each number decides alone; None for softmax."""
    if not functions.is_apart(activation):
        return None
    function = instantiate(activation)
    return values if function is None else np.asarray(function(np.asarray(values, np.float32)))


def function_of(activation: Spec | None) -> Function | None:
    """What a program calls an activation; None for the identity."""
    if activation is None:
        return None
    name = functions.short_name(activation)
    return None if name == 'linear' else Function(name, activation.kwargs)


def pads_of(lowering: Lowering, source: str, padding: Padding, kernel: Pair, stride: Pair) -> ops.Pads:
    """The zeros around height and width of `source` that a window slides over."""
    if padding != 'same':
        return around(padding)
    sides = lowering.values[source].dims[:2], lowering.shape.dims[:2]
    return tuple(_same(*sizes) for sizes in zip(*sides, kernel, stride, strict=True))


def _same(size: int, target: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's `same`: what is missing, the smaller half first."""
    missing = max((target - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2
