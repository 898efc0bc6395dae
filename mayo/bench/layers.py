"""How long each layer takes in the native engine, beside the multiply-accumulates that it executes there.

One image at a time, all threads on it, the networks in turns. A layer's time is the median of what its operations take together, with
the waiting of the threads for each other.
"""

import statistics
from collections.abc import Callable, Collection, Mapping

import numpy as np

from mayo.bench.record import LayerTime

Clock = Callable[[np.ndarray], Mapping[str, float]]  # an image [1, H, W, C] to the seconds of each value of a program


def layer_times(
    clocks: Mapping[str, Clock], macs: Mapping[str, Mapping[str, int]], layers: Collection[str], images: np.ndarray, rounds: int
) -> tuple[LayerTime, ...]:
    """Of each network, by its label, the layers that take time, in the order in which they run.

    clocks: of each network; macs: of each network, of each value of its program; layers: their names. The first round does not count.
    """
    nodes = sorted(layers, key=len, reverse=True)
    seconds: dict[str, list[dict[str, float]]] = {label: [] for label in clocks}
    for turn in range(rounds + 1):
        for label, clock in clocks.items():
            seconds[label].append(_by_layer(clock(images[turn % len(images)][None]), nodes))
    return tuple(
        LayerTime(label, layer, round(counts.get(layer, 0)), statistics.median(each[layer] for each in turns[1:]))
        for label, turns in seconds.items()
        for counts in [_by_layer(macs[label], nodes)]
        for layer in turns[0]
    )


def _by_layer(values: Mapping[str, float], nodes: Collection[str]) -> dict[str, float]:
    """What values of a program hold, added up for each layer; nodes: names of layers, the longest first."""
    sums: dict[str, float] = {}
    for value, number in values.items():
        layer = next(name for name in nodes if value == name or value.startswith(f'{name}/'))
        sums[layer] = sums.get(layer, 0) + number
    return sums
