"""Layers that rearrange values: flatten, squeeze, space_to_depth, pad, crop."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from mayo.layers.base import Weightless, layer_type
from mayo.layers.keys import AnyAxes, Channels, Count, Sides
from mayo.layers.shape import SPACE, Shape, need_map, positions_of, vector_or_map
from mayo.layers.travel import Apart, Padded, Travel
from mayo.util.errors import UserError


@layer_type('squeeze')
@dataclass(frozen=True, kw_only=True)
class Squeeze(Weightless):
    """Height and width of 1 are dropped: [1, 1, C] becomes [C]. Without an axis, all that are 1, if there are any."""

    axis: AnyAxes = SPACE

    travel = Apart()

    def shape(self, source: Shape) -> Shape:
        axes = self._axes(source)
        if len(source.dims) - 1 in axes or any(source.dims[position] != 1 for position in axes):
            raise UserError(
                f'`squeeze` drops a height and width of 1, and {source} has others on axis {list(self.axis or SPACE)}.'
            )
        return vector_or_map(tuple(dim for position, dim in enumerate(source.dims) if position not in axes))

    def _axes(self, source: Shape) -> set[int]:
        """As positions in (H, W, C)."""
        if self.axis is not None:
            return positions_of(self.axis, source)
        return {position for position, dim in enumerate(source.dims[:-1]) if dim == 1}

    def compute(self, tf: Any, values: Any) -> Any:
        axes = self._axes(Shape(tuple(values.shape[1:])))
        return tf.squeeze(values, [position + 1 for position in axes]) if axes else tf.identity(values)


@layer_type('flatten')
@dataclass(frozen=True, kw_only=True)
class Flatten(Weightless):
    """[H, W, C] to [H W C]."""

    travel = Apart()

    def shape(self, source: Shape) -> Shape:
        return Shape((source.size,))


@layer_type('space_to_depth')
@dataclass(frozen=True, kw_only=True)
class SpaceToDepth(Weightless):
    """Each block of positions becomes one position with the channels of all: [H, W, C] to [H / b, W / b, b b C]."""

    block_size: Count

    travel = Apart()

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        block = self.block_size
        height, width = source.height // block, source.width // block
        if (height * block, width * block) != (source.height, source.width):
            raise UserError(f'blocks of {block} do not divide a map of {source.height}x{source.width}.')
        return Shape((height, width, source.channels * block**2))

    def compute(self, tf: Any, values: Any) -> Any:
        return tf.nn.space_to_depth(values, self.block_size)


@layer_type('pad')
@dataclass(frozen=True, kw_only=True)
class Pad(Weightless):
    """Zeros around the map: a number for all sides, [height, width], or [[top, bottom], [left, right]].

    channels: so many channels of zeros on either side of the others, a number or [before, after].
    """

    sides: Sides
    channels: Channels = (0, 0)

    @property
    def travel(self) -> Travel:
        return Padded(*self.channels) if any(self.channels) else Apart(borders=True)

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        height, width = source.height + sum(self.sides[0]), source.width + sum(self.sides[1])
        return Shape((height, width, source.channels + sum(self.channels)))

    def narrowed(self, stays: Sequence[bool]) -> Self:
        before, after = self.channels
        return replace(self, channels=(sum(stays[:before]), sum(stays[len(stays) - after :])))

    def compute(self, tf: Any, values: Any) -> Any:
        return tf.pad(values, [(0, 0), *self.sides, self.channels])


@layer_type('crop')
@dataclass(frozen=True, kw_only=True)
class Crop(Weightless):
    """Positions taken off the map, as `pad` adds them."""

    sides: Sides

    travel = Apart()

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        height, width = source.height - sum(self.sides[0]), source.width - sum(self.sides[1])
        if height < 1 or width < 1:
            raise UserError(f'`crop` takes more off than the {source.height}x{source.width} map has.')
        return Shape((height, width, source.channels))
