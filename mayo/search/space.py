"""What can be chosen: active channels of each gated layer, k out of C, and the multiply-accumulates (MACs) that they cost."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Keeps = Mapping[str, int]  # active channels by gated layer


def kept(density: float, channels: int) -> int:
    """ceil(d C), at least 1."""
    return max(1, math.ceil(round(density * channels, 9)))


@dataclass(frozen=True)
class Space:
    """channels: C by gated layer; configured: k as the network has it; macs: executed MACs of a choice; they grow with k.

    time: milliseconds of a choice, which then are what a budget is of; None: MACs are.
    """

    channels: Mapping[str, int]
    configured: Keeps
    macs: Callable[[Keeps], int]
    time: Callable[[Keeps], float] | None = None

    def price(self, keeps: Keeps) -> float:
        """What a budget is compared with."""
        return self.macs(keeps) if self.time is None else self.time(keeps)

    @property
    def least(self) -> dict[str, int]:
        """One channel a layer."""
        return dict.fromkeys(self.channels, 1)

    def scaled(self, shares: Mapping[str, float], scale: float) -> dict[str, int]:
        """k = ceil(min(1, scale share) C), at least 1."""
        return {name: kept(min(1.0, scale * shares[name]), channels) for name, channels in self.channels.items()}

    def within(self, shares: Mapping[str, float], budget: float) -> dict[str, int] | None:
        """Densities in proportion to `shares`, as large as a price of at most `budget` allows; None if none is so small.

        Full layers stay full while others grow on.
        """
        low, high = 0.0, 1.0 / min(shares.values())
        if self.price(self.scaled(shares, high)) <= budget:
            return self.scaled(shares, high)
        if self.price(self.scaled(shares, low)) > budget:
            return None
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.price(self.scaled(shares, middle)) <= budget else (low, middle)
        return self.scaled(shares, low)

    def shares(self, keeps: Keeps) -> dict[str, float]:
        """k / C of each layer, the largest being 1: `within` of them and the price of `keeps` gives `keeps` again, or nearly."""
        densities = {name: keeps[name] / channels for name, channels in self.channels.items()}
        most = max(densities.values())
        return {name: density / most for name, density in densities.items()}


_HALVINGS = 14  # of an interval of scales: finer than a channel of a thousand
