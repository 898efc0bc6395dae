"""Recentralizer, of focused quantization: positive and negative values are quantized around their own means.

    nz = v != 0      P = positives      p, n: the means, quantized
    u  = nz (P (v - p) + !P (v - n))
    out = nz P (Q(u) + p) + nz !P (Q(u) + n)        loss: reg sum |v - out|

An update sets P = v > 0, p to the mean of the positive values, n to that of the negative ones, then updates the quantizers.
For an activation P is where the mean over a batch is positive. https://arxiv.org/abs/1903.03046
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mayo.override.base import (
    INNER,
    Around,
    Array,
    Inner,
    Overrider,
    State,
    Tensor,
    after,
    argument,
    numbers_shown,
    overrider,
    per_place,
)
from mayo.util.kinds import AMOUNT, Kind
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')

_MEANS = ('positives_mean', 'negatives_mean')


@overrider
@dataclass(frozen=True, kw_only=True)
class Recentralizer(Overrider):
    """quantizer: Q; mean_quantizer: of the means, which without one stay as they are; reg: weight in the loss."""

    quantizer: Overrider = field(metadata=INNER)
    mean_quantizer: Overrider | None = field(default=None, metadata=INNER)
    reg: float = argument(
        Kind(f'{AMOUNT.expected}, or false', lambda value: 0.0 if value is False else AMOUNT.read(value)), 0.0
    )

    def inner(self) -> tuple[Inner, ...]:
        means = () if self.mean_quantizer is None else _MEANS
        mean_quantizers = (
            Inner(f'{self.name}/{mean}', self.mean_quantizer, is_scalar=True) for mean in means if self.mean_quantizer
        )
        return (Inner(self.name, self.quantizer), *mean_quantizers)

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'positives': np.ones(shape, bool), 'positives_mean': 1.0, 'negatives_mean': -1.0}

    def apply(self, value: Tensor, state: State) -> Tensor:
        centre = tf.where(state['positives'], *(self._mean(state, mean) for mean in _MEANS))
        silent = tf.equal(value, 0.0)
        spread = tf.where(silent, 0.0, value - centre)
        return tf.where(silent, 0.0, self.quantizer.overridden(spread, state.inside(self.name)) + centre)

    def _mean(self, state: State, mean: str) -> Tensor:
        if self.mean_quantizer is None:
            return state[mean]
        return self.mean_quantizer.overridden(tf.cast(state[mean], tf.float32), state.inside(f'{self.name}/{mean}'))

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        positives = per_place(value, state['positives']) > 0
        groups = {'positives_mean': value[value > 0], 'negatives_mean': value[value < 0]}
        means = {name: group.mean(dtype=np.float32) if group.size else state[name] for name, group in groups.items()}
        changes: dict[str, Any] = {'positives': positives, **means}
        centres = dict(means)
        if self.mean_quantizer is not None:
            for name, mean in means.items():
                folder = f'{self.name}/{name}'
                before = state.inside(folder)
                inside = self.mean_quantizer.updated(np.asarray(mean), before, around)
                centres[name] = self.mean_quantizer.overridden(tf.constant(mean, tf.float32), inside).numpy()
                changes |= after(folder, inside, before)
        spread = np.where(value == 0, 0, value - np.where(positives, *(centres[mean] for mean in _MEANS)))
        before = state.inside(self.name)
        inside = self.quantizer.updated(spread.astype(np.float32), before, around)
        return changes | after(self.name, inside, before)

    def penalty(self, value: Tensor, state: State) -> Tensor:
        return self.reg * tf.reduce_sum(tf.abs(value - self.apply(value, state))) if self.reg else None

    def weighs(self) -> bool:
        return bool(self.reg)

    def bits(self, state: State) -> float:
        """Those of the quantizer, and one that says which mean."""
        return self.quantizer.bits_of(state.inside(self.name)) + 1

    def shown(self, state: State) -> Mapping[str, str]:
        inside = State(state.inside(self.name), self.quantizer.name)
        return {**self.quantizer.shown(inside), **numbers_shown(state, _MEANS)}
