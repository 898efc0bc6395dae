"""The tables that the engine runs, made of a program: places in memory, constants, and an entry for each operation.

The structures are those of engine.h, field by field. A plan keeps alive whatever its tables point at.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mayo.config.names import KNOWN
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Function, Program

KINDS = (
    ops.Conv,
    ops.Depthwise,
    ops.Dense,
    ops.Scale,
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
    ops.Index,
    ops.Expand,
    ops.Take,
)
FUNCTIONS = {
    'linear': (),
    'relu': ('negative_slope', 'max_value', 'threshold'),
    'relu6': (),
    'leaky_relu': ('negative_slope',),
    'elu': ('alpha',),
    'selu': (),
    'gelu': ('approximate',),
    'sigmoid': (),
    'hard_sigmoid': (),
    'tanh': (),
    'silu': (),
    'hard_silu': (),
    'softplus': (),
    'softsign': (),
    'softmax': (),
}
POOLS = ('avg', 'l1', 'l2', 'max')
BOOSTS = ('before', 'after', 'never')
ALIGNMENT = 16  # numbers: what is read fastest starts at a cache line
AHEAD = 256  # numbers that may be read after the end of a value

_FLOATS, _INTEGERS = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int32)


class CValue(ctypes.Structure):
    _fields_ = [('place', ctypes.c_int64), *((name, ctypes.c_int32) for name in ('height', 'width', 'channels', 'index'))]


class CAffine(ctypes.Structure):
    _fields_ = [('weights', _FLOATS), ('bias', _FLOATS), ('outputs', ctypes.c_int32), ('unused', ctypes.c_int32)]


class CGate(ctypes.Structure):
    _fields_ = [
        ('layers', CAffine * 2),
        ('shift', CAffine),
        *((name, ctypes.c_int32) for name in ('depth', 'keep', 'pool', 'boost', 'shift_first', 'unused')),
    ]


class COp(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ('kind', 'function', 'output', 'source_count')),
        ('sources', _INTEGERS),
        ('integers', _INTEGERS),
        ('weights', _FLOATS),
        ('bias', _FLOATS),
        ('scale', _FLOATS),
        ('gate', ctypes.POINTER(CGate)),
        ('arguments', ctypes.c_float * 4),
        ('kernel', ctypes.c_int32 * 2),
        ('stride', ctypes.c_int32 * 2),
        ('pads', ctypes.c_int32 * 4),
        *((name, ctypes.c_int32) for name in ('groups', 'index', 'standardized', 'unused')),
    ]


class CPlan(ctypes.Structure):
    _fields_ = [
        ('values', ctypes.POINTER(CValue)),
        ('ops', ctypes.POINTER(COp)),
        ('identity', _INTEGERS),
        ('index_sizes', _INTEGERS),
        ('values_size', ctypes.c_int64),
        ('indices_size', ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ('value_count', 'op_count', 'index_count', 'channels', 'input', 'output_count')),
        ('outputs', _INTEGERS),
        ('gated_count', ctypes.c_int32),
        ('unused', ctypes.c_int32),
        ('gated', _INTEGERS),
    ]


def unsupported(program: Program) -> list[str]:
    """What the engine does not know, a reason for each operation."""
    reasons = [
        f'{one.output}: the native engine knows no function `{function.name}`.'
        for one in program.operations
        if (function := getattr(one, 'function', None)) is not None and function.name not in FUNCTIONS
    ]
    if len(program.inputs) > 1:
        reasons.append(f'the native engine reads one input, not {len(program.inputs)}.')
    return reasons


class Plan:
    """The tables of `program`; `table` is what the engine takes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kept: list[Any] = []
        self.places = {name: position for position, name in enumerate(program.values)}
        self.lengths: dict[str, int] = {}  # of indices, at most
        self._measure_indices()
        self.indices = {name: position for position, name in enumerate(self.lengths)}
        operations = [made for one in program.operations for made in self._operations(one)]
        places, size = arrange(program)
        values = [self._value(value, places[name]) for name, value in program.values.items()]
        widest = max([value.width for value in program.values.values()] + [self._widest_gate(), *self.lengths.values()])
        gated = [
            (-1 if (name := program.values[layer].index) is None else self.indices[name], conv.gate.keep)
            for layer, conv in program.gated.items()
            if conv.gate
        ]
        self.table = CPlan(
            values=self._array(CValue, values),
            ops=self._array(COp, operations),
            identity=self._integers(range(widest + AHEAD)),
            index_sizes=self._integers(self.lengths.values()),
            values_size=size,
            indices_size=sum(self.lengths.values()),
            value_count=len(values),
            op_count=len(operations),
            index_count=len(self.lengths),
            channels=widest,
            input=self.places[program.inputs[0]],
            output_count=len(program.outputs),
            outputs=self._integers(self.places[name] for name in program.outputs),
            gated_count=len(gated),
            gated=self._integers(number for pair in gated for number in pair),
        )

    def _measure_indices(self) -> None:
        for one in self.program.operations:
            if isinstance(one, ops.Index):
                self.lengths[one.output] = one.times * sum(count * len(offsets) for _, count, offsets in one.parts)
            elif isinstance(one, ops.Conv) and one.gate and (name := self.program.values[one.output].index):
                self.lengths[name] = one.gate.keep

    def _widest_gate(self) -> int:
        return max((layer.bias.size for one in self.program.gated.values() if one.gate for layer in one.gate.layers), default=0)

    def _value(self, value: ops.Value, place: int) -> CValue:
        height, width = value.dims[:2] if len(value.dims) == 3 else (1, 1)
        index = -1 if value.index is None else self.indices[value.index]
        return CValue(place=place, height=height, width=width, channels=value.channels, index=index)

    # --- operations ---

    def _operations(self, one: Any) -> list[COp]:
        """`one`; softmax, which needs all channels, follows by itself."""
        function = getattr(one, 'function', None)
        if function is None or function.name != 'softmax' or isinstance(one, ops.Activation):
            return [self._operation(one, function)]
        return [
            self._operation(one, None),
            self._operation(ops.Activation(output=one.output, source=one.output, function=function), function),
        ]

    def _operation(self, one: Any, function: Function | None) -> COp:
        sources = one.sources if hasattr(one, 'sources') else (one.source,) if hasattr(one, 'source') else ()
        op = COp(
            kind=KINDS.index(type(one)),
            output=self.places.get(one.output, -1),
            source_count=len(sources),
            sources=self._integers(self.places[source] for source in sources),
            groups=1,
            index=-1,
        )
        if function is not None:
            op.function = list(FUNCTIONS).index(function.name)
            defaults = KNOWN[f'keras.activations.{function.name}']
            given = {**defaults, **function.arguments}
            for position, name in enumerate(FUNCTIONS[function.name]):
                op.arguments[position] = np.inf if given[name] is None else given[name]
        for name in ('kernel', 'stride'):
            if hasattr(one, name):
                setattr(op, name, tuple(getattr(one, name)))
        if hasattr(one, 'pads'):
            op.pads = tuple(side for sides in one.pads for side in sides)
        fill = _FILL[type(one)]
        if fill is not None:
            fill(self, op, one)
        return op

    def conv(self, op: COp, one: ops.Conv) -> None:
        outs = one.weights.shape[0]
        op.weights, op.bias, op.groups = self._floats(one.weights), self._floats(one.bias), one.groups
        op.integers = self._integers([one.weights[0].size, outs])
        if one.scale is not None:
            op.scale = self._floats(np.broadcast_to(one.scale, outs))
        if one.standardize is not None:
            op.standardized, op.arguments[3] = 1, one.standardize
        if one.gate is not None:
            name = self.program.values[one.output].index
            op.index = -1 if name is None else self.indices[name]
            op.gate = ctypes.pointer(self._gate(one.gate))

    def _gate(self, gate: ops.Gate) -> CGate:
        made = CGate(
            depth=len(gate.layers),
            keep=gate.keep,
            pool=POOLS.index(gate.pool),
            boost=BOOSTS.index(gate.boost),
            shift_first=gate.shift_first,
        )
        for position, layer in enumerate(gate.layers):
            made.layers[position] = self._affine(layer)
        if isinstance(gate.shift, ops.Affine):
            made.shift = self._affine(gate.shift)
        elif gate.shift is not None:
            made.shift.bias = self._floats(gate.shift)
        self.kept.append(made)
        return made

    def _affine(self, layer: ops.Affine) -> CAffine:
        return CAffine(weights=self._floats(layer.weights), bias=self._floats(layer.bias), outputs=layer.bias.size)

    def depthwise(self, op: COp, one: ops.Depthwise) -> None:
        op.weights, op.bias = self._floats(one.weights), self._floats(one.bias)
        op.integers = self._integers([one.weights[0, 0].size, one.weights.shape[1]])

    def dense(self, op: COp, one: ops.Dense) -> None:
        op.weights, op.bias = self._floats(one.weights), self._floats(one.bias)

    def scale(self, op: COp, one: ops.Scale) -> None:
        op.scale, op.bias = self._floats(one.scale), self._floats(one.shift)

    def pool(self, op: COp, one: ops.Pool) -> None:
        op.integers = self._integers([POOLS.index(one.kind)])

    def mean(self, op: COp, one: ops.Mean) -> None:
        rank = len(self.program.values[one.source].dims)
        axes = [axis + 3 - rank for axis in one.axes]
        op.integers = self._integers([axis in axes for axis in range(3)])

    def local_response(self, op: COp, one: ops.LocalResponse) -> None:
        op.integers = self._integers([one.radius])
        op.arguments = (one.bias, one.alpha, one.beta, 0)

    def space_to_depth(self, op: COp, one: ops.SpaceToDepth) -> None:
        op.integers = self._integers([one.block])

    def sides(self, op: COp, one: ops.Pad | ops.Crop) -> None:
        """Pad and Crop are one: the first adds what the second takes off."""
        sign = -1 if isinstance(one, ops.Crop) else 1
        sides = ((0, 0),) * (3 - len(one.sides)) + tuple(one.sides)
        op.pads = tuple(sign * side for pair in sides[:2] for side in pair)
        op.integers = self._integers([sign * sides[2][0]])

    def index(self, op: COp, one: ops.Index) -> None:
        parts = [
            [-1 if name is None else self.indices[name], count, len(offsets), *offsets] for name, count, offsets in one.parts
        ]
        op.integers = self._integers([one.times, len(parts), *(number for part in parts for number in part)])
        op.index = self.indices[one.output]

    def expand(self, op: COp, one: ops.Expand) -> None:
        if one.fill is not None:
            op.bias = self._floats(one.fill)

    # --- memory that the tables point at ---

    def _floats(self, array: np.ndarray) -> Any:
        return self._pointer(np.ascontiguousarray(array, np.float32), _FLOATS)

    def _integers(self, numbers: Any) -> Any:
        return self._pointer(np.array([*numbers, 0], np.int32), _INTEGERS)  # never empty

    def _pointer(self, array: np.ndarray, kind: Any) -> Any:
        self.kept.append(array)
        return array.ctypes.data_as(kind)

    def _array(self, kind: Any, entries: Sequence[Any]) -> Any:
        array = (kind * len(entries))(*entries)
        self.kept += [array, *entries]
        return array


