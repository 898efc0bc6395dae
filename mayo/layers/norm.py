"""Normalization as a layer of its own: over the batch, and over neighbouring channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from mayo.layers.base import Weighted, Weightless, layer_type
from mayo.layers.keys import Count, Flag, Fraction, Number
from mayo.layers.linear import normalization
from mayo.layers.shape import Shape, need_map
from mayo.layers.tensor import Tensor
from mayo.layers.travel import Apart, Travel, Whole
from mayo.util.kinds import TEXT


@layer_type('batch_normalization')
@dataclass(frozen=True, kw_only=True)
class BatchNormalization(Weighted):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta. No MAC: it folds into the layer before it."""

    momentum: Fraction = 0.99
    epsilon: Fraction = 0.001
    center: Flag = True
    scale: Flag = True
    scope: Annotated[str, TEXT] = 'BatchNorm/'  # before the names of its variables; '' in the original Mayo

    @property
    def travel(self) -> Travel:
        return Apart(function=self.activation_fn, weighs=True, shifts=True)

    def shape(self, source: Shape) -> Shape:
        return source

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        return tuple(normalization({'scale': self.scale, 'center': self.center}, channels, above=self.scope))

    def macs(self, sources: Sequence[Shape]) -> int:
        return 0


@layer_type('local_response_normalization')
@dataclass(frozen=True, kw_only=True)
class LocalResponseNormalization(Weightless):
    """x / (bias + alpha sum of x^2 over `depth_radius` channels on each side)^beta, with TensorFlow's defaults: 0 stays 0."""

    depth_radius: Count = 5
    bias: Number = 1.0
    alpha: Number = 1.0
    beta: Number = 0.5

    travel = Whole(zero_stays=True)

    def shape(self, source: Shape) -> Shape:
        need_map(source)
        return source

    def compute(self, tf: Any, values: Any) -> Any:
        """In float32, as TensorFlow has it."""
        normalized = tf.nn.local_response_normalization(
            tf.cast(values, tf.float32), self.depth_radius, self.bias, self.alpha, self.beta
        )
        return tf.cast(normalized, values.dtype)
