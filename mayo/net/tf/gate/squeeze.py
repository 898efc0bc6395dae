"""Squeeze and excite with suppression: y = mask g relu(norm(conv(x)) + b), boosting after the activation.

https://arxiv.org/abs/1709.01507 with the winners of Feature Boosting and Suppression. Shapes and b as in parametric.py.
"""

import tensorflow as tf

from mayo.net.tf.gate.base import Norm, normalized
from mayo.net.tf.gate.kernel import per_channel
from mayo.net.tf.gate.parametric import BoostingGate


class SqueezeGate(BoostingGate):
    """Scales what the activation lets through."""

    def apply(
        self, convolved: tf.Tensor, norm: Norm, summary: tf.Tensor, saliency: tf.Tensor, mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, float]:
        features = normalized(convolved, norm, training)
        shifted = features + per_channel(self.shift_of(summary, saliency), features.dtype)
        return self.activation(shifted) * per_channel(mask * saliency, features.dtype), 0.0
