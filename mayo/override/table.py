"""What overriders do to a network, as a table: bits and density of each overridden value, memory, state.

Memory is values x density x bits: what pruned values would need beside that to say where they are is not counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import FLOAT_BITS, Overrider, State
from mayo.override.parse import ACTIVATION, GRADIENT
from mayo.util.format import count, percent, table


@dataclass(frozen=True)
class Row:
    """One overridden value. values: how many, of an activation for one image; stored: whether it is part of the model."""

    layer: str
    target: str
    overriders: tuple[str, ...]
    values: int
    bits: float
    density: float | None
    state: Mapping[str, str]

    @property
    def is_stored(self) -> bool:
        """Whether the model keeps it: a variable, no activation and no gradient."""
        return self.target != ACTIVATION and not self.target.startswith(GRADIENT)

    @property
    def memory_bits(self) -> int:
        """Bits of all values that may differ from zero."""
        return round(self.values * (1 if self.density is None else self.density) * self.bits)


def row(layer: str, target: str, chain: Overrider, values: int, state: Mapping[str, Any]) -> Row:
    """state: of the chain, in NumPy."""
    own = State(state, chain.name)
    names = tuple(member.name for member in chain.members())
    return Row(layer, target, names, values, chain.bits_of(state), chain.kept(own), chain.shown(own))


def render(rows: Iterable[Row]) -> str:
    """A line a value, then what the stored ones need in all."""
    rows = list(rows)
    lines = [
        [
            entry.layer,
            entry.target,
            ' > '.join(entry.overriders),
            count(entry.values),
            f'{entry.bits:.4g}',
            '-' if entry.density is None else f'{entry.density:.3f}',
            count(entry.memory_bits) if entry.is_stored else '-',
            ', '.join(f'{name} {value}' for name, value in entry.state.items()) or '-',
        ]
        for entry in rows
    ]
    header = ['layer', 'overridden', 'overriders', 'values', 'bits', 'density', 'memory bits', 'state']
    stored = [entry for entry in rows if entry.is_stored]
    whole = sum(entry.values for entry in stored) * FLOAT_BITS
    own = sum(entry.memory_bits for entry in stored)
    text = table(header, lines, left=3)
    if not whole:
        return text
    kept = sum(entry.values * (1 if entry.density is None else entry.density) for entry in stored)
    return (
        f'{text}\n\noverridden  {count(whole // FLOAT_BITS)} values, of which {percent(kept * FLOAT_BITS / whole)} may differ '
        f'from zero: {count(own)} bits of {count(whole)} ({percent(own / whole)})'
    )


def as_data(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Mappings, lists and numbers alone."""
    return [
        {
            'layer': entry.layer,
            'target': entry.target,
            'overriders': list(entry.overriders),
            'values': entry.values,
            'bits': entry.bits,
            'density': entry.density,
            'memory_bits': entry.memory_bits,
            'state': dict(entry.state),
        }
        for entry in rows
    ]
