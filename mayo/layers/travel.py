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
    convolution; otherwise all channels of one position come before those of the next, as in flatten. borders: it may read
    zeros around the map, so that a channel which is the same number everywhere is that no longer.
    """

    function: Spec | None = None
    weighs: bool = False
    shifts: bool = False
    adjacent: bool = False
    borders: bool = False

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
    """New channels. needs_all: neither side's channels may be left out, because their number or their order matters.

    takes_constants: what channels of the same number everywhere add to the output is the same everywhere, and moves into its bias.
    """

    needs_all: bool = False
    takes_constants: bool = False


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


@dataclass(frozen=True)
class Flow:
    """What passes from layer to layer: `held` channels that are computed, and others that are known beforehand.

    These are zero, or, where `shifted`, each the same number everywhere in every image: what a shift and an activation make of
    zero. held: a number, or an array [images].
    """

    held: Active
    shifted: bool = False

    def active(self, channels: int) -> Active:
        """How many of all `channels` may be non-zero."""
        return channels if self.shifted else self.held


def flow_after(travel: Travel, flows: Sequence[Flow], sources: Sequence[Shape], target: Shape) -> Flow:
    """What a layer passes on, from what each of its inputs does.

    sources, target: the shapes of inputs and output. Numbers count along the last dimension: after `flatten` of [H, W, C] with k
    channels held they are H W k of H W C.
    """
    active = [flow.active(source.channels) for flow, source in zip(flows, sources, strict=True)]
    match travel:
        case Apart() if functions.is_apart(travel.function) and not (travel.borders and flows[0].shifted):
            times = target.channels // sources[0].channels
            return Flow(flows[0].held * times, flows[0].shifted or not travel.zero_stays)
        case Whole() if travel.zero_stays:
            return Flow(active[0])
        case Joined():
            return Flow(functools.reduce(lambda total, count: total + count, active))
        case Tied() if travel.product:
            return Flow(_narrowest(active, sources, target))
        case Apart() | Whole() | Mixed() | Tied() | Padded():
            return Flow(target.channels)
    assert_never(travel)


def active_after(travel: Travel, active: Sequence[Active], sources: Sequence[Shape], target: Shape) -> Active:
    """How many channels of a layer's output may be non-zero, from how many of each input's may be."""
    return flow_after(travel, [Flow(count) for count in active], sources, target).active(target.channels)


def read_of(travel: Travel, flow: Flow, channels: int) -> Active:
    """How many of the `channels` of its input a layer multiplies in compact execution."""
    if reads_all(travel):
        return channels
    return flow.held if isinstance(travel, Mixed) and travel.takes_constants else flow.active(channels)


def _narrowest(active: Sequence[Active], sources: Sequence[Shape], target: Shape) -> Active:
    """The count of the input that has the fewest; an input of one channel, for all of them, limits nothing."""
    counts = [count for count, source in zip(active, sources, strict=True) if source.channels == target.channels]
    return functools.reduce(lambda least, count: numpy.minimum(least, count), counts)
