"""Layers that join several inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

from mayo.layers.base import Join, layer_type
from mayo.layers.keys import ChannelAxis
from mayo.layers.shape import Shape
from mayo.layers.travel import Joined, Tied
from mayo.util.errors import UserError


@layer_type('concat')
@dataclass(frozen=True, kw_only=True)
class Concat(Join):
    """The channels of all inputs, in order."""

    axis: ChannelAxis = -1

    travel = Joined()

    def joined(self, sources: Sequence[Shape]) -> Shape:
        if len({source.dims[:-1] for source in sources}) > 1:
            raise UserError(f'inputs of {_listed(sources)} differ in more than their channels.')
        return sources[0].with_channels(sum(source.channels for source in sources))


@layer_type('add')
@dataclass(frozen=True, kw_only=True)
class Add(Join):
    """The sum. Its inputs are expanded to all channels: what is zero in one is not in another."""

    travel = Tied(product=False)

    def joined(self, sources: Sequence[Shape]) -> Shape:
        return _common(sources)


@layer_type('mul')
@dataclass(frozen=True, kw_only=True)
class Mul(Join):
    """The product; an input of one position, or of one channel, multiplies all. Zero where any input is zero."""

    travel = Tied(product=True)

    def joined(self, sources: Sequence[Shape]) -> Shape:
        return _common(sources)


def _common(sources: Sequence[Shape]) -> Shape:
    """Each dimension that of every input, or 1; a vector counts as a map of one position."""
    rank = max(len(source.dims) for source in sources)
    aligned = [(1,) * (rank - len(source.dims)) + source.dims for source in sources]
    dims = tuple(max(sizes) for sizes in zip(*aligned, strict=True))
    if any(size not in (1, dim) for sizes in aligned for size, dim in zip(sizes, dims, strict=True)):
        raise UserError(f'inputs of {_listed(sources)} do not fit together.')
    return Shape(dims)


def _listed(sources: Sequence[Shape]) -> str:
    return ' and '.join(map(str, sources))
