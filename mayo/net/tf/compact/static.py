"""The network of the same widths without gates: what slimming every layer to its k channels would cost, the ceiling of compact.

The first channels take the place of the winners and nothing is computed to choose or copy them. The results mean nothing.
"""
import dataclasses
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Program, Value

CHANNEL_CONSTANTS = ('bias', 'scale', 'shift')


def static(program: Program) -> Program:
    """`program` with constant weights for the first channels of every slice: no gate, no index, shapes unchanged."""
    values = {name: Value(value.dims, value.channels) for name, value in program.values.items()}
    operations = tuple(_fixed(one, program.values) for one in program.operations if not isinstance(one, ops.Index))
    return Program(operations, values, program.inputs, program.outputs)


def _fixed(one: ops.Operation, values: Any) -> ops.Operation:
    """The operation on full values of fewer channels."""
    target = values[one.output]
    if isinstance(one, ops.Expand):
        missing = target.width - values[one.source].channels
        return ops.Pad(output=one.output, source=one.source, sides=(*[(0, 0)] * (len(target.dims) - 1), (0, missing)))
    if isinstance(one, ops.Take):
        excess = values[one.source].channels - target.channels
        return ops.Crop(output=one.output, source=one.source, sides=(*[(0, 0)] * (len(target.dims) - 1), (0, excess)))
    changes = {name: getattr(one, name)[:target.channels] for name in CHANNEL_CONSTANTS
               if isinstance(getattr(one, name, None), np.ndarray)}
    if isinstance(one, ops.Conv):
        inside = one.weights.shape[1] if one.groups > 1 else values[one.source].channels
        changes |= {'weights': _first(one.weights, target.channels, inside), 'gate': None}
        changes |= {'groups': 1} if one.gate and one.groups > 1 else {}
    if isinstance(one, ops.Depthwise):
        changes['weights'] = _first(one.weights, values[one.source].channels)
    if isinstance(one, ops.Dense):
        changes['weights'] = _first(one.weights, values[one.source].channels)
    return dataclasses.replace(one, **changes) if changes else one


def _first(weights: np.ndarray, *counts: int) -> np.ndarray:
    """The first of each leading dimension, contiguous."""
    return np.ascontiguousarray(weights[tuple(map(slice, counts))])
