"""Squeeze and excite with suppression: y = mask g relu(norm(conv(x)) + b), boosting after the activation.

https://arxiv.org/abs/1709.01507 with the winners of Feature Boosting and Suppression. Shapes and b as in base.py.
"""

from typing import TYPE_CHECKING

from mayo.layers.policy import Policy, policy

if TYPE_CHECKING:
    import tensorflow as tf

    from mayo.net.tf.gate.base import Gate, Norm


@policy('squeeze')
class Squeeze(Policy):
    """Scales what the activation lets through."""

    has_shift, boost = True, 'after'

    def apply(
        self,
        gate: 'Gate',
        convolved: 'tf.Tensor',
        norm: 'Norm',
        summary: 'tf.Tensor',
        saliency: 'tf.Tensor',
        mask: 'tf.Tensor',
        training: bool,
    ) -> tuple['tf.Tensor', float]:
        features = gate.normalized(convolved, norm, training)
        if gate.params.has_shift:
            features += gate.per_channel(gate.shift_of(summary, saliency), features)
        return gate.activation(features) * gate.per_channel(mask * saliency, features), 0.0
