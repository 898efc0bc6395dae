"""The steps of a gate that touch whole maps, each fused for training together with its gradient.

    y = relu(norm(x) * scale + shift)                   boost: batch norm with neither scale nor centre, then the gate
    y = x M                                             silence: channels that lost, with a gradient for their M, too
    s = mean of x over H, W                             with_mean: its gradient joins that of x in one pass

Time here is memory traffic. Operation by operation, the boost and its gradient read and write maps some twenty times, and in
16 bits TensorFlow's CPU kernels are slow besides; compiled by XLA, with batch norm's gradient worked out by hand, it takes no
longer than the relu(norm(x)) of a dense layer (benchmarks/training.py). Evaluation and export use plain operations.
Shapes: N images, H W space, C channels; scale and shift are [N, C] in float32.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_fused = tf.function(jit_compile=True, autograph=False)
_MOST_PIECES = 16  # each is a few lines of the compiled program


def per_channel(values: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """[N, C] or [N, H, C] as [N, 1, 1, C] or [N, H, 1, C], which broadcasts over the features' space."""
    values = tf.cast(values, dtype)
    return values[:, None, None, :] if values.shape.rank == 2 else values[:, :, None, :]


def boost(maps: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """relu((x - mean) / sqrt(variance + epsilon) * scale + shift) with the batch's own mean and variance.

    maps: x [N, H, W, C]. Returns y in the type of x, the mean and the variance of the population, both [C]; no gradient
    flows into the last two by themselves.
    """

    @tf.custom_gradient
    def apply(maps: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable[..., Any]]:
        zeros, ones = tf.zeros(maps.shape[-1]), tf.ones(maps.shape[-1])
        normal, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=maps, scale=ones, offset=zeros, mean=[], variance=[], epsilon=epsilon, is_training=True
        )

        def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            return _boost_gradient(normal, scale, shift, upstream, variance, epsilon)

        return (_scale_and_shift(normal, scale, shift), mean, variance), gradient

    return apply(maps, scale, shift)


@_fused
def _scale_and_shift(normal: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    boosted = tf.cast(normal, tf.float32) * per_channel(scale) + per_channel(shift)
    return tf.cast(tf.nn.relu(boosted), normal.dtype)


def _boost_gradient(
    normal: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, upstream: tf.Tensor, variance: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients with respect to x, scale and shift. With z = norm(x) and d = upstream where y > 0, 0 elsewhere:

    to shift = sum_hw d        to scale = sum_hw d z
    to x     = (d scale - mean_nhw(d scale) - z mean_nhw(d scale z)) / sqrt(variance + epsilon)
    """
    to_shift, to_scale = _sums(normal, scale, shift, upstream)
    count = tf.cast(tf.size(normal) // normal.shape[-1], tf.float32)
    variance = variance * (tf.maximum(count, 2) - 1) / count  # of the batch, from that of the population
    mean = tf.reduce_sum(to_shift * scale, 0) / count
    slope = tf.reduce_sum(to_scale * scale, 0) / count
    to_maps = _through_norm(normal, scale, shift, upstream, mean, slope, tf.math.rsqrt(variance + epsilon))
    return to_maps, to_scale, to_shift


@_fused
def _sums(normal: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(sum_hw d, sum_hw d z), [N, C] each.

    Most of it as additions of pieces of the map, which XLA fuses with the computation of d; its own sums it does not.
    """
    _, height, width, channels = normal.shape
    pieces = max(count for count in range(1, _MOST_PIECES + 1) if height * width % count == 0)
    split = [-1, pieces, height * width // pieces, channels]
    normal, upstream = tf.reshape(normal, split), tf.reshape(upstream, split)
    scale, shift = scale[:, None, :], shift[:, None, :]
    to_shift = to_scale = 0.0
    for piece in range(pieces):
        inside, value = _inside(normal[:, piece], scale, shift, upstream[:, piece])
        to_shift += inside
        to_scale += inside * value
    return tf.reduce_sum(to_shift, 1), tf.reduce_sum(to_scale, 1)


@_fused
def _through_norm(
    normal: tf.Tensor,
    scale: tf.Tensor,
    shift: tf.Tensor,
    upstream: tf.Tensor,
    mean: tf.Tensor,
    slope: tf.Tensor,
    inverse: tf.Tensor,
) -> tf.Tensor:
    inside, value = _inside(normal, per_channel(scale), per_channel(shift), upstream)
    return tf.cast((inside * per_channel(scale) - mean - value * slope) * inverse, normal.dtype)


def _inside(normal: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """d, the upstream gradient where relu lets it through, and z, both in float32."""
    value = tf.cast(normal, tf.float32)
    return tf.where(value * scale + shift > 0, tf.cast(upstream, tf.float32), 0.0), value


@tf.custom_gradient
def silence(maps: tf.Tensor, gains: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
    """x M in the type of x [N, H, W, C]. gains: M [N, C] or [N, H, C] in float32, whose gradient is summed in float32."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _scaled(upstream, gains), _products(upstream, maps, gains.shape.rank)

    return _scaled(maps, gains), gradient


@_fused
def _scaled(maps: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(maps, tf.float32) * per_channel(gains), maps.dtype)


@_fused
def _products(upstream: tf.Tensor, maps: tf.Tensor, rank: int) -> tf.Tensor:
    """Sums over what gains of `rank` dimensions stand for: H and W, or W."""
    return tf.reduce_sum(tf.cast(upstream, tf.float32) * tf.cast(maps, tf.float32), (1, 2) if rank == 2 else (2,))


@tf.custom_gradient
def with_mean(maps: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., Any]]:
    """(x, its mean over space [N, C] in float32), x: [N, H, W, C]."""
    _, height, width, _ = maps.shape
    mean = tf.cast(tf.nn.avg_pool2d(maps, (height, width), 1, 'VALID')[:, 0, 0], tf.float32)

    def gradient(to_maps: tf.Tensor, to_mean: tf.Tensor) -> tf.Tensor:
        return _add_per_channel(to_maps, to_mean / (height * width))

    return (tf.identity(maps), mean), gradient


@_fused
def _add_per_channel(maps: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(maps, tf.float32) + per_channel(values), maps.dtype)
