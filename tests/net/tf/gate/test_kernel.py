"""The fused steps equal the plain operations, forward and backward, whatever the size of the map."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.net.tf.gate.kernel import boost, per_channel, with_mean


def plain_boost(maps: Any, scale: Any, shift: Any, epsilon: Any) -> Any:
    mean, variance = tf.nn.moments(maps, [0, 1, 2])
    normal = (maps - mean) / tf.sqrt(variance + epsilon)
    return tf.nn.relu(normal * per_channel(scale) + per_channel(shift))


def slopes(function: Any, *arguments: Any, upstream: Any) -> tuple[Any, Any]:
    variables = [tf.Variable(argument) for argument in arguments]
    with tf.GradientTape() as tape:
        outputs = function(*variables)
    return outputs, tape.gradient(outputs, variables, output_gradients=tf.cast(upstream, outputs.dtype))


@pytest.mark.parametrize('size', [(1, 1), (4, 6), (17, 1), (5, 5)])  # 1, 12, 1 and 5 pieces
@pytest.mark.parametrize('images', [1, 3])
def test_boost_equals_batch_norm_scale_shift_and_relu(size: tuple[int, int], images: int) -> None:
    draw = np.random.default_rng(2)
    maps = draw.normal(2.0, 3.0, (images, *size, 4)).astype('float32')
    scale, shift = draw.gamma(1.0, 1.0, (2, images, 4)).astype('float32')
    scale[0, 0] = shift[0, 0] = 0  # suppressed
    upstream = draw.normal(size=maps.shape)
    fused, fused_slopes = slopes(
        lambda maps, scale, shift: boost(maps, scale, shift, 0.1)[0], maps, scale, shift, upstream=upstream
    )
    plain, plain_slopes = slopes(
        lambda maps, scale, shift: plain_boost(maps, scale, shift, 0.1), maps, scale, shift, upstream=upstream
    )
    np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(fused_slopes, plain_slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_boost_returns_the_moments_of_the_population() -> None:
    maps = np.random.default_rng(3).normal(2.0, 3.0, (3, 4, 5, 2)).astype('float32')
    _, mean, variance = boost(maps, tf.ones((3, 2)), tf.zeros((3, 2)), 0.001)
    np.testing.assert_allclose(mean, maps.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, maps.reshape(-1, 2).var(0, ddof=1), rtol=1e-4)


def test_sixteen_bit_maps_are_summed_in_float32() -> None:
    maps = tf.cast(np.random.default_rng(4).normal(0, 1.0, (2, 32, 32, 3)), tf.bfloat16)
    ones = tf.ones((2, 3))
    fused, gradients = slopes(
        lambda maps, scale, shift: boost(maps, scale, shift, 0.1)[0], maps, ones, ones * 9.0, upstream=tf.ones(maps.shape)
    )
    to_maps, to_scale, to_shift = gradients
    assert (fused.dtype, to_maps.dtype, to_scale.dtype) == (tf.bfloat16, tf.bfloat16, tf.float32)
    np.testing.assert_array_equal(to_shift, np.full((2, 3), 1024.0))  # bfloat16 cannot count beyond 256


def test_with_mean_is_the_source_and_its_mean_with_both_gradients() -> None:
    maps = np.random.default_rng(5).normal(size=(2, 3, 4, 5)).astype('float32')
    source = tf.Variable(maps)
    with tf.GradientTape() as tape:
        same, mean = with_mean(source)
        loss = tf.reduce_sum(same * maps) + tf.reduce_sum(mean * [1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(same, maps)
    np.testing.assert_allclose(mean, maps.mean((1, 2)), rtol=1e-5, atol=1e-6)
    expected = maps + np.array([1.0, 2.0, 3.0, 4.0, 5.0]) / 12
    np.testing.assert_allclose(tape.gradient(loss, source), expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_flows_for_a_batch_of_unknown_size() -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 2))])
    def slope(maps: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            source, mean = with_mean(maps)
            outputs, *_ = boost(source, mean, mean, 0.1)
        return tape.gradient(outputs, maps)

    for count in (1, 3):
        assert slope(tf.ones((count, 4, 4, 2))).shape == (count, 4, 4, 2)
