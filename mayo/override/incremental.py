"""Incremental quantization: only some of the values are quantized, more with each update.

    out = v (1 - mask) + Q(v) mask

An update first updates the quantizer; then the values of the least |Q(v) - v| join the mask, until it holds the share
`interval`. Those in it already count as 0. An activation has one mask for all images, from the means of |Q(v) - v| over a
batch. https://arxiv.org/abs/1702.03044
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from mayo.override.base import (
    FLOAT_BITS,
    INNER,
    Around,
    Array,
    Inner,
    Overrider,
    Quantizer,
    State,
    Tensor,
    after,
    argument,
    overrider,
    per_place,
    share,
)
from mayo.util.kinds import FLAG, FRACTION, Kind
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


def _interval(value: Any) -> float:
    """The original's `intervals: [...]` starts with its first."""
    return float(FRACTION.read(value[0] if isinstance(value, list) and value else value))


@overrider
@dataclass(frozen=True, kw_only=True)
class IncrementalQuantizer(Quantizer):
    """interval: the share to be quantized; count_zero: whether values that are 0 count."""

    quantizer: Overrider = field(metadata=INNER)
    interval: float = argument(Kind(FRACTION.expected, _interval))
    count_zero: bool = argument(FLAG, True)

    old_names: ClassVar[Mapping[str, str]] = {'intervals': 'interval'}

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> Overrider:
        return replace(self, quantizer=self.quantizer.profiled(top, sample, targets))

    def inner(self) -> tuple[Inner, ...]:
        return (Inner(self.name, self.quantizer),)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'mask': np.zeros(shape, bool)}

    def apply(self, value: Tensor, state: State) -> Tensor:
        return tf.where(state['mask'], self.quantizer.overridden(value, state.inside(self.name)), value)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        before = state.inside(self.name)
        inside = self.quantizer.updated(value, before, around)
        mask = np.asarray(state['mask'])
        off = np.abs(self.quantizer.overridden(tf.constant(value), inside).numpy() - value)
        error = np.where(mask, 0, per_place(off, mask))
        counted = np.sort(error if self.count_zero else error[per_place(value != 0, mask) > 0], axis=None)
        if self.interval >= 1:
            mask = np.ones_like(mask)
        elif counted.size:
            mask = mask | (error < counted[int(counted.size * self.interval)])
        return {'mask': mask, **after(self.name, inside, before)}

    def bits(self, state: State) -> float:
        quantized = share(state['mask'])
        return quantized * self.quantizer.bits_of(state.inside(self.name)) + (1 - quantized) * FLOAT_BITS

    def shown(self, state: State) -> Mapping[str, str]:
        inside = State(state.inside(self.name), self.quantizer.name)
        return {'quantized': f'{share(state["mask"]):.3f}', **self.quantizer.shown(inside)}
