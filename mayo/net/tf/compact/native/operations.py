"""What the engine is told of each class of operation: its entry in the tables of a plan, with the constants that it reads."""

import ctypes
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from mayo.config.names import KNOWN
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.backend import Backend
from mayo.net.tf.compact.native.packing import narrow_conv, narrow_dense
from mayo.net.tf.compact.native.tables import BOOSTS, FUNCTIONS, KINDS, POOLS, CAffine, CGate, COp
from mayo.net.tf.compact.program import Function, Operation

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact.native.plan import Plan

Fill = Callable[['Plan', COp, Any], None]  # completes the entry of an operation, which has what all operations have
emitters: Backend[Fill] = Backend('the native engine')


def entries(plan: 'Plan', operation: Operation) -> list[COp]:
    """The entries of `operation`: softmax, which needs all channels, is one by itself."""
    function = getattr(operation, 'function', None)
    if function is None or function.name != 'softmax' or isinstance(operation, ops.Activation):
        return [_entry(plan, operation, function)]
    softmax = ops.Activation(output=operation.output, source=operation.output, function=function)
    return [_entry(plan, operation, None), _entry(plan, softmax, function)]


def _entry(plan: 'Plan', operation: Operation, function: Function | None) -> COp:
    fill = emitters[type(operation)]
    entry = COp(
        kind=KINDS.index(type(operation)),
        output=plan.places.get(operation.output, -1),
        source_count=len(operation.reads),
        sources=plan.integers(plan.places[source] for source in operation.reads),
        groups=1,
        index=-1,
    )
    if function is not None:
        entry.function = list(FUNCTIONS).index(function.name)
        arguments = {**KNOWN[f'keras.activations.{function.name}'], **function.arguments}
        for position, name in enumerate(FUNCTIONS[function.name]):
            entry.arguments[position] = np.inf if arguments[name] is None else arguments[name]
    fill(plan, entry, operation)
    return entry


def _window(entry: COp, operation: ops.Conv | ops.Depthwise | ops.Pool) -> None:
    entry.kernel, entry.stride = tuple(operation.kernel), tuple(operation.stride)
    entry.pads = tuple(side for sides in operation.pads for side in sides)


@emitters.register(ops.Conv)
def conv(plan: 'Plan', entry: COp, operation: ops.Conv) -> None:
    """Of a single pixel it is a product of a vector and a matrix, in which no vector of pixels is left empty."""
    if _is_product(operation, plan.program.values[operation.source].dims):
        entry.kind = KINDS.index(ops.Dense)
        weights = np.ascontiguousarray(operation.weights[:, :, 0, 0].T)
        dense(
            plan,
            entry,
            ops.Dense(
                output=operation.output, source=operation.source, weights=weights, bias=operation.bias, narrow=operation.narrow
            ),
        )
        return
    outs = operation.weights.shape[0]
    _window(entry, operation)
    entry.bias, entry.groups = plan.floats(operation.bias), operation.groups
    if operation.narrow is None:
        entry.weights, entry.integers = plan.floats(operation.weights), plan.integers([operation.weights[0].size, outs])
    if operation.narrow is not None:
        narrow_conv(plan, entry, operation, operation.narrow)
    if operation.scale is not None:
        entry.scale = plan.floats(np.broadcast_to(operation.scale, outs))
    if operation.standardize is not None:
        entry.standardized, entry.arguments[3] = 1, operation.standardize
    if operation.gate is not None:
        name = plan.program.values[operation.output].index
        entry.index = -1 if name is None else plan.indices[name]
        entry.gate = ctypes.pointer(_gate(plan, operation.gate))


def _is_product(conv: ops.Conv, dims: tuple[int, ...]) -> bool:
    """dims: of its source. In bfloat16 a convolution rounds its source, too, and a fully connected layer does not."""
    is_plain = conv.groups == 1 and conv.gate is None and conv.standardize is None and conv.scale is None
    is_pixel = (*dims[:2], *conv.kernel) == (1, 1, 1, 1) and not np.any(conv.pads)
    return is_plain and is_pixel and (conv.narrow is None or conv.narrow.precision == 'int8')


