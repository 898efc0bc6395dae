"""Whether a gate looks at the image: how much two images differ in the channels that are active for them.

    turnover     mean over pairs of images i != j of |A_i minus A_j| / |A_i|        A_i: the active channels of image i
    always       share of the channels that are active for more than 95 % of the images
    never        share of those that are active for less than 5 %
    sometimes    the share of all others

0 turnover is a static network, slimmed but for its weights; 1 - d is what random channels of density d have. No pair is
visited: with p_c the share of the N images for which channel c is active, and a_ic 1 or 0,

    sum_i sum_{j != i} |A_i minus A_j| / |A_i|  =  sum_i sum_{c in A_i} N (1 - p_c) / |A_i|

since of the images N (1 - p_c), none of which is i, lack a channel that i has. An image without active channels counts as 0.
So two sums over the images for each channel are all that has to be kept of the masks (`Use`).
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')

ALWAYS, NEVER = 0.95, 0.05


@dataclass(frozen=True)
class Liveliness:
    """Of one layer, or the mean of several. All in [0, 1]; always, sometimes and never add up to 1."""

    turnover: float
    always: float
    sometimes: float
    never: float

    @property
    def shares(self) -> str:
        """The three shares as tables show them.

        >>> Liveliness(turnover=0.1, always=0.45, sometimes=0.11, never=0.44).shares
        '0.45/0.11/0.44'
        """
        return f'{self.always:.2f}/{self.sometimes:.2f}/{self.never:.2f}'


@dataclass(frozen=True)
class Use:
    """What masks of `images` images add up to for each channel of a layer.

    counts: the images for which it is active [C]. weights: the sum over those images of 1 / |A_i| [C].
    """

    images: int
    counts: 'np.ndarray'
    weights: 'np.ndarray'

    @classmethod
    def of(cls, masks: 'np.ndarray') -> 'Use':
        """masks: [N images, C channels], true or not 0 where a channel is active."""
        active = np.asarray(masks, bool)
        each = active / np.maximum(active.sum(1, keepdims=True), 1)
        return cls(len(active), active.sum(0), each.sum(0))

    @classmethod
    def none(cls) -> 'Use':
        """Of no image yet."""
        return cls(0, np.zeros(1), np.zeros(1))

    def __add__(self, other: 'Use') -> 'Use':
        """Of the images of both."""
        return Use(self.images + other.images, self.counts + other.counts, self.weights + other.weights)

    def liveliness(self) -> Liveliness:
        """One image alone has no turnover."""
        share = self.counts / max(self.images, 1)
        pairs = max(self.images * (self.images - 1), 1)
        turnover = float(np.sum(self.weights * (self.images - self.counts))) / pairs
        always, never = share > ALWAYS, share < NEVER
        return Liveliness(turnover, *(float(np.mean(which)) for which in (always, ~always & ~never, never)))


def liveliness(masks: 'np.ndarray') -> Liveliness:
    """Of one layer. masks: [N images, C channels], true or not 0 where a channel is active.

    Two images with two active channels each, one of which they share; the fourth channel is active for neither:

    >>> liveliness(np.array([[1, 1, 0, 0], [1, 0, 1, 0]]))
    Liveliness(turnover=0.5, always=0.25, sometimes=0.5, never=0.25)
    """
    return Use.of(masks).liveliness()


def mean_liveliness(layers: Iterable[Liveliness]) -> Liveliness:
    """The mean over layers, each counting the same whatever its number of channels."""
    return Liveliness(*np.mean([astuple(layer) for layer in layers], axis=0).tolist())
