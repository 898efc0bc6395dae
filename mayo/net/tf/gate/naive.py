"""Suppression alone: y = mask relu(norm(conv(x))), where norm keeps its own scale and shift.

The saliency learns to tell, before the convolution, how strong each channel will be after it: the layer's loss is
the mean over N, C of (g - pool(relu(norm(conv(x)))))^2. It moves the gate only, not the network. Shapes as in base.py.
"""

import tensorflow as tf

from mayo.net.tf.gate.base import Gate, Norm, normalized, pool
from mayo.net.tf.gate.kernel import per_channel


class NaiveGate(Gate):
    """Predicts how strong each channel will be and skips the weak ones."""

    def observe(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """(x, s), where no gradient flows from s to x."""
        return source, tf.stop_gradient(self.summarize(source))

    def apply(
        self, convolved: tf.Tensor, norm: Norm, summary: tf.Tensor, saliency: tf.Tensor, mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self.activation(normalized(convolved, norm, training))
        space = (1, 2) if self.params.granularity == 'channel' else (2,)
        strength = tf.stop_gradient(pool(outputs, self.params.pool, space))
        return outputs * per_channel(mask, outputs.dtype), tf.reduce_mean(tf.square(saliency - strength))
