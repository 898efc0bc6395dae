"""Suppression alone: y = mask relu(norm(conv(x))), where norm keeps its own scale and shift.

The saliency learns to tell, before the convolution, how strong each channel will be after it: the layer's loss is
the mean over N, C of (g - pool(relu(norm(conv(x)))))^2. It moves phi and rho only, not the network.
"""
import tensorflow as tf

from mayo.net.tf.gate.base import Gate, normalized, pool
from mayo.net.tf.gate.kernel import per_channel


class NaiveGate(Gate):
    """Predicts a layer's output strength and skips the weak channels."""

    def observe(self, source: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        return source, tf.stop_gradient(self.summarize(source))

    def apply(self, convolved, norm, summary, saliency, mask, training):
        outputs = self.activation(normalized(convolved, norm, training))
        axes = (1, 2) if saliency.shape.rank == 2 else (2,)
        strength = tf.stop_gradient(pool(outputs, self.params.pool, axes))
        return outputs * per_channel(mask, outputs.dtype), tf.reduce_mean(tf.square(saliency - strength))
