"""Layers that mix channels without weights, or with few: those of the original Mayo that its shipped models do not use.

    y_j = sum_i x_i (-1)^(number of common bits of i and j)         Hadamard transform in Sylvester's order, unscaled

Letters: output H x W, kernel Kh x Kw, C' input channels, C output channels. Additions, like norms, are no multiply-accumulates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from mayo.layers.base import Weighted, Weightless, layer_type
from mayo.layers.functions import RELU
from mayo.layers.keys import Activation, Count, Flag, Normalizer, Padding, Pair, Regularizer
from mayo.layers.linear import Linear, normalization
from mayo.layers.shape import Shape, need_map, slide
from mayo.layers.tensor import Tensor, untrained
from mayo.layers.travel import Mixed, Whole
from mayo.util import kinds
from mayo.util.errors import UserError


def _block(value: Any) -> int:
    size = kinds.whole(0).read(value)
    if size & (size - 1):
        raise ValueError
    return size


CountOrNull = Annotated[int | None, kinds.or_null(kinds.whole(1))]
Block = Annotated[int, kinds.Kind('0 or a power of two', _block)]


@layer_type('hadamard')
@dataclass(frozen=True, kw_only=True)
class Hadamard(Weighted):
    """activation(norm(H (s x))) of 2^k channels, with s = 1 unless there are `variable_scales`. No multiply-accumulate.

    block: runs of so many channels stay as they are, and only the runs are mixed with each other; 0 and 1 mix every channel.
    num_outputs: may say how many channels there are.
    """

    activation_fn: Activation = RELU
    normalizer_fn: Normalizer = None
    num_outputs: CountOrNull = None
    block: Block = 0
    variable_scales: Flag = False

    travel = Mixed(needs_all=True)

    def shape(self, source: Shape) -> Shape:
        if self.num_outputs not in (None, source.channels):
            raise UserError(f'`hadamard` has as many outputs as input channels, {source.channels}, and not {self.num_outputs}.')
        _need_power_of_two('hadamard', source.channels)
        return source

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        """s is [1, 1, 1, C]."""
        scales = [Tensor('channel_scale', (1, 1, 1, channels))] if self.variable_scales else []
        own = untrained(scales) if self.trainable == 'norm' else tuple(scales)
        return own if self.normalizer_fn is None else (*own, *normalization(self.normalizer_fn.kwargs, channels))

    def macs(self, sources: Sequence[Shape]) -> int:
        return 0


@layer_type('hadamard_convolution')
@dataclass(frozen=True, kw_only=True)
class HadamardConvolution(Linear):
    """activation(norm(H (depthwise(x) + biases))): H W Kh Kw C multiply-accumulates. num_outputs: null is C'.

    The biases stand before H and are there beside a norm, too. Where C is a multiple of C', each input channel gives C / C'
    adjacent ones, and the weights, [Kh, Kw, 1, C], are called groupwise_weights. block: as of `hadamard`.
    """

    kernel_size: Pair
    num_outputs: CountOrNull = None
    stride: Pair = (1, 1)
    padding: Padding = 'same'
    block: Block = 0

    travel = Mixed(needs_all=True)

    @property
    def has_biases(self) -> bool:
        return self.biases_initializer is not None

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        outputs = self.outputs(source.channels)
        if outputs % source.channels:
            raise UserError(
                f'`hadamard_convolution` gives a multiple of its {source.channels} input channels, and not {outputs}.'
            )
        _need_power_of_two('hadamard_convolution', outputs)
        return slide(source, self.kernel_size, self.stride, self.padding, outputs)

    def weights(self, channels: int) -> Tensor:
        """[Kh, Kw, C', 1], or [Kh, Kw, 1, C] of more outputs than inputs."""
        outputs = self.outputs(channels)
        if outputs == channels:
            return Tensor('depthwise_weights', (*self.kernel_size, channels, 1))
        return Tensor('groupwise_weights', (*self.kernel_size, 1, outputs))

    def outputs(self, channels: int) -> int:
        return self.num_outputs or channels


@layer_type('depthwise_separable_convolution')
@dataclass(frozen=True, kw_only=True)
class DepthwiseSeparableConvolution(Linear):
    """A depthwise convolution and one of 1 x 1 upon it: H W (Kh Kw C' multiplier + C' multiplier C) multiply-accumulates.

    Nothing stands between the two; norm or biases and the activation come after both. Without num_outputs the second is left
    out. depthwise_regularizer, pointwise_regularizer: of each in place of weights_regularizer.
    """

    kernel_size: Pair
    num_outputs: CountOrNull = None
    stride: Pair = (1, 1)
    padding: Padding = 'same'
    depth_multiplier: Count = 1
    depthwise_regularizer: Regularizer = None
    pointwise_regularizer: Regularizer = None

    travel = Mixed(needs_all=True)

    def shape(self, source: Shape) -> Shape:
        return slide(source, self.kernel_size, self.stride, self.padding, self.outputs(source.channels))

    def weights(self, channels: int) -> Tensor:
        """[Kh, Kw, C', multiplier]"""
        return Tensor('depthwise_weights', (*self.kernel_size, channels, self.depth_multiplier))

    def pointwise(self, channels: int) -> tuple[Tensor, ...]:
        """[1, 1, C' multiplier, C], if there is a second convolution."""
        if self.num_outputs is None:
            return ()
        return (Tensor('pointwise_weights', (1, 1, channels * self.depth_multiplier, self.num_outputs)),)

    def outputs(self, channels: int) -> int:
        return self.num_outputs or channels * self.depth_multiplier

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        first, *rest = super().tensors(channels)
        second = self.pointwise(channels)
        return (first, *(untrained(second) if self.trainable == 'norm' else second), *rest)

    def macs(self, sources: Sequence[Shape]) -> int:
        pointwise = sum(tensor.size for tensor in self.pointwise(sources[0].channels))
        return super().macs(sources) + pointwise * self.output(sources).positions


@layer_type('zipf')
@dataclass(frozen=True, kw_only=True)
class Zipf(Weightless):
    """Channel i = 0, 1, ... times 1 / (i + 1) / sum_j 1 / (j + 1): shares by Zipf's law."""

    travel = Whole(zero_stays=True)

    def shape(self, source: Shape) -> Shape:
        return source

    def compute(self, tf: Any, values: Any) -> Any:
        shares = [1 / rank for rank in range(1, values.shape[-1] + 1)]
        return values * tf.constant([share / sum(shares) for share in shares], values.dtype)


def _need_power_of_two(kind: str, channels: int) -> None:
    if channels & (channels - 1):
        raise UserError(f'`{kind}` mixes 1, 2, 4, 8, ... channels, and not {channels}.')
