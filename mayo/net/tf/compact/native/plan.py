"""The tables that the engine runs, made of a program: places in memory, constants, and an entry for each operation.

A plan keeps alive whatever its tables point at.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.native.operations import emitters, entries
from mayo.net.tf.compact.native.tables import BYTES, FLOATS, FUNCTIONS, INTEGERS, COp, CPlan, CValue
from mayo.net.tf.compact.program import Program

ALIGNMENT = 16  # numbers: what is read fastest starts at a cache line
AHEAD = 256  # numbers that may be read after the end of a value
BEYOND = 128  # bytes, of narrow weights


def unsupported(program: Program) -> list[str]:
    """What the engine does not know, a reason for each operation."""
    reasons = emitters.refused(program.operations)
    reasons += [
        f'{operation.output}: the native engine knows no function `{function.name}`.'
        for operation in program.operations
        if (function := getattr(operation, 'function', None)) is not None and function.name not in FUNCTIONS
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
        named = [(operation.output, entry) for operation in program.operations for entry in entries(self, operation)]
        self.names = [name for name, _ in named]  # the value that each entry computes
        operations = [entry for _, entry in named]
        places, size = arrange(program)
        values = [self._value(value, places[name]) for name, value in program.values.items()]
        widest = max([value.width for value in program.values.values()] + [self._widest_gate(), *self.lengths.values()])
        gated = [
            (-1 if (name := program.values[layer].index) is None else self.indices[name], program.values[layer].width)
            for layer in program.gated
        ]
        self.table = CPlan(
            values=self._array(CValue, values),
            ops=self._array(COp, operations),
            identity=self.integers(range(widest + AHEAD)),
            index_sizes=self.integers(self.lengths.values()),
            values_size=size,
            indices_size=sum(self.lengths.values()),
            value_count=len(values),
            op_count=len(operations),
            index_count=len(self.lengths),
            channels=widest,
            input=self.places[program.inputs[0]],
            output_count=len(program.outputs),
            outputs=self.integers(self.places[name] for name in program.outputs),
            gated_count=len(gated),
            gated=self.integers(number for pair in gated for number in pair),
        )

    def _measure_indices(self) -> None:
        for operation in self.program.operations:
            if isinstance(operation, ops.Index):
                length = sum(count * len(offsets) for _, count, offsets in operation.parts)
                self.lengths[operation.output] = operation.times * length
            elif isinstance(operation, ops.Conv) and operation.gate and (name := self.program.values[operation.output].index):
                self.lengths[name] = operation.gate.keep

    def _widest_gate(self) -> int:
        gates = [conv.gate for conv in self.program.gated.values() if conv.gate]
        return max((layer.bias.size for gate in gates for layer in gate.layers), default=0)

    def _value(self, value: ops.Value, place: int) -> CValue:
        height, width = value.dims[:2] if len(value.dims) == 3 else (1, 1)
        index = -1 if value.index is None else self.indices[value.index]
        return CValue(place=place, height=height, width=width, channels=value.channels, index=index)

    # --- memory that the tables point at ---

    def floats(self, array: np.ndarray) -> Any:
        """A pointer to the numbers of `array`, in float32."""
        return self._pointer(np.ascontiguousarray(array, np.float32), FLOATS)

    def integers(self, numbers: Iterable[int]) -> Any:
        """A pointer to `numbers`, in int32."""
        return self._pointer(np.array([*numbers, 0], np.int32), INTEGERS)  # never empty

    def bytes(self, array: np.ndarray) -> Any:
        """A pointer to the bytes of `array`, after which some may be read."""
        return self._pointer(np.append(np.ascontiguousarray(array).view(np.uint8).ravel(), np.zeros(BEYOND, np.uint8)), BYTES)

    def _pointer(self, array: np.ndarray, kind: Any) -> Any:
        self.kept.append(array)
        return array.ctypes.data_as(kind)

    def _array(self, kind: Any, entries: Sequence[Any]) -> Any:
        array = (kind * len(entries))(*entries)
        self.kept += [array, *entries]
        return array


def arrange(program: Program) -> tuple[dict[str, int], int]:
    """Where each value lies, and the numbers that all take: a value's memory is used again when its last reader is done.

    First fit: each value, when it is computed, takes the lowest gap among those still needed.
    """
    last = {name: len(program.operations) for name in program.outputs}
    computed = [(-1, name) for name in program.inputs]
    for position, operation in enumerate(program.operations):
        last |= {name: max(last.get(name, 0), position) for name in operation.reads}
        computed += [(position, operation.output)] if operation.output in program.values else []
    taken: list[tuple[int, int, int]] = []  # (start, end, when it is free)
    places, total = {}, 0
    for when, name in computed:
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
