"""Where suppressed channels stay zero: how many may be non-zero after a layer, from how many may be before it.

Each function takes `active`, for each input a number (or an array, one number an image), the shapes of the
inputs, and the shape of the result. Numbers count along the last dimension: after `flatten` of [H, W, C] with k
active channels they are H W k of H W C.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from mayo.config.names import Spec
from mayo.estimate.shape import Shape
from mayo.util.lazy import lazy

numpy = lazy('numpy')
Count = Any  # int, or a numpy array [images]
Flow = Callable[[Sequence[Count], Sequence[Shape], Shape], Count]

KEEP_ZERO = frozenset(
    {  # activations with f(0) = 0
        'relu',
        'relu6',
        'elu',
        'selu',
        'gelu',
        'tanh',
        'leaky_relu',
        'silu',
        'hard_silu',
        'softsign',
        'linear',
    }
)


def full(active: Sequence[Count], sources: Sequence[Shape], target: Shape) -> Count:
    """Every channel: weights mix them, a shift makes them non-zero, or execution expands them (add)."""
    return target.channels


def kept(active: Sequence[Count], sources: Sequence[Shape], target: Shape) -> Count:
    """Those of the input; several for each of them where the layer moves positions into channels."""
    return active[0] * (target.channels // sources[0].channels)


def gathered(active: Sequence[Count], sources: Sequence[Shape], target: Shape) -> Count:
    """Those of all inputs, side by side (concat)."""
    return functools.reduce(lambda total, count: total + count, active)


def narrowest(active: Sequence[Count], sources: Sequence[Shape], target: Shape) -> Count:
    """At most those of the input with the fewest (mul); an input of one channel, for all of them, limits nothing."""
    counts = [count for count, source in zip(active, sources, strict=True) if source.channels == target.channels]
    return functools.reduce(lambda least, count: numpy.minimum(least, count), counts)


def keeps_zero(activation: Spec | None) -> bool:
    """Whether the activation is 0 at 0; none at all is.

    >>> keeps_zero(Spec('keras.activations.relu')), keeps_zero(Spec('keras.activations.sigmoid')), keeps_zero(None)
    (True, False, True)
    """
    return activation is None or activation.name.rsplit('.', 1)[-1] in KEEP_ZERO