def _gate(plan: 'Plan', gate: ops.Gate) -> CGate:
    table = CGate(
        depth=len(gate.layers),
        keep=gate.keep,
        pool=POOLS.index(gate.pool),
        boost=BOOSTS.index(gate.boost),
        shift_first=gate.shift_first,
        has_cut=gate.cut is not None,
        cut=gate.cut or 0,
    )
    for position, layer in enumerate(gate.layers):
        table.layers[position] = _affine(plan, layer)
    if isinstance(gate.shift, ops.Affine):
        table.shift = _affine(plan, gate.shift)
    elif gate.shift is not None:
        table.shift.bias = plan.floats(gate.shift)
    plan.kept.append(table)
    return table


def _affine(plan: 'Plan', layer: ops.Affine) -> CAffine:
    return CAffine(weights=plan.floats(layer.weights), bias=plan.floats(layer.bias), outputs=layer.bias.size)


@emitters.register(ops.Depthwise)
def depthwise(plan: 'Plan', entry: COp, operation: ops.Depthwise) -> None:
    _window(entry, operation)
    entry.weights, entry.bias = plan.floats(operation.weights), plan.floats(operation.bias)
    entry.integers = plan.integers([operation.weights[0, 0].size, operation.weights.shape[1]])


@emitters.register(ops.Dense)
def dense(plan: 'Plan', entry: COp, operation: ops.Dense) -> None:
    entry.bias = plan.floats(operation.bias)
    if operation.narrow is None:
        entry.weights = plan.floats(operation.weights)
    else:
        narrow_dense(plan, entry, operation, operation.narrow)


@emitters.register(ops.Scale)
def scale(plan: 'Plan', entry: COp, operation: ops.Scale) -> None:
    entry.scale, entry.bias = plan.floats(operation.scale), plan.floats(operation.shift)


@emitters.register(ops.Pool)
def pool(plan: 'Plan', entry: COp, operation: ops.Pool) -> None:
    _window(entry, operation)
    entry.integers = plan.integers([POOLS.index(operation.kind)])


@emitters.register(ops.Mean)
def mean(plan: 'Plan', entry: COp, operation: ops.Mean) -> None:
    rank = len(plan.program.values[operation.source].dims)
    axes = [axis + 3 - rank for axis in operation.axes]
    entry.integers = plan.integers([axis in axes for axis in range(3)])


@emitters.register(ops.LocalResponse)
def local_response(plan: 'Plan', entry: COp, operation: ops.LocalResponse) -> None:
    entry.integers = plan.integers([operation.radius])
    entry.arguments = (operation.bias, operation.alpha, operation.beta, 0)


@emitters.register(ops.SpaceToDepth)
def space_to_depth(plan: 'Plan', entry: COp, operation: ops.SpaceToDepth) -> None:
    entry.integers = plan.integers([operation.block])


@emitters.register(ops.Pad, ops.Crop)
def sides(plan: 'Plan', entry: COp, operation: ops.Pad | ops.Crop) -> None:
    """Pad and Crop are the same to the engine: the first adds what the second takes off."""
    sign = -1 if isinstance(operation, ops.Crop) else 1
    height, width, channels = ((0, 0),) * (3 - len(operation.sides)) + tuple(operation.sides)
    entry.pads = tuple(sign * side for side in (*height, *width))
    entry.integers = plan.integers([sign * channels[0]])


@emitters.register(ops.Index)
def index(plan: 'Plan', entry: COp, operation: ops.Index) -> None:
    parts = [
        [-1 if name is None else plan.indices[name], count, len(offsets), *offsets] for name, count, offsets in operation.parts
    ]
    entry.integers = plan.integers([operation.times, len(parts), *(number for part in parts for number in part)])
    entry.index = plan.indices[operation.output]


@emitters.register(ops.Expand)
def expand(plan: 'Plan', entry: COp, operation: ops.Expand) -> None:
    if operation.fill is not None:
        entry.bias = plan.floats(operation.fill)


@emitters.register(ops.Activation, ops.Add, ops.Mul, ops.Concat, ops.Reshape, ops.Take)
def nothing_more(plan: 'Plan', entry: COp, operation: Operation) -> None:
    """The sources, the output and the function are all."""
