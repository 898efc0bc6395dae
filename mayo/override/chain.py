"""Several overriders of one value, and none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mayo.override.base import Around, Array, Overrider, State, Tensor, overrider
from mayo.util.lazy import lazy

tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class EmptyOverrider(Overrider):
    """Leaves the value as it is."""

    def apply(self, value: Tensor, state: State) -> Tensor:
        return tf.identity(value)


@dataclass(frozen=True, kw_only=True)
class ChainOverrider(Overrider):
    """One after the other: each overrides, and is updated with, what the one before it returns.

    The members' states stand beside that of the chain, not below it, as the original names them.
    """

    chain: tuple[Overrider, ...]
    is_ranked: bool = True  # whether YAML says the order, by a list or a _priority

    def is_random(self) -> bool:
        return any(member.is_random() for member in self.chain)

    def learns_from_values(self) -> bool:
        return any(member.learns_from_values() for member in self.chain)

    def members(self) -> tuple[Overrider, ...]:
        return self.chain

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        problems = (f'{member.name} {problem}' for member in self.chain if (problem := member.shape_problem(shape)))
        return next(problems, None)

    def initial(self, shape: tuple[int, ...]) -> dict[str, Any]:
        values = super().initial(shape)
        for member in self.chain:
            values |= member.initial(shape)
        return values

    def trained(self) -> set[str]:
        return {name for member in self.chain for name in member.trained()}

    def apply(self, value: Tensor, state: State) -> Tensor:
        for member in self.chain:
            value = member.overridden(value, state.values)
        return value

    def updated(self, value: Array, state: Mapping[str, Any], around: Around | None = None) -> dict[str, Any]:
        state = dict(state)
        for member in self.chain:
            state = member.updated(value, state, around)
            value = member.overridden(tf.constant(value), state).numpy()
        return state

    def penalty(self, value: Tensor, state: State) -> Tensor:
        terms = []
        for member in self.chain:
            term = member.penalized(value, state.values)
            terms += [] if term is None else [term]
            value = member.overridden(value, state.values)
        return tf.add_n(terms) if terms else None

    def bits(self, state: State) -> float | None:
        bits = [member.bits(State(state.values, member.name)) for member in self.chain]
        return next((own for own in reversed(bits) if own is not None), None)

    def kept(self, state: State) -> float | None:
        shares = [member.kept(State(state.values, member.name)) for member in self.chain]
        known = [own for own in shares if own is not None]
        return min(known) if known else None

    def shown(self, state: State) -> Mapping[str, Any]:
        return {key: text for member in self.chain for key, text in member.shown(State(state.values, member.name)).items()}
