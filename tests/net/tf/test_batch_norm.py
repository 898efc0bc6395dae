"""The fused batch norm against Keras's own."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.net.tf.batch_norm import BatchNormalization


@pytest.fixture
def maps() -> Any:
    return np.random.default_rng(1).normal(2.0, 3.0, (6, 5, 4, 3)).astype('float32')


@pytest.mark.parametrize('options', [{}, {'center': False, 'scale': False}, {'epsilon': 0.01, 'momentum': 0.5}])
@pytest.mark.parametrize('training', [True, False])
def test_fused_batch_norm_equals_that_of_keras(maps: Any, options: dict[str, Any], training: bool) -> None:
    fused, plain = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    for layer in (fused, plain):
        layer.build(maps.shape)
        layer.set_weights([np.linspace(0.5, 2.0, 3, dtype='float32') for _ in layer.weights])
    np.testing.assert_allclose(fused(maps, training=training), plain(maps, training=training), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fused.moving_mean, plain.moving_mean, rtol=1e-5)


def test_the_moving_variance_is_that_of_the_population(maps: Any) -> None:
    layer = BatchNormalization(momentum=0.0)
    layer(maps, training=True)
    np.testing.assert_allclose(layer.moving_variance, maps.reshape(-1, 3).var(0, ddof=1), rtol=1e-4)


def test_gradients_equal_those_of_keras(maps: Any) -> None:
    gradients = []
    for layer in (BatchNormalization(), keras.layers.BatchNormalization()):
        layer.build(maps.shape)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(layer(maps, training=True)))
        gradients.append(tape.gradient(loss, layer.trainable_variables))
    for fused, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-4)


def test_a_frozen_layer_keeps_its_statistics_and_uses_them(maps: Any) -> None:
    layer = BatchNormalization()
    layer.trainable = False
    layer.build(maps.shape)
    np.testing.assert_allclose(layer(maps, training=True), maps / np.sqrt(1.001), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_sixteen_bit_maps_stay_in_sixteen_bits_with_exact_statistics(maps: Any) -> None:
    layer = BatchNormalization(dtype='mixed_bfloat16', momentum=0.0)
    assert layer(maps, training=True).dtype == tf.bfloat16
    np.testing.assert_allclose(layer.moving_mean, maps.mean((0, 1, 2)), rtol=1e-2)
