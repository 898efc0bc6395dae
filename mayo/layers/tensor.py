"""What a layer stores, and a gate in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tensor:
    """What a layer stores: LAYER/name in checkpoints, of so many `dims`.

    reads, makes: the axes along which the channels of the layer's input and of its output lie, if any.
    trained: whether training changes it; otherwise it is a statistic.
    """

    name: str
    dims: tuple[int, ...]
    reads: int | None = None
    makes: int | None = None
    trained: bool = True

    @property
    def size(self) -> int:
        """Numbers in it."""
        return math.prod(self.dims)


def untrained(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The same, which training leaves as they are."""
    return tuple(replace(tensor, trained=False) for tensor in tensors)
