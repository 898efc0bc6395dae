"""What `slim` did, as it prints it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mayo.estimate import Cost
from mayo.slim.choose import Choice
from mayo.util.format import count, fit, percent, short, table


@dataclass(frozen=True)
class Slimmed:
    """before, after: the costs of each layer. keep: which channels of each value stay.

    difference: of the outputs from the masked network's, over the largest output. written: the files, as a user types them.
    chosen_by: what the channels have, `scales` or `uses`.
    """

    name: str
    before: Sequence[Cost]
    after: Sequence[Cost]
    keep: Mapping[str, np.ndarray]
    choice: Choice
    difference: float
    written: Sequence[str]
    chosen_by: str

    def render(self, width: int | None = None) -> str:
        """A table of the layers that count, and what was written. width: of the screen; None is any."""
        texts = [self._table(number) for number in (count, short)]
        return '\n'.join([next((text for text in texts if fit(text, width)), texts[-1]), '', *self._summary()])

    def _table(self, number: Callable[[int], str]) -> str:
        rows = []
        for old, new in zip(self.before, self.after, strict=True):
            if old.trainable + old.state:
                rows.append(
                    [
                        old.name,
                        f'{old.shape.channels}',
                        f'{new.shape.channels}',
                        percent(self.keep[old.name].mean(), 0),
                        number(old.dense),
                        number(new.dense),
                    ]
                )
        sums = [number(sum(cost.dense for cost in costs)) for costs in (self.before, self.after)]
        return table(['layer', 'channels', 'kept', 'share', 'MACs', 'after'], rows, footer=[['total', '', '', '', *sums]])

    def _summary(self) -> list[str]:
        macs, parameters = (
            [sum(getattr(cost, key) for cost in costs) for costs in (self.before, self.after)] for key in ('dense', 'trainable')
        )
        largest = self.choice.threshold
        dropped = 'none is dropped' if largest is None else f'the largest dropped is {largest:.3g}'
        return [
            f'channels    {percent(self.choice.density, 1)} of the {self.chosen_by} that could go are kept; {dropped}',
            f'MACs        {count(macs[1])}, {percent(macs[1] / macs[0], 1)} of {count(macs[0])}',
            f'parameters  {count(parameters[1])} trainable, {percent(parameters[1] / parameters[0], 1)} of those before',
            f'compared    differs from the masked network by {self.difference:.1g} of the largest output',
            *(f'written     {path}' for path in self.written),
        ]
