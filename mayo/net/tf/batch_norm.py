"""Batch normalization at the speed of TensorFlow's fused operation."""

import keras
import tensorflow as tf

from mayo.net.tf import replicas


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch norm, computed by TensorFlow's fused operation where that applies: maps [N, H, W, C], channels last.

        y = (x - mean) / sqrt(variance + epsilon) * gamma + beta

    Keras computes it in several passes and, under mixed precision, in float32: a training step of MCifarNet takes twice as long
    (benchmarks/training.py). The fused operation takes 16-bit maps with float32 statistics. Like TensorFlow 1's,
    its moving variance is that of the population, x N H W / (N H W - 1) of the batch's.

    Where several devices share a batch, mean and variance are those of the whole batch, so that they train as one does. The
    fused operation sees its own share alone: plain operations take its place.
    """

    scope = 'BatchNorm/'  # what stands before the names of its variables in a checkpoint

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """inputs: [N, H, W, C] (or [N, C], which takes Keras's way)."""
        learn = bool(training and self.trainable)
        if learn and mask is None and replicas.count() > 1:
            return self._over_replicas(inputs)
        if len(inputs.shape) != 4 or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        channels = self.moving_mean.shape
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(channels)
        shift = tf.convert_to_tensor(self.beta) if self.center else tf.zeros(channels)
        mean = tf.zeros([0]) if learn else tf.convert_to_tensor(self.moving_mean)
        variance = tf.zeros([0]) if learn else tf.convert_to_tensor(self.moving_variance)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, self.compute_dtype),
            scale=tf.cast(scale, tf.float32),
            offset=tf.cast(shift, tf.float32),
            mean=tf.cast(mean, tf.float32),
            variance=tf.cast(variance, tf.float32),
            epsilon=self.epsilon,
            is_training=learn,
        )
        if learn:
            self.learn(mean, variance)
        return outputs

    def _over_replicas(self, inputs: tf.Tensor) -> tf.Tensor:
        values = tf.cast(inputs, tf.float32)
        mean, variance = replicas.moments(values, list(range(values.shape.rank - 1)))
        size = tf.cast(tf.size(values) // values.shape[-1] * replicas.count(), tf.float32)
        of_population = size / tf.maximum(size - 1, 1) if values.shape.rank == 4 else 1.0  # Keras's, of [N, C], is the batch's
        self.learn(mean, variance * of_population)
        gamma = tf.cast(tf.convert_to_tensor(self.gamma), tf.float32) if self.scale else None
        beta = tf.cast(tf.convert_to_tensor(self.beta), tf.float32) if self.center else None
        outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(outputs, self.compute_dtype)

    def learn(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        """Move the averages towards those of this batch, [C]."""
        for average, value in (self.moving_mean, mean), (self.moving_variance, variance):
            average.assign(average * self.momentum + value * (1 - self.momentum))
