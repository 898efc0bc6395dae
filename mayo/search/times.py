"""How long an image takes under a choice of densities, in the native engine on this machine.

    ms(k) = rest + sum over layers l of max(0, a_l + b_l k' k + c_l k' + d_l k)

k', k: channels that layer l reads and puts out (mayo.estimate.active_channels). The table has what each layer took at many
densities, one image at a time, timed inside the engine; a, b, c, d are fitted to it by least squares, layer by layer. `rest` is what
whole images took beyond the sum of their layers. Choices that had no part in it are then timed whole, and compared.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.estimate import active_channels
from mayo.layers import Shape
from mayo.net.gates import at_densities
from mayo.net.graph import Graph
from mayo.search.space import Keeps, kept
from mayo.util.decimals import density_of
from mayo.util.format import table

DENSITIES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
MIXED = 24  # choices with a density of its own for each layer, in the table
CHECKED = 4  # and so many to check it by
TOLERANCE = 0.1  # of a whole time, by which a prediction may be off
IMAGES, ROUNDS = 8, 5  # different images that a choice is timed on, and how often each


@dataclass(frozen=True)
class Timing:
    """What an image took under a choice: milliseconds by layer, and in all."""

    layers: Mapping[str, float]
    whole: float


Clock = Callable[[Keeps], Timing]


@dataclass(frozen=True)
class Check:
    """A choice that had no part in the table: what it says of it, and what it took."""

    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Of the prediction, as a fraction of what was measured."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True)
class Times:
    """The table. factors: a, b, c, d of each layer; uniform: what each took with all layers at a density of DENSITIES."""

    graph: Graph
    input_shape: Shape
    factors: Mapping[str, np.ndarray]
    rest: float
    uniform: Mapping[float, Timing]
    checks: Sequence[Check] = ()

    def ms(self, keeps: Keeps) -> float:
        """Of one image."""
        active = active_channels(self.graph, self.input_shape, keeps)
        return self.rest + sum(max(0.0, float(features(*active[name]) @ own)) for name, own in self.factors.items())

    @property
    def is_off(self) -> bool:
        """Whether any check is off by more than TOLERANCE."""
        return any(abs(check.error) > TOLERANCE for check in self.checks)

    def render(self) -> str:
        """Milliseconds by layer and density, and the checks."""
        names = [name for name in self.factors if any(timing.layers[name] >= 0.0005 for timing in self.uniform.values())]
        rows = [[name, *(f'{timing.layers[name]:.3f}' for timing in self.uniform.values())] for name in names]
        rows.append(['whole', *(f'{timing.whole:.3f}' for timing in self.uniform.values())])
        checked = ', '.join(
            f'{check.predicted:.3g} for {check.measured:.3g} ({100 * check.error:+.0f} %)' for check in self.checks
        )
        return (
            f'{table(["ms at density", *map(str, self.uniform)], rows)}\nwhole networks, predicted for measured ms: {checked}'
        )


def features(read: Any, written: Any) -> np.ndarray:
    """[1, k' k, k', k]."""
    return np.array([1.0, read * written, read, written], float)


def measure(graph: Graph, input_shape: Shape, channels: Keeps, clock: Clock, seed: int = 0) -> Times:
    """Time choices with `clock`, fit the table to them, and check it."""
    chance = random.Random(seed)
    uniform = {density: {name: kept(density, count) for name, count in channels.items()} for density in DENSITIES}
    mixed = [{name: kept(chance.choice(DENSITIES), count) for name, count in channels.items()} for _ in range(MIXED + CHECKED)]
    choices = [*uniform.values(), *mixed[:MIXED]]
    timed = list(zip(choices, _timed(choices, clock), strict=True))
    at = {density: timing for density, (_, timing) in zip(uniform, timed, strict=False)}
    active = [active_channels(graph, input_shape, keeps) for keeps, _ in timed]
    factors = {
        node.name: _fitted([features(*of[node.name]) for of in active], [timing.layers[node.name] for _, timing in timed])
        for node in graph.nodes
    }
    rest = statistics.median(timing.whole - sum(timing.layers.values()) for _, timing in timed)
    times = Times(graph, input_shape, factors, rest, at)
    last = mixed[MIXED:]
    checks = [Check(times.ms(keeps), timing.whole) for keeps, timing in zip(last, _timed(last, clock), strict=True)]
    return Times(graph, input_shape, factors, rest, at, checks)


def _timed(choices: Sequence[Keeps], clock: Clock) -> list[Timing]:
    """All of them one after the other, and all again: of each the quicker time, as what disturbs a machine passes."""
    first, second = ([clock(keeps) for keeps in choices] for _ in range(2))
    return [min(pair, key=lambda timing: timing.whole) for pair in zip(first, second, strict=True)]


def _fitted(rows: Sequence[np.ndarray], milliseconds: Sequence[float]) -> np.ndarray:
    """Least squares, with columns of like size."""
    matrix = np.stack(rows)
    size = np.maximum(np.abs(matrix).max(0), 1e-12)
    return np.linalg.lstsq(matrix / size, np.array(milliseconds), rcond=1e-9)[0] / size


def native_clock(graph: Graph, input_shape: Shape, weights: Mapping[str, np.ndarray], channels: Keeps) -> Clock:
    """Times choices of `graph` in the native engine, by medians. Errors: ValueError where it cannot run the network."""
    from mayo.net.tf.compact import lower_graph
    from mayo.net.tf.compact.native import NativeNetwork
    from mayo.util.trial_images import random_images

    images = random_images(IMAGES, input_shape.dims)
    nodes = sorted((node.name for node in graph.nodes), key=len, reverse=True)

    def layer_of(value: str) -> str:
        return next(name for name in nodes if value == name or value.startswith(f'{name}/'))

    def clock(keeps: Keeps) -> Timing:
        densities = {name: density_of(keep, channels[name]) for name, keep in keeps.items()}
        network = NativeNetwork(lower_graph(at_densities(graph, densities), input_shape, weights))
        network.run(images)
        whole, each = [], []
        for turn in range(IMAGES * ROUNDS):
            image = images[turn % IMAGES][None]
            start = time.perf_counter()
            network.run(image)
            whole.append(1000 * (time.perf_counter() - start))
            each.append(network.seconds(image))
        layers = dict.fromkeys((node.name for node in graph.nodes), 0.0)
        for value in each[0]:
            layers[layer_of(value)] += 1000 * statistics.median(seconds[value] for seconds in each)
        return Timing(layers, statistics.median(whole))

    return clock
