"""Terms of the loss that shape the saliency: `regularizer: {l1: 1.0e-8}` adds each with its weight.

Shapes: N images, C channels; saliency g is [N, C], or [N, H, C] with a gate for each row, whose rows count like images.
"""

from collections.abc import Callable

import tensorflow as tf

from mayo.net.tf import replicas
from mayo.util.registry import Registry

regularizers: Registry[Callable[[tf.Tensor, float], tf.Tensor]] = Registry('gate regularizer')


@regularizers.register('l1')
def l1(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """mean_n sum_c |g|: fewer and weaker channels; the paper's."""
    return tf.reduce_mean(tf.reduce_sum(tf.abs(saliency), -1))


@regularizers.register('l2')
def l2(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """mean_n sum_c g^2"""
    return tf.reduce_mean(tf.reduce_sum(tf.square(saliency), -1))


@regularizers.register('moe')
def moe(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Mixture of experts: var_c(m) / (mean_c(m)^2 + epsilon), m = mean_n g. 0 if all channels do the same share of the work.

    The importance loss of https://arxiv.org/abs/1701.06538, equation 7.
    """
    mean, variance = tf.nn.moments(_mean(saliency), [0])
    return variance / (tf.square(mean) + epsilon)


@regularizers.register('moi')
def moi(saliency: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Mixture of inputs: mean_c of (mean_n g)^2 / (mean_n g^2 + epsilon), in [0, 1): 1 where all images get the same g."""
    return tf.reduce_mean(tf.square(_mean(saliency)) / (_mean(tf.square(saliency)) + epsilon))


def _mean(values: tf.Tensor) -> tf.Tensor:
    """Over images, and rows if there are any: [C]."""
    return replicas.mean(tf.reduce_mean(values, list(range(values.shape.rank - 1))))


# ---- the original Mayo's, of the saliency of the winners, summed over all of the batch, which replicas share

of_original: Registry[Callable[[tf.Tensor, float], tf.Tensor]] = Registry('gate regularizer of the original Mayo')


@of_original.register('l1')
def sum_of_sizes(kept: tf.Tensor, epsilon: float) -> tf.Tensor:
    """sum |s|"""
    return replicas.count() * tf.reduce_sum(tf.abs(kept))


@of_original.register('l2')
def sum_of_squares(kept: tf.Tensor, epsilon: float) -> tf.Tensor:
    """sum s^2"""
    return replicas.count() * tf.reduce_sum(tf.square(kept))


@of_original.register('moe')
def spread_over_channels(kept: tf.Tensor, epsilon: float) -> tf.Tensor:
    """var(m) / (mean(m) + epsilon)^2 over channels, m = sum_n s."""
    sums = tf.reduce_sum(kept, list(range(kept.shape.rank - 1)))
    return _spread(replicas.count() * replicas.mean(sums), epsilon)


@of_original.register('moi')
def spread_over_images(kept: tf.Tensor, epsilon: float) -> tf.Tensor:
    """var(m) / (mean(m) + epsilon)^2 over images, m = sum_c s."""
    return _spread(tf.reduce_sum(kept, -1), epsilon)


def _spread(sums: tf.Tensor, epsilon: float) -> tf.Tensor:
    mean, variance = replicas.moments(sums, list(range(sums.shape.rank)))
    return variance / tf.square(mean + epsilon)
