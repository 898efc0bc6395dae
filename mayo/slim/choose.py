"""Which sets of channels are dropped: those of the smallest scales of the whole network, down to a density or to so many MACs.

order       all sets that may go, by scale, without those that would leave a layer fewer than `min_channels`
dropped     the first n of them: as many as leave ceil(density S) of the S scales that may go,
            or the fewest with which the smaller network costs at most `target_macs`,
            or of each layer all but its best, as many as `channels` says
round_to    then each layer gets its best dropped channels back, up to the next multiple, or all that it had
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mayo.slim.channels import Channels
from mayo.util.decimals import ceil_decimal
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.format import count

Macs = Callable[[np.ndarray], int]  # of the network with the kept sets, [sets] of bool


@dataclass(frozen=True)
class Limits:
    """What every layer keeps, at least, and what its number of channels is a multiple of, if it was.

    of_layer: what some layers keep at least, such as those with a gate the channels that it picks.
    """

    min_channels: int = 1
    round_to: int = 1
    of_layer: Mapping[str, int] = field(default_factory=dict)

    def least(self, layer: str) -> int:
        """How many channels the layer keeps, if it has them."""
        return max(self.min_channels, self.of_layer.get(layer, 0))


@dataclass(frozen=True)
class Choice:
    """kept: of each set, whether it stays. density: of the scales that could go, the fraction that stays.

    threshold: the largest scale among the dropped; None if nothing is.
    """

    kept: np.ndarray
    density: float
    threshold: float | None


def choose_density(channels: Channels, density: float, limits: Limits) -> Choice:
    """Keep ceil(density S) scales, or somewhat more where sets are large or `limits` say so."""
    order = _order(channels, limits)
    total = int(channels.counted[channels.can_go].sum())
    gone = np.cumsum(channels.counted[order])
    number = int(np.searchsorted(gone, total - ceil_decimal(density, total), 'right'))
    return _choice(channels, _kept(channels, order[:number], limits.round_to))


def choose_macs(channels: Channels, target: int, limits: Limits, macs: Macs) -> Choice:
    """Drop the fewest with which `macs` is at most `target`. Errors: UserError if no choice is."""
    order = _order(channels, limits)
    whole = macs(np.ones(len(channels.scale), bool))
    if target >= whole:
        raise UserError(
            f'slim.target_macs is {count(target)}, but the network has {count(whole)} MACs as it is; expected fewer.'
        )
    least = macs(_kept(channels, order, limits.round_to))
    if target < least:
        raise UserError(
            f'slim.target_macs is {count(target)}, but {count(least)} MACs are left even if every channel goes '
            f'that may, with slim.min_channels={limits.min_channels} and slim.round_to={limits.round_to}.'
        )
    low, high = 0, len(order)  # high reaches the target, low does not
    while high - low > 1:
        middle = (low + high) // 2
        if macs(_kept(channels, order[:middle], limits.round_to)) <= target:
            high = middle
        else:
            low = middle
    return _choice(channels, _kept(channels, order[:high], limits.round_to))


def choose_widths(channels: Channels, widths: Mapping[str, int], limits: Limits) -> Choice:
    """Keep the best `widths[layer]` channels of each layer named. Errors: UserError with all that are impossible."""
    problems = Problems()
    kept = np.ones(len(channels.scale), bool)
    members = _members(channels)
    for layer, width in widths.items():
        sets = channels.sets[layer] if layer in channels.layers else np.zeros(0, int)
        where = f'slim.channels.{layer} is {width}'
        if layer not in channels.layers:
            problems.append(f'slim.channels: no layer `{layer}` has weights{did_you_mean(layer, channels.layers) or "."}')
        elif not all(channels.can_go[number] and len(members[number]) == 1 for number in sets):
            problems.append(
                f'{where}, but the channels of {layer} are tied to those of other layers, or to the outputs; '
                'choose with slim.density.'
            )
        elif not min(limits.least(layer), len(sets)) <= width <= len(sets):
            problems.append(f'{where}, expected {min(limits.least(layer), len(sets))} to {len(sets)}.')
        else:
            kept[sets[np.argsort(-channels.scale[sets], kind='stable')[width:]]] = False
    problems.raise_any()
    return _choice(channels, kept)


def choose_masked(channels: Channels, masks: Mapping[str, np.ndarray]) -> Choice:
    """Drop the sets of which every channel is silent wherever a layer with weights makes or passes it.

    masks: by layer, which channels are not silent, [C]. Errors: UserError with the layers of which nothing would stay.
    """
    kept = ~channels.can_go
    for layer in channels.layers:
        sets = channels.sets[layer]
        kept[sets[masks.get(layer, np.ones(len(sets), bool))]] = True
    empty = [layer for layer in channels.layers if not kept[channels.sets[layer]].any()]
    if empty:
        raise UserError(
            f'NetworkSlimmer silences every channel of {", ".join(empty)}, so that nothing of the network would stay.'
        )
    return _choice(channels, kept)


def _order(channels: Channels, limits: Limits) -> np.ndarray:
    """The sets in the order in which they go. One that a layer needs for its minimum stays for good."""
    members = _members(channels)
    left = {layer: len(channels.sets[layer]) for layer in channels.layers}
    order = []
    for number in np.argsort(channels.scale, kind='stable').tolist():
        if not math.isfinite(channels.scale[number]):
            break
        if all(left[layer] - times >= limits.least(layer) for layer, times in members[number].items()):
            order.append(number)
            for layer, times in members[number].items():
                left[layer] -= times
    return np.array(order, int)


def _members(channels: Channels) -> list[dict[str, int]]:
    """For each set, the layers with weights that have it, and how many of their channels it holds."""
    members: list[dict[str, int]] = [{} for _ in channels.scale]
    for layer in channels.layers:
        for number, times in zip(*np.unique(channels.sets[layer], return_counts=True), strict=True):
            members[number][layer] = int(times)
    return members


def _kept(channels: Channels, dropped: np.ndarray, multiple: int) -> np.ndarray:
    """Without the dropped sets, but for those that layers get back; what one gets, others may have to even out."""
    kept = np.ones(len(channels.scale), bool)
    kept[dropped] = False
    changed = multiple > 1
    while changed:
        changed = False
        for layer in channels.layers:
            changed |= _round_up(channels.sets[layer], channels.scale, kept, multiple)
    return kept


def _round_up(sets: np.ndarray, scale: np.ndarray, kept: np.ndarray, multiple: int) -> bool:
    """Give the layer of these sets, in `kept`, what it lacks to the next multiple; whether it lacked and got any."""
    missing = -int(kept[sets].sum()) % multiple
    dropped = np.unique(sets[~kept[sets]])
    if not missing or not len(dropped):
        return False
    best = dropped[np.argsort(-scale[dropped], kind='stable')]
    kept[best[:missing]] = True
    return True


def _choice(channels: Channels, kept: np.ndarray) -> Choice:
    free = channels.can_go
    gone = channels.scale[~kept]
    return Choice(
        kept,
        float(channels.counted[kept & free].sum() / max(channels.counted[free].sum(), 1)),
        float(gone.max()) if len(gone) else None,
    )
