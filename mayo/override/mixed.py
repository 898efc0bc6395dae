"""Mixed precision: each channel, the last axis, has one of several quantizers, or none.

    out = sum_i Q_i(v) [mask = i + 1] + v [mask = 0]        loss: reg_factor sum |v - Q_index(v)|

An update gives the share `interval` of the channels, those without a quantizer whose mean |v - Q_index(v)| is least,
quantizer `index`; the next update goes on with the next quantizer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mayo.override.base import (
    FLOAT_BITS,
    INNER,
    Around,
    Array,
    Inner,
    Overrider,
    State,
    Tensor,
    after,
    argument,
    number,
    overrider,
)
from mayo.util.kinds import AMOUNT, FRACTION, whole
from mayo.util.lazy import lazy

np = lazy('numpy')
tf = lazy('tensorflow')


@overrider
@dataclass(frozen=True, kw_only=True)
class MixedQuantizer(Overrider):
    """quantizers: {label: overrider}, in the order in which they are given out."""

    quantizers: Mapping[str, Overrider] = field(metadata=INNER)
    index: int = argument(whole(0), 0)
    reg_factor: float = argument(AMOUNT, 0.0)
    interval: float = argument(FRACTION, 0.1)

    def problem(self) -> str | None:
        if self.index < len(self.quantizers):
            return None
        return f'index is {self.index}, expected one of the {len(self.quantizers)} quantizers, counted from 0'

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> Overrider:
        changed = {label: quantizer.profiled(top, sample, targets) for label, quantizer in self.quantizers.items()}
        return replace(self, quantizers=changed)

    def inner(self) -> tuple[Inner, ...]:
        return tuple(Inner(f'{self.name}{label}', quantizer) for label, quantizer in self.quantizers.items())

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        return {'channel_mask': np.zeros(shape[-1:], np.int32), 'interval': self.interval}

    def apply(self, value: Tensor, state: State) -> Tensor:
        result = value
        for index, part in enumerate(self.inner()):
            quantized = part.overrider.overridden(value, state.inside(part.folder))
            result = tf.where(tf.equal(state['channel_mask'], index + 1), quantized, result)
        return result

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        mask = np.array(state['channel_mask'])
        changes: dict[str, Any] = {}
        index = max(self.index, int(mask.max(initial=0)))
        for position, part in enumerate(self.inner()):
            before = state.inside(part.folder)
            inside = part.overrider.updated(value, before, around)
            changes |= after(part.folder, inside, before)
            if position == index:
                error = np.abs(value - part.overrider.overridden(tf.constant(value), inside).numpy())
                means = np.where(mask == 0, error.reshape(-1, mask.size).mean(0), np.inf)
                chosen = np.argsort(means, kind='stable')[: int(mask.size * number(state['interval']))]
                mask[[channel for channel in chosen if mask[channel] == 0]] = index + 1
        return {'channel_mask': mask, **changes}

    def penalty(self, value: Tensor, state: State) -> Tensor:
        if not self.reg_factor:
            return None
        current = tf.maximum(self.index, tf.reduce_max(state['channel_mask']))
        total = tf.zeros(())
        for index, part in enumerate(self.inner()):
            away = tf.reduce_sum(tf.abs(value - part.overrider.overridden(value, state.inside(part.folder))))
            total += tf.where(tf.equal(current, index), away, 0.0)
        return self.reg_factor * total

    def weighs(self) -> bool:
        return bool(self.reg_factor)

    def bits(self, state: State) -> float:
        mask = np.asarray(state['channel_mask'])
        bits = [FLOAT_BITS, *(part.overrider.bits_of(state.inside(part.folder)) for part in self.inner())]
        return float(np.mean([bits[index] for index in mask]))

    def shown(self, state: State) -> Mapping[str, str]:
        counts = np.bincount(np.asarray(state['channel_mask']), minlength=len(self.quantizers) + 1)
        return {
            'channels': ' '.join(f'{label} {count}' for label, count in zip(('float', *self.quantizers), counts, strict=True))
        }
