"""What `bench` found: times, and how they compare.

speedup     = time of the fastest dense engine / time           of any precision that was measured
of_dense    = time of the fastest dense engine of the same precision / time
of_static   = time of the fastest static engine / time         the same; 1: as fast as a network that never had more channels
efficiency  = speedup macs / dense macs                        1: each multiply-accumulate saved has saved its time
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from mayo.bench.modes import Mode


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one call: median, 5th and 95th percentile of `calls`."""

    median: float
    p5: float
    p95: float
    calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> 'Timing':
        """Percentiles between two calls are on the line between them.

        >>> Timing.of([3.0, 1.0, 2.0])
        Timing(median=2.0, p5=1.1, p95=2.9, calls=3)
        """
        p5, median, p95 = (float(value) for value in np.quantile(seconds, (0.05, 0.5, 0.95)))
        return cls(median, p5, p95, len(seconds))


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one mode's process said. peak_bytes: of its memory; outputs: for its first batch."""

    mode: Mode
    seconds: Timing
    peak_bytes: int
    outputs: np.ndarray


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One mode among the others of its group; what there is nothing to compare with, or to count, is None."""

    network: str
    engine: str
    label: str
    seconds: Timing
    images_per_second: float
    macs: int | None  # of one image
    precision: str
    speedup: float | None
    of_dense: float | None
    of_static: float | None
    efficiency: float | None
    peak_bytes: int
    difference: float | None  # largest of its outputs from those of the same function, relative to the largest output


@dataclasses.dataclass(frozen=True)
class LayerTime:
    """A layer in one mode of the native engine, for one image: the multiply-accumulates that it executes, and its median time."""

    label: str  # of the mode
    layer: str
    macs: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Modes that took turns. mask_change: part of an image's active channels that the next one has not; None without a mask.

    layers: with `bench.layers`, those of the modes in the native engine.
    """

    batch_size: int
    density: float | None  # None: of a dense network, or gates differ
    dense_macs: int
    measurements: tuple[Measurement, ...]
    mask_change: float | None = None
    layers: tuple[LayerTime, ...] = ()

    def fastest(self, network: str) -> Measurement | None:
        """Of a network's engines."""
        mine = [measurement for measurement in self.measurements if measurement.network == network]
        return min(mine, key=lambda measurement: measurement.seconds.median, default=None)


@dataclasses.dataclass(frozen=True)
class Bench:
    """A whole run; `notes` say what is missing from it and what to know of it."""

    model: str
    input_shape: tuple[int, ...]
    weights: str
    threads: int
    groups: tuple[Group, ...]
    notes: tuple[str, ...]


def compare(samples: Sequence[Sample], macs: Mapping[str, int], batch_size: int) -> tuple[Measurement, ...]:
    """The samples of one group with their ratios. macs: by network; 'dense' must be there."""
    best_dense = _fastest(samples, 'dense')
    measurements = []
    for sample in samples:
        time, mine, precision = sample.seconds.median, macs.get(sample.mode.network), sample.mode.precision
        same_dense, same_static = (_fastest(samples, network, precision) for network in ('dense', 'static'))
        speedup = best_dense and best_dense / time
        measurements.append(
            Measurement(
                sample.mode.network,
                sample.mode.engine,
                sample.mode.label,
                sample.seconds,
                batch_size / time,
                mine,
                precision,
                speedup,
                same_dense and same_dense / time,
                same_static and same_static / time,
                mine and speedup and speedup * mine / macs['dense'],
                sample.peak_bytes,
                _difference(sample, samples),
            )
        )
    return tuple(measurements)


def _fastest(samples: Sequence[Sample], network: str, precision: str | None = None) -> float | None:
    """Seconds of the fastest engine of a network; precision: None for any."""
    mine = [sample for sample in samples if sample.mode.network == network and precision in (None, sample.mode.precision)]
    return min((sample.seconds.median for sample in mine), default=None)


def _difference(sample: Sample, samples: Sequence[Sample]) -> float | None:
    """From the first sample of the same function: compact networks compute what masked ones do."""
    same = {'masked': 'compact'}
    function = same.get(sample.mode.network, sample.mode.network)
    first = next(
        other
        for other in samples
        if same.get(other.mode.network, other.mode.network) == function and other.mode.precision == sample.mode.precision
    )
    if first is sample or function == 'artifact':
        return None
    largest = np.abs(first.outputs).max()
    return float(np.abs(sample.outputs - first.outputs).max() / largest) if largest else 0.0


def crossover(densities: Sequence[float], compact: Sequence[float], dense: Sequence[float]) -> float | None:
    """The density below which compact is faster, on straight lines between those measured; None if it always or never is.

    >>> crossover([1.0, 0.5], [3.0, 1.0], [2.0, 2.0])
    0.75
    """
    points = sorted(zip(densities, np.subtract(compact, dense), strict=True))
    for (below, left), (above, right) in itertools.pairwise(points):
        if left < 0 <= right:
            return float(below + (above - below) * -left / (right - left))
    return None
