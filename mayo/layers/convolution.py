"""Convolutions: plain, of each channel apart, and with a gate.

Letters: output H x W, kernel Kh x Kw, C' input channels, C output channels. With a normalizer they have no bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from mayo.layers import functions
from mayo.layers.base import layer_type
from mayo.layers.gate import GateParams
from mayo.layers.keys import Count, Flag, Padding, Pair
from mayo.layers.linear import Linear, biases, normalization
from mayo.layers.shape import Shape, has_zeros, slide
from mayo.layers.tensor import Tensor, untrained
from mayo.layers.travel import Apart, Mixed
from mayo.util.decimals import density_of
from mayo.util.errors import UserError


@dataclass(frozen=True, kw_only=True)
class _Window(Linear):
    """Abstract: a window of `kernel_size` that moves by `stride`."""

    kernel_size: Pair
    num_outputs: Count
    stride: Pair = (1, 1)
    padding: Padding = 'same'
    num_groups: Count = 1
    groupwise: Flag = False  # the weights are called groupwise_weights, as the original Mayo calls those in groups

    @property
    def weights_name(self) -> str:
        return 'groupwise_weights' if self.groupwise else 'weights'

    @property
    def travel(self) -> Mixed:
        """Constants move into the bias where no window reaches over the border, and what a gate sums up moves as they do."""
        inside = not has_zeros(self.padding) if self.padding != 'same' else self.kernel_size == (1, 1)
        summed = not self.gate or self.gate.pool in ('avg', 'max')
        apart = self.num_groups > 1
        return Mixed(needs_all=apart, takes_constants=inside and summed and not apart)

    def shape(self, source: Shape) -> Shape:
        if source.is_map and (source.channels % self.num_groups or self.num_outputs % self.num_groups):
            raise UserError(
                f'{self.num_groups} groups do not divide {source.channels} input and {self.num_outputs} output channels.'
            )
        return slide(source, self.kernel_size, self.stride, self.padding, self.num_outputs)

    def weights(self, channels: int) -> Tensor:
        """[Kh, Kw, C' / groups, C]"""
        dims = (*self.kernel_size, channels // self.num_groups, self.num_outputs)
        return Tensor(self.weights_name, dims, reads=2 if self.num_groups == 1 else None, makes=3)

    def outputs(self, channels: int) -> int:
        return self.num_outputs

    def narrowed(self, stays: Sequence[bool]) -> Self:
        return replace(self, num_outputs=sum(stays))


@layer_type('convolution')
@dataclass(frozen=True, kw_only=True)
class Convolution(_Window):
    """H W Kh Kw C' C / groups multiply-accumulates."""


@layer_type('gated_convolution')
@dataclass(frozen=True, kw_only=True)
class GatedConvolution(_Window):
    """A convolution whose gate chooses, for each image, the channels worth computing (gate.py)."""

    gate_params: GateParams = field(default_factory=GateParams)

    @property
    def gate(self) -> GateParams | None:
        """None if it is switched off: the layer is the convolution that it is without one."""
        return self.gate_params if self.gate_params.enable else None

    def shape(self, source: Shape) -> Shape:
        if self.gate and not functions.keeps_zero(self.activation_fn):
            raise UserError(
                '`gated_convolution` needs an activation_fn that is 0 at 0, such as relu; '
                'another would undo the suppression of its channels.'
            )
        return super().shape(source)

    def narrowed(self, stays: Sequence[bool]) -> Self:
        """The gate goes on picking as many channels as before, of those that stay."""
        before, after = len(stays), sum(stays)
        density = density_of(min(self.gate_params.kept(before), after), after)
        return replace(super().narrowed(stays), gate_params=replace(self.gate_params, density=density))

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        """Saliency and b take the place of the norm's scale and shift and of biases, where the policy has them."""
        gate = self.gate
        if gate is None:
            return super().tensors(channels)
        own = [self.weights(channels)]
        if self.has_biases and (gate.norm_has_scale or self.force_biases):
            own += biases(self.biases_initializer, self.num_outputs)
        own = list(untrained(own)) if self.trainable == 'norm' else own
        if self.normalizer_fn is not None:
            changes = {} if gate.norm_has_scale else {'scale': False, 'center': False}
            norm = {**self.normalizer_fn.kwargs, **changes} if gate.norm == 'batch' else changes
            own += normalization(norm, self.num_outputs, statistics=gate.norm == 'batch')
        chooser = gate.tensors(channels, self.num_outputs)
        moving = gate.threshold == 'local' and gate.kept(self.num_outputs) < self.num_outputs
        return (
            *own,
            *(chooser if gate.trainable else untrained(chooser)),
            *([Tensor('gate/threshold', (), trained=False)] if moving else []),
        )


@layer_type('depthwise_convolution')
@dataclass(frozen=True, kw_only=True)
class DepthwiseConvolution(Linear):
    """H W Kh Kw C' multiplier multiply-accumulates. A zero channel stays zero only if neither bias nor norm shifts it."""

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding = 'same'
    depth_multiplier: Count = 1

    @property
    def travel(self) -> Apart:
        return Apart(function=self.activation_fn, weighs=True, shifts=self.shifts, adjacent=True, borders=True)

    def shape(self, source: Shape) -> Shape:
        return slide(source, self.kernel_size, self.stride, self.padding, source.channels * self.depth_multiplier)

    def weights(self, channels: int) -> Tensor:
        """[Kh, Kw, C', multiplier]"""
        return Tensor('depthwise_weights', (*self.kernel_size, channels, self.depth_multiplier), reads=2)

    def outputs(self, channels: int) -> int:
        return channels * self.depth_multiplier
