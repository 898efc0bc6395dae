"""The fully connected layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from mayo.layers.base import layer_type
from mayo.layers.keys import Count
from mayo.layers.linear import Linear
from mayo.layers.shape import Shape
from mayo.layers.tensor import Tensor
from mayo.layers.travel import Mixed


@layer_type('fully_connected')
@dataclass(frozen=True, kw_only=True)
class FullyConnected(Linear):
    """C' C multiply-accumulates, on a vector, or at each position of a map."""

    num_outputs: Count

    travel = Mixed(takes_constants=True)

    def shape(self, source: Shape) -> Shape:
        return source.with_channels(self.num_outputs)

    def weights(self, channels: int) -> Tensor:
        """[C', C]"""
        return Tensor('weights', (channels, self.num_outputs), reads=0, makes=1)

    def outputs(self, channels: int) -> int:
        return self.num_outputs

    def narrowed(self, stays: Sequence[bool]) -> Self:
        return replace(self, num_outputs=sum(stays))
