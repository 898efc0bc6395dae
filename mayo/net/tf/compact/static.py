"""The network of the same widths without gates: what slimming every layer to its k channels would cost, the ceiling of compact.

The first channels take the place of the winners and nothing is computed to choose or copy them. The results mean nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Program, Value

CHANNEL_CONSTANTS = ('bias', 'scale', 'shift')
ALL = '/all'  # after a layer's name: a convolution in groups, before its first channels are taken


def static(program: Program) -> Program:
    """`program` with constant weights for the first channels of every slice: no gate, no index, shapes unchanged."""
    values = {name: Value(value.dims, value.channels) for name, value in program.values.items()}
    operations: list[ops.Operation] = []
    for one in program.operations:
        if not isinstance(one, ops.Index):
            operations += _fixed(one, program.values)
    for one in operations:
        if one.output.endswith(ALL):
            whole = program.values[one.output.removesuffix(ALL)]
            values[one.output] = Value((*whole.dims[:-1], whole.width), whole.width)
    return Program(tuple(operations), values, program.inputs, program.outputs)


def _fixed(one: ops.Operation, values: Mapping[str, Value]) -> list[ops.Operation]:
    """The operation on full values of fewer channels."""
    target = values[one.output]
    if isinstance(one, ops.Expand):
        missing = _channels(target, target.width - values[one.source].channels)
        return [ops.Pad(output=one.output, source=one.source, sides=missing)]
    if isinstance(one, ops.Take):
        excess = _channels(target, values[one.source].channels - target.channels)
        return [ops.Crop(output=one.output, source=one.source, sides=excess)]
    if isinstance(one, ops.Conv) and one.groups > 1:
        if target.index is None:
            return [dataclasses.replace(one, gate=None)]
        everything = dataclasses.replace(one, gate=None, output=one.output + ALL)
        excess = _channels(target, target.width - target.channels)
        return [everything, ops.Crop(output=one.output, source=everything.output, sides=excess)]
    changes: dict[str, Any] = {
        name: getattr(one, name)[: target.channels]
        for name in CHANNEL_CONSTANTS
        if isinstance(getattr(one, name, None), np.ndarray)
    }
    if isinstance(one, ops.Conv):
        changes |= {'weights': _first(one.weights, target.channels, values[one.source].channels), 'gate': None}
    if isinstance(one, ops.Depthwise | ops.Dense):
        changes['weights'] = _first(one.weights, values[one.source].channels)
    return [dataclasses.replace(one, **changes) if changes else one]


def _channels(value: Value, count: int) -> ops.Pads:
    """Sides of a value that are `count` channels at the end."""
    return (*[(0, 0)] * (len(value.dims) - 1), (0, count))


def _first(weights: np.ndarray, *counts: int) -> np.ndarray:
    """The first of each leading dimension, contiguous."""
    return np.ascontiguousarray(weights[tuple(map(slice, counts))])
