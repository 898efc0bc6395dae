"""How channels travel through a layer: one small value, from which everyone else concludes what concerns them.

    Apart       each channel by itself: pooling, an activation, a batch norm, a depthwise convolution, flatten
    Mixed       every channel that comes out reads many that go in: a convolution, a fully connected layer
    Whole       every channel stays itself but looks at others: softmax, local response normalization
    Joined      the channels of several inputs, side by side
    Tied        the channels of several inputs, one upon the other: a sum, a product
    Padded      the channels of the input between channels of zeros

What follows, and where: which channels may be non-zero after a layer (here, for mayo/estimate), which of its input a layer
reads in compact execution (here, for mayo/estimate and mayo/net/tf/compact), which channels slimming drops together
(mayo/slim/channels.py), what a dropped channel leaves behind (mayo/slim/fold.py), and which gates can be fitted
(mayo/training/fit.py).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from mayo.config.names import Spec
from mayo.layers import functions
from mayo.layers.shape import Shape
from mayo.util.lazy import lazy

numpy = lazy('numpy')
Active = Any  # so many channels: int, or a numpy array [images]


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Each channel that comes out is made of one that goes in; several are, where a layer makes more of them.

    function: what each number passes. weighs: the layer has weights for each channel. shifts: it adds to each channel,
    so that one of zeros is none any more. adjacent: the channels made of one lie side by side, as those of a depthwise
    convolution; otherwise all channels of one position come before those of the next, as in flatten.
    """

    function: Spec | None = None
    weighs: bool = False
    shifts: bool = False
    adjacent: bool = False

    @property
    def zero_stays(self) -> bool:
        """Whether a channel of zeros comes out as zeros."""
        return not self.shifts and functions.keeps_zero(self.function)

    @property
    def scale_stays(self) -> bool:
        """Whether a channel times a > 0 comes out times a, without a look at the weights."""
        return not self.weighs and functions.keeps_scale(self.function)


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """New channels. needs_all: neither side's channels may be left out, because their number or their order matters."""

    needs_all: bool = False


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Each channel stays itself, computed from all. zero_stays: one of zeros comes out as zeros."""

    zero_stays: bool


@dataclass(frozen=True)
class Joined:
    """Side by side."""


@dataclass(frozen=True, kw_only=True)
class Tied:
    """Channel c of the output is made of every input's channel c. product: it is zero where any of them is; else where all are."""

    product: bool


@dataclass(frozen=True)
class Padded:
    """`before` and `after` channels of zeros around those of the input."""

    before: int
    after: int


Travel = Apart | Mixed | Whole | Joined | Tied | Padded


def reads_all(travel: Travel) -> bool:
    """Whether compact execution gives a layer all channels of its inputs; otherwise only those that may be non-zero."""
    match travel:
        case Mixed():
            return travel.needs_all
        case Tied():
            return not travel.product  # what is zero in one term of a sum is not in another
        case Whole() | Padded():
            return True
        case Apart() | Joined():
            return False
    assert_never(travel)


def active_after(travel: Travel, active: Sequence[Active], sources: Sequence[Shape], target: Shape) -> Active:
    """How many channels of a layer's output may be non-zero, from how many of each input's may be.

    active: for each input a number, or an array [images]. sources, target: the shapes of inputs and output. Numbers count
    along the last dimension: after `flatten` of [H, W, C] with k active channels they are H W k of H W C.
    """
    match travel:
        case Apart() | Whole():
            return active[0] * (target.channels // sources[0].channels) if travel.zero_stays else target.channels
        case Joined():
            return functools.reduce(lambda total, count: total + count, active)
        case Tied() if travel.product:
            return _narrowest(active, sources, target)
        case Mixed() | Tied() | Padded():
            return target.channels
    assert_never(travel)


def _narrowest(active: Sequence[Active], sources: Sequence[Shape], target: Shape) -> Active:
    """The count of the input that has the fewest; an input of one channel, for all of them, limits nothing."""
    counts = [count for count, source in zip(active, sources, strict=True) if source.channels == target.channels]
    return functools.reduce(lambda least, count: numpy.minimum(least, count), counts)