_FILL: dict[type, Callable[[Plan, COp, Any], None] | None] = {
    ops.Conv: Plan.conv,
    ops.Depthwise: Plan.depthwise,
    ops.Dense: Plan.dense,
    ops.Scale: Plan.scale,
    ops.Pool: Plan.pool,
    ops.Mean: Plan.mean,
    ops.Activation: None,
    ops.LocalResponse: Plan.local_response,
    ops.Add: None,
    ops.Mul: None,
    ops.Concat: None,
    ops.Reshape: None,
    ops.SpaceToDepth: Plan.space_to_depth,
    ops.Pad: Plan.sides,
    ops.Crop: Plan.sides,
    ops.Index: Plan.index,
    ops.Expand: Plan.expand,
    ops.Take: None,
}


def arrange(program: Program) -> tuple[dict[str, int], int]:
    """Where each value lies, and the numbers that all take: a value's memory is used again when its last reader is done.

    First fit: each value, when it is made, takes the lowest gap among those still needed.
    """
    last = {name: len(program.operations) for name in program.outputs}
    for position, one in enumerate(program.operations):
        for name in getattr(one, 'sources', None) or ((one.source,) if hasattr(one, 'source') else ()):
            last[name] = max(last.get(name, 0), position)
    made = [(-1, name) for name in program.inputs]
    made += [(position, one.output) for position, one in enumerate(program.operations) if one.output in program.values]
    taken: list[tuple[int, int, int]] = []  # (start, end, when it is free)
    places, total = {}, 0
    for when, name in made:
        size = -(-int(np.prod(program.values[name].dims)) // ALIGNMENT) * ALIGNMENT
        taken = sorted(block for block in taken if block[2] >= when)
        start = 0
        for begin, end, _ in taken:
            if start + size <= begin:
                break
            start = max(start, end)
        places[name], total = start, max(total, start + size)
        taken.append((start, start + size, last.get(name, when)))
    return places, total
