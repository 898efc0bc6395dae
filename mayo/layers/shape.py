"""Shapes of what travels through the network, without the batch: (H, W, C) maps or (C,) vectors."""

import math
from dataclasses import dataclass

from mayo.util.errors import UserError

Pair = tuple[int, int]
Window = tuple[int | None, int | None]
Padding = str | Pair | tuple[Pair, Pair]  # 'same', 'valid': TensorFlow's; zeros on both sides of height and width, or on each
SPACE = (1, 2)  # height and width of [N, H, W, C]


@dataclass(frozen=True)
class Shape:
    """Dimensions of one image's values; a vector counts as a map of one position.

    >>> Shape((30, 20, 64)).width, Shape((10,)).width, str(Shape((30, 20, 64)))
    (20, 1, '30x20x64')
    """

    dims: tuple[int, ...]

    @property
    def is_map(self) -> bool:
        return len(self.dims) == 3

    @property
    def height(self) -> int:
        return self.dims[0] if self.is_map else 1

    @property
    def width(self) -> int:
        return self.dims[1] if self.is_map else 1

    @property
    def positions(self) -> int:
        return self.height * self.width

    @property
    def channels(self) -> int:
        return self.dims[-1]

    @property
    def size(self) -> int:
        """Numbers in it."""
        return math.prod(self.dims)

    def with_channels(self, channels: int) -> 'Shape':
        return Shape((*self.dims[:-1], channels))

    def __str__(self) -> str:
        return 'x'.join(map(str, self.dims))


def slide(source: Shape, kernel: Pair, stride: Pair, padding: Padding, channels: int) -> Shape:
    """The map that a window gives: ceil(H / s) for 'same', floor((H + 2 p - K) / s) + 1 otherwise, p = 0 for 'valid'.

    Errors: UserError if `source` is no map, or the window does not fit into it.

    >>> str(slide(Shape((32, 32, 3)), (3, 3), (2, 2), 'same', 8)), str(slide(Shape((32, 32, 3)), (3, 3), (2, 2), (1, 0), 8))
    ('16x16x8', '16x15x8')
    """
    need_map(source)
    sides = []
    for side, window, step, pads in zip(source.dims[:2], kernel, stride, around(padding), strict=True):
        sides.append(-(-side // step) if padding == 'same' else (side + sum(pads) - window) // step + 1)
        if sides[-1] < 1:
            raise UserError(
                f'a window of {kernel[0]}x{kernel[1]} with padding {_shown(padding)} does not fit into the '
                f'{source.height}x{source.width} map it reads.'
            )
    return Shape((*sides, channels))


def has_zeros(padding: Padding) -> bool:
    """Whether `padding` is numbers that put zeros around a map.

    >>> has_zeros('same'), has_zeros((0, 0)), has_zeros((0, 1))
    (False, False, True)
    """
    return around(padding) != around('valid')


def around(padding: Padding) -> tuple[Pair, Pair]:
    """The zeros that numbers put ((above, below), (left, right)); none for 'same' and 'valid'.

    >>> around('valid'), around((1, 2)), around(((0, 1), (2, 2)))
    (((0, 0), (0, 0)), ((1, 1), (2, 2)), ((0, 1), (2, 2)))
    """
    if isinstance(padding, str):
        return (0, 0), (0, 0)
    rows, columns = ((side, side) if isinstance(side, int) else side for side in padding)
    return rows, columns


def clip(kernel: Window | None, source: Shape) -> Pair:
    """A pooling window no larger than the map; None is the whole map, or all of its height or width."""
    height, width = kernel or (None, None)
    return min(height or source.height, source.height), min(width or source.width, source.width)


def need_map(source: Shape) -> None:
    """UserError unless `source` has height, width and channels."""
    if not source.is_map:
        raise UserError(f'needs a map of height, width and channels, gets a vector of {source.channels}.')


def positions_of(axis: tuple[int, ...], source: Shape) -> set[int]:
    """Axes of [N, H, W, C] as positions in (H, W, C). Errors: UserError for those that it has not."""
    rank = len(source.dims)
    positions = {rank + number if number < 0 else number - 1 for number in axis}
    if not positions <= set(range(rank)):
        raise UserError(f'axis {list(axis)} is not among those of {source}: 1 to {rank}, or -1 for the channels.')
    return positions


def vector_or_map(dims: tuple[int, ...]) -> Shape:
    """The shape of (H, W, C) or (C,). Errors: UserError for others."""
    if len(dims) not in (1, 3):
        raise UserError('height and width stay or go together; name both axes, [1, 2].')
    return Shape(dims)


def _shown(padding: Padding) -> str:
    return padding if isinstance(padding, str) else 'x'.join(map(str, padding))
