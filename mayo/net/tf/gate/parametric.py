"""Feature Boosting and Suppression: saliency scales winning channels, losers are silent.

    y = relu(mask g norm(conv(x)) + mask b)
    y = relu(mask g (norm(conv(x)) + b))        with add_beta_first: the paper's equation
                                                https://openreview.net/forum?id=BJxh2j0qYm

b is one number a channel; with parametric_beta it is s psi + c, predicted from the same summary s as the saliency.
Shapes: N images, H W space, C' input channels, C output channels; psi is [C', C], c and b are [C].
"""

from typing import Any, TypeGuard

import keras
import tensorflow as tf

from mayo.net.tf.batch_norm import BatchNormalization
from mayo.net.tf.gate.base import Gate, Norm, normalized, predictor
from mayo.net.tf.gate.kernel import boost, per_channel

BETA = 0.1  # b when training starts afresh


class BoostingGate(Gate):
    """Abstract: a gate that has b."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.beta = self.shift = None
        if self.params.parametric_beta:
            self.beta = predictor(self.channels, None, 'zeros', BETA)
        else:
            self.shift = self.add_weight(
                shape=(self.channels,), initializer=keras.initializers.Constant(BETA), autocast=False, name='shift'
            )

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        return super().parts() + ([] if self.beta is None else [('beta', self.beta)])

    def build(self, source_shape: tuple[int | None, ...]) -> None:
        super().build(source_shape)
        if self.beta is not None:
            self.beta.build((None, source_shape[-1]))

    def shift_of(self, summary: tf.Tensor, saliency: tf.Tensor) -> tf.Tensor:
        """b for each image, in the shape of the saliency."""
        return tf.broadcast_to(self.shift, tf.shape(saliency)) if self.beta is None else self.beta(summary)


class ParametricGate(BoostingGate):
    """The gate of the paper."""

    def apply(
        self, convolved: tf.Tensor, norm: Norm, summary: tf.Tensor, saliency: tf.Tensor, mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, float]:
        scale = mask * saliency
        shift = self.shift_of(summary, saliency) * (scale if self.params.add_beta_first else mask)
        if training and self._is_usual and _learns(norm):
            outputs, *moments = boost(convolved, scale, shift, norm.epsilon)
            norm.learn(*moments)
            return outputs, 0.0
        features = normalized(convolved, norm, training)
        return self.activation(features * per_channel(scale, features.dtype) + per_channel(shift, features.dtype)), 0.0

    @property
    def _is_usual(self) -> bool:
        """Whether kernel.boost computes this gate."""
        return self.activation is keras.activations.relu and self.params.granularity == 'channel'


def _learns(norm: Norm) -> TypeGuard[BatchNormalization]:
    """Whether `norm`, which under this gate has neither scale nor centre, normalizes by the batch and keeps averages."""
    return isinstance(norm, BatchNormalization) and norm.trainable
