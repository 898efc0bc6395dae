"""Suppression alone: y = mask relu(norm(conv(x))), where norm keeps its own scale and shift.

The saliency learns to tell, before the convolution, how strong each channel will be after it: the layer's loss is
the mean over N, C of (g - pool(relu(norm(conv(x)))))^2. It moves the gate only, not the network. Shapes as in base.py.
"""

from typing import TYPE_CHECKING

from mayo.layers.policy import Policy, policy

if TYPE_CHECKING:
    import tensorflow as tf

    from mayo.net.tf.gate.base import Gate, Values


@policy('naive')
class Naive(Policy):
    """Predicts how strong each channel will be and skips the weak ones."""

    has_shift, boost = False, 'never'

    def observe(self, gate: 'Gate', source: 'tf.Tensor', training: bool) -> tuple['tf.Tensor', 'tf.Tensor']:
        """(x, s), where no gradient flows from s to x."""
        import tensorflow as tf

        return source, tf.stop_gradient(gate.summarize(source))

    def apply(self, values: 'Values') -> tuple['tf.Tensor', 'tf.Tensor']:
        import tensorflow as tf

        gate, saliency = values.gate, values.saliency
        outputs = gate.activation(values.normalized())
        strength = tf.stop_gradient(gate.strength(outputs))
        weights = gate.params.regularizer if gate.params.original else {'mse': 1.0}
        loss = weights.get('mse', 0.0) * tf.reduce_mean(tf.square(saliency - strength))
        if 'sce' in weights:
            loss += weights['sce'] * tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(strength, saliency))
        return outputs * values.per_channel(values.mask, outputs), loss
