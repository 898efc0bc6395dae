"""Squeeze and excite with suppression: y = mask g relu(norm(conv(x)) + b), boosting after the activation.

https://arxiv.org/abs/1709.01507 with the winners of Feature Boosting and Suppression. Shapes as in parametric.py.
"""
import tensorflow as tf

from mayo.net.tf.gate.base import normalized
from mayo.net.tf.gate.kernel import per_channel
from mayo.net.tf.gate.parametric import BoostingGate


class SqueezeGate(BoostingGate):
    """Scales what the activation lets through."""

    def apply(self, convolved, norm, summary, saliency, mask, training):
        features = normalized(convolved, norm, training)
        shift = tf.cast(self.shift_of(summary), features.dtype)
        shift = shift if shift.shape.rank == 1 else per_channel(shift, features.dtype)
        return self.activation(features + shift) * per_channel(mask * saliency, features.dtype), 0.
