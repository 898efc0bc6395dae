"""The network of the same widths without gates: what slimming every layer to its k channels would cost, the ceiling of compact.

The first channels take the place of the winners and nothing is computed to choose or copy them. The results mean nothing.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.backend import Backend
from mayo.net.tf.compact.program import Program, Value

ALL = '/all'  # after a layer's name: a convolution in groups, before its first channels are taken

# (operation, values of the program with slices) -> operations on full values of fewer channels
Fix = Callable[[Any, Mapping[str, Value]], list[ops.Operation]]
emitters: Backend[Fix] = Backend('the static network')


def static(program: Program) -> Program:
    """`program` with constant weights for the first channels of every slice: no gate, no index, shapes unchanged.

    Errors: ValueError for gates with a threshold, of which the number of winners varies.
    """
    ops.require_fixed_counts(program, 'a static network')
    values = {name: Value(value.dims, value.channels) for name, value in program.values.items()}
    operations = tuple(
        fixed for operation in program.operations for fixed in emitters[type(operation)](operation, program.values)
    )
    for operation in operations:
        if operation.output.endswith(ALL):
            whole = program.values[operation.output.removesuffix(ALL)]
            values[operation.output] = Value((*whole.dims[:-1], whole.width), whole.width)
    return Program(operations, values, program.inputs, program.outputs)


@emitters.register(
    ops.Pool,
    ops.Mean,
    ops.Activation,
    ops.LocalResponse,
    ops.Add,
    ops.Mul,
    ops.Concat,
    ops.Reshape,
    ops.SpaceToDepth,
    ops.Pad,
    ops.Crop,
)
def same(operation: ops.Operation, values: Mapping[str, Value]) -> list[ops.Operation]:
    """It has no constants by channel."""
    return [operation]


@emitters.register(ops.Index)
def none(operation: ops.Index, values: Mapping[str, Value]) -> list[ops.Operation]:
    """Nothing has an index."""
    return []


@emitters.register(ops.Conv)
def conv(operation: ops.Conv, values: Mapping[str, Value]) -> list[ops.Operation]:
    target = values[operation.output]
    if operation.groups > 1:
        return _conv_in_groups(operation, target)
    weights = _first(operation.weights, target.channels, values[operation.source].channels)
    scale = None if operation.scale is None else operation.scale[: target.channels]
    bias = operation.bias[: target.channels]
    return [dataclasses.replace(operation, weights=weights, bias=bias, scale=scale, gate=None)]


def _conv_in_groups(operation: ops.Conv, target: Value) -> list[ops.Operation]:
    """It computes all channels, of which the first are taken."""
    if target.index is None:
        return [dataclasses.replace(operation, gate=None)]
    everything = dataclasses.replace(operation, gate=None, output=operation.output + ALL)
    excess = _channels(target, target.width - target.channels)
    return [everything, ops.Crop(output=operation.output, source=everything.output, sides=excess)]


@emitters.register(ops.Depthwise)
def depthwise(operation: ops.Depthwise, values: Mapping[str, Value]) -> list[ops.Operation]:
    weights = _first(operation.weights, values[operation.source].channels)
    return [dataclasses.replace(operation, weights=weights, bias=operation.bias[: values[operation.output].channels])]


@emitters.register(ops.Dense)
def dense(operation: ops.Dense, values: Mapping[str, Value]) -> list[ops.Operation]:
    return [dataclasses.replace(operation, weights=_first(operation.weights, values[operation.source].channels))]


@emitters.register(ops.Scale)
def scale(operation: ops.Scale, values: Mapping[str, Value]) -> list[ops.Operation]:
    if operation.function is None and np.all(operation.scale == 1):  # constants that a network without gates does not have
        return [ops.Reshape(output=operation.output, source=operation.source)]
    count = values[operation.output].channels
    return [dataclasses.replace(operation, scale=operation.scale[:count], shift=operation.shift[:count])]


@emitters.register(ops.Expand)
def expand(operation: ops.Expand, values: Mapping[str, Value]) -> list[ops.Operation]:
    target = values[operation.output]
    missing = _channels(target, target.width - values[operation.source].channels)
    return [ops.Pad(output=operation.output, source=operation.source, sides=missing)]


@emitters.register(ops.Take)
def take(operation: ops.Take, values: Mapping[str, Value]) -> list[ops.Operation]:
    target = values[operation.output]
    excess = _channels(target, values[operation.source].channels - target.channels)
    return [ops.Crop(output=operation.output, source=operation.source, sides=excess)]


def _channels(value: Value, count: int) -> ops.Pads:
    """Sides of a value that are `count` channels at the end."""
    return (*[(0, 0)] * (len(value.dims) - 1), (0, count))


def _first(weights: np.ndarray, *counts: int) -> np.ndarray:
    """The first of each leading dimension, contiguous."""
    return np.ascontiguousarray(weights[tuple(map(slice, counts))])
