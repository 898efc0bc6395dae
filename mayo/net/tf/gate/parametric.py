"""Feature Boosting and Suppression: saliency scales winning channels, losers are silent.

    y = relu(mask g norm(conv(x)) + mask b)
    y = relu(mask g (norm(conv(x)) + b))        with add_beta_first: the paper's equation
                                                https://openreview.net/forum?id=BJxh2j0qYm

Shapes as in base.py.
"""

from typing import TYPE_CHECKING, TypeGuard

from mayo.layers.policy import Policy, policy

if TYPE_CHECKING:
    import tensorflow as tf

    from mayo.net.tf.batch_norm import BatchNormalization
    from mayo.net.tf.gate.base import Gate, Norm, Values


@policy('parametric')
class Parametric(Policy):
    """The gate of the paper."""

    has_shift, boost = True, 'before'

    def apply(self, values: 'Values') -> tuple['tf.Tensor', float]:
        from mayo.net.tf.gate.kernel import boost

        gate, norm = values.gate, values.norm
        scale = values.mask * values.saliency
        shift = values.shift() * (scale if gate.params.add_beta_first else values.mask)
        if values.training and _is_usual(gate) and _learns(norm):
            outputs, *moments = boost(values.convolved, scale, shift, norm.epsilon)
            norm.learn(*moments)
            return outputs, 0.0
        features = values.normalized()
        return gate.activation(features * values.per_channel(scale, features) + values.per_channel(shift, features)), 0.0


def _is_usual(gate: 'Gate') -> bool:
    """Whether kernel.boost computes this gate."""
    import keras

    return gate.activation is keras.activations.relu and gate.params.granularity == 'channel'


def _learns(norm: 'Norm') -> TypeGuard['BatchNormalization']:
    """Whether `norm`, which under this gate has neither scale nor centre, normalizes by the batch and keeps averages.

    kernel.boost knows the batch of its own device alone.
    """
    from mayo.net.tf import replicas
    from mayo.net.tf.batch_norm import BatchNormalization

    return isinstance(norm, BatchNormalization) and norm.trainable and replicas.count() == 1
