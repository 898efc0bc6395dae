"""How much accuracy each layer by itself costs at several densities, and what a choice may cost if those add up.

excess_l(k) = loss with k active channels in layer l - loss as configured       the others as configured
predicted   = sum over l of excess_l(k_l)                                       linear between the measured k
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mayo.search.space import Keeps, Space, kept

STEPS = 32  # densities that a layer may take on the way down
_LEAST = 1e-6  # of a price, MACs or milliseconds, so that nothing is divided by 0


class Score(Protocol):
    """mayo.search.candidates.Score."""

    @property
    def top1(self) -> float:
        """Fraction right."""

    @property
    def loss(self) -> float:
        """Mean cross entropy."""


@dataclass(frozen=True)
class Sensitivity:
    """table: {layer: [[k, top-1, loss], ...]} with rising k; others as configured, which scores `top1` and `loss`."""

    top1: float
    loss: float
    table: Mapping[str, Sequence[Sequence[float]]]

    def excess(self, layer: str, keep: int) -> float:
        """By how much the loss with `keep` channels active exceeds that of the configuration."""
        keeps, _, losses = zip(*self.table[layer], strict=True)
        return float(np.interp(keep, keeps, losses)) - self.loss

    def lean(self, space: Space, budget: float) -> dict[str, int]:
        """From all channels down, step by step where the predicted loss grows least for what it saves of the price."""
        keeps = dict(space.channels)
        price = space.price(keeps)
        while price > budget:
            lower = {name: max(1, keep - max(1, space.channels[name] // STEPS)) for name, keep in keeps.items() if keep > 1}
            if not lower:
                break
            costs = {name: space.price({**keeps, name: keep}) for name, keep in lower.items()}
            best = min(lower, key=lambda name: self._price(name, keeps[name], lower[name], price - costs[name]))
            keeps[best], price = lower[best], costs[best]
        return keeps

    def _price(self, name: str, before: int, after: int, saved: float) -> float:
        grows = self.excess(name, after) - self.excess(name, before)
        return grows / max(saved, _LEAST) if grows > 0 else grows * max(saved, _LEAST)


def measure(
    space: Space,
    densities: Sequence[float],
    evaluate: Callable[[Keeps], Score],
    tell: Callable[[str], None] = lambda line: None,
) -> Sensitivity:
    """Evaluate every layer at each of `densities`, the others as configured. tell: takes a line for each layer."""
    start = evaluate(space.configured)
    tell(f'as configured: top-1 {start.top1:.2%}, loss {start.loss:.4f}'.replace('%', ' %'))
    table = {}
    for number, (name, channels) in enumerate(space.channels.items(), 1):
        rows = []
        for keep in sorted({*(kept(density, channels) for density in densities), channels, space.configured[name]}):
            same = keep == space.configured[name]
            score = start if same else evaluate({**space.configured, name: keep})
            rows.append([float(keep), score.top1, score.loss])
        table[name] = rows
        shown = ', '.join(f'{keep / channels:.2g}: {top1:.2%}' for keep, top1, _ in rows).replace('%', ' %')
        tell(f'{number} of {len(space.channels)}, {name}, top-1 at density {shown}')
    return Sensitivity(start.top1, start.loss, table)
