"""Squeeze and excite with suppression: y = mask g relu(norm(conv(x)) + b), boosting after the activation.

https://arxiv.org/abs/1709.01507 with the winners of Feature Boosting and Suppression. Shapes and b as in base.py.
"""

from typing import TYPE_CHECKING

from mayo.layers.policy import Policy, policy

if TYPE_CHECKING:
    import tensorflow as tf

    from mayo.net.tf.gate.base import Values


@policy('squeeze')
class Squeeze(Policy):
    """Scales what the activation lets through."""

    has_shift, boost = True, 'after'

    def apply(self, values: 'Values') -> tuple['tf.Tensor', float]:
        features = values.normalized()
        if values.gate.params.has_shift:
            features += values.per_channel(values.shift(), features)
        return values.gate.activation(features) * values.per_channel(values.mask * values.saliency, features), 0.0
