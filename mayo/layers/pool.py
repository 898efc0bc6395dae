"""Layers that summarize space, or the channels."""

from dataclasses import dataclass
from typing import Any

from mayo.layers.base import Weightless, layer_type
from mayo.layers.keys import Axes, Flag, Padding, Pair, Window
from mayo.layers.shape import SPACE, Shape, clip, has_zeros, need_map, positions_of, slide, vector_or_map
from mayo.layers.travel import Apart, Mixed, Travel
from mayo.util.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Pool(Weightless):
    """Abstract: a summary of each window, or of the whole map, [1, 1, C], without a kernel size."""

    kernel_size: Window = None
    stride: Pair = (2, 2)
    padding: Padding = 'valid'

    @property
    def travel(self) -> Travel:
        """TensorFlow's own padding takes no part; zeros that a number puts around do."""
        return Apart(borders=has_zeros(self.padding))

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        if self.kernel_size is None:
            return Shape((1, 1, source.channels))
        return slide(source, clip(self.kernel_size, source), self.stride, self.padding, source.channels)


@layer_type('average_pool')
@dataclass(frozen=True, kw_only=True)
class AveragePool(Pool):
    """The mean of each window; of the whole map, [1, 1, C], without a kernel size. Padding does not count."""


@layer_type('max_pool')
@dataclass(frozen=True, kw_only=True)
class MaxPool(Pool):
    """The maximum of each window; of the whole map, [1, 1, C], without a kernel size."""


@layer_type('reduce_mean')
@dataclass(frozen=True, kw_only=True)
class ReduceMean(Weightless):
    """The mean over axes of [N, H, W, C]: 1 height, 2 width, 3 or -1 channels."""

    axis: Axes = SPACE
    keepdims: Flag = False

    @property
    def travel(self) -> Travel:
        """A mean over the channels divides by their number, so that all stay."""
        return Mixed(needs_all=True) if {3, -1} & set(self.axis) else Apart()

    def shape(self, source: Shape) -> Shape:
        if not source.is_map and 1 in self.axis:
            raise UserError('the channels of a vector are axis -1.')
        axes = positions_of(self.axis, source)
        last = len(source.dims) - 1
        if last in axes and not self.keepdims:
            raise UserError('a mean over the channels needs `keepdims: true`.')
        dims = [
            1 if position in axes else dim for position, dim in enumerate(source.dims) if self.keepdims or position not in axes
        ]
        return vector_or_map(tuple(dims))

    def compute(self, tf: Any, values: Any) -> Any:
        return tf.reduce_mean(values, self.axis, self.keepdims)
