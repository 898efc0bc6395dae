"""The ranges that bytes span, from images: what int8 needs to know of the source of each layer.

    minmax        the least and the largest number of all images
    percentile    all but the 0.05 % least and the 0.05 % largest numbers
    mse           of minmax's range times 0.3, 0.32 ... 1, the one whose bytes are nearest to the numbers, in mean square

minmax looks at every number, the others at SAMPLE of each image and source or a few more, evenly spaced.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact.narrow import STEPS, multiplying, narrow_of
from mayo.net.tf.compact.program import Program

SAMPLE = 2048
METHODS = ('minmax', 'percentile', 'mse')
PERCENT = 0.05  # left out at either end
SHARES = np.linspace(0.3, 1, 36)

Network = Callable[[Any], tuple[Any, Any]]  # images [N, H, W, C] to the outputs, and masks


def ranges_of(
    program: Program, make: Callable[[Program], Network], batches: Iterable[np.ndarray], method: str = 'minmax'
) -> dict[str, tuple[float, float]]:
    """Of the source of each layer that can be narrow, by the layer's name.

    make: from a program to the network that runs it; batches: of images, [N, H, W, C].
    Errors: ValueError for a source with a number that is not finite, and where there is no image.
    """
    layers = {operation.output: operation.source for operation in multiplying(program)}
    sources = tuple(dict.fromkeys(layers.values()))
    network = make(dataclasses.replace(program, outputs=sources))
    extremes = dict.fromkeys(sources, (np.inf, -np.inf))
    samples: dict[str, list[np.ndarray]] = {source: [] for source in sources}
    for images in batches:
        values, _ = network(tf.constant(images))
        for source, value in zip(sources, values if len(sources) > 1 else [values], strict=True):
            numbers = np.asarray(value)
            if not np.isfinite(numbers).all():
                layer = next(layer for layer, read in layers.items() if read == source)
                raise ValueError(f'{layer} reads numbers that are not finite: the weights or the images are broken.')
            low, high = extremes[source]
            extremes[source] = min(low, float(numbers.min())), max(high, float(numbers.max()))
            if method != 'minmax':
                samples[source].append(numbers.ravel()[:: max(numbers.size // (SAMPLE * len(numbers)), 1) | 1])
    if not all(np.isfinite(pair).all() for pair in extremes.values()):
        raise ValueError('there is no image to measure ranges with.')
    spans = {source: _span(extremes[source], samples[source], method) for source in sources}
    return {layer: spans[source] for layer, source in layers.items()}


def _span(extremes: tuple[float, float], samples: list[np.ndarray], method: str) -> tuple[float, float]:
    if method == 'minmax':
        return extremes
    numbers = np.concatenate(samples)
    if method == 'percentile':
        low, high = np.percentile(numbers, [PERCENT, 100 - PERCENT])
        return float(low), float(high)
    spans = [(extremes[0] * share, extremes[1] * share) for share in SHARES]
    return min(spans, key=lambda span: _error(numbers, span))


def _error(numbers: np.ndarray, span: tuple[float, float]) -> float:
    """The mean square of what bytes over `span` lose."""
    narrow = narrow_of('int8', span)
    steps = np.clip(np.rint(numbers / narrow.scale), -narrow.zero, STEPS - narrow.zero)
    return float(np.mean(np.square(steps * narrow.scale - numbers)))
