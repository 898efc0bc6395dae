"""Hadamard layers, separable convolutions and zipf compute what NumPy does from their definitions."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.estimate import estimate
from mayo.layers import Shape, read_layer
from mayo.net.graph import build_graph
from mayo.net.tf.compact import unsupported
from mayo.net.tf.layer.hadamard import transformed
from mayo.net.tf.network import Network
from mayo.util.errors import UserError

IMAGES = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype(np.float32)
NORM = {'normalizer_fn': 'tensorflow.contrib.slim.batch_norm', 'normalizer_params': {'scale': True, 'epsilon': 0.01}}
LINEAR: dict[str, Any] = {'kernel_size': 3, 'activation_fn': None}


def sylvester(size: int) -> Any:
    """H of size 2 m is [[H, H], [H, -H]] of size m."""
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def network(layer: dict[str, Any]) -> tuple[Network, dict[str, Any]]:
    """A network of one layer, with random variables, and these."""
    graph = build_graph({'x': layer}, {'from': 'input', 'with': 'x', 'to': 'output'}, of_original=True)
    built = Network(graph, Shape(IMAGES.shape[1:]), 'model')
    random = np.random.default_rng(1)
    for variable in built.named_variables().values():
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return built, {name.removeprefix('x/'): variable.numpy() for name, variable in built.named_variables().items()}


def outputs(built: Network) -> Any:
    return built(IMAGES, training=False)[0].numpy()


def each_channel(weights: Any) -> Any:
    """A depthwise convolution of the images, 3 x 3 without padding. weights: [3, 3, C', multiplier]."""
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), (1, 2))
    return np.einsum('nhwcij,ijcm->nhwcm', windows, weights).reshape(*windows.shape[:3], -1)


def normed(values: Any, own: dict[str, Any]) -> Any:
    mean, variance, gamma, beta = (own[f'BatchNorm/{part}'] for part in ('moving_mean', 'moving_variance', 'gamma', 'beta'))
    return (values - mean) / np.sqrt(variance + 0.01) * gamma + beta


@pytest.mark.parametrize('channels', [1, 2, 8, 64])
@pytest.mark.parametrize('block', [0, 1, 2, 16, 128])
def test_a_transform_is_the_product_with_the_matrix_of_runs_that_are_mixed(channels: int, block: int) -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, channels)).astype(np.float32)
    run = min(max(block, 1), channels)
    matrix = np.kron(sylvester(channels // run), np.eye(run))
    np.testing.assert_allclose(transformed(tf.constant(values), block), values @ matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('more', [{}, {'num_outputs': 4}])
def test_hadamard_scales_mixes_normalizes_and_activates(more: dict[str, Any]) -> None:
    built, own = network({'type': 'hadamard', 'variable_scales': True, **NORM, **more})
    mixed = IMAGES * own['channel_scale'] @ sylvester(4)
    np.testing.assert_allclose(outputs(built), np.maximum(normed(mixed, own), 0), rtol=1e-4, atol=1e-4)
    plain, own = network({'type': 'hadamard', 'activation_fn': None, **more})
    assert own == {}
    np.testing.assert_allclose(outputs(plain), IMAGES @ sylvester(4), rtol=1e-4, atol=1e-4)


def test_scales_start_so_that_lengths_stay() -> None:
    graph = build_graph({'x': {'type': 'hadamard', 'variable_scales': True}}, {'from': 'input', 'with': 'x', 'to': 'output'})
    [scale] = Network(graph, Shape((6, 5, 64)), 'model').named_variables().values()
    np.testing.assert_allclose(scale, 64**-0.5, atol=0.0021)
    assert np.std(scale) > 0


@pytest.mark.parametrize(('outputs_of_layer', 'times'), [(None, 1), (4, 1), (8, 2), (16, 4)])
def test_a_hadamard_convolution_mixes_what_a_depthwise_one_makes(outputs_of_layer: int | None, times: int) -> None:
    built, own = network(
        {'type': 'hadamard_convolution', **LINEAR, 'padding': 'valid', 'num_outputs': outputs_of_layer, **NORM, 'block': 2}
    )
    name = 'depthwise_weights' if times == 1 else 'groupwise_weights'
    assert own[name].shape == ((3, 3, 4, 1) if times == 1 else (3, 3, 1, 4 * times))
    features = each_channel(own[name].reshape(3, 3, 4, times)) + own['biases']
    mixed = features @ np.kron(sylvester(2 * times), np.eye(2))
    np.testing.assert_allclose(outputs(built), normed(mixed, own), rtol=1e-4, atol=1e-4)


def test_a_separable_convolution_has_nothing_between_its_halves() -> None:
    layer = {'type': 'depthwise_separable_convolution', **LINEAR, 'padding': 'valid', 'num_outputs': 3, 'depth_multiplier': 2}
    built, own = network(layer)
    expected = each_channel(own['depthwise_weights']) @ own['pointwise_weights'][0, 0] + own['biases']
    np.testing.assert_allclose(outputs(built), expected, rtol=1e-4, atol=1e-4)
    built, own = network({**layer, **NORM})
    expected = normed(each_channel(own['depthwise_weights']) @ own['pointwise_weights'][0, 0], own)
    np.testing.assert_allclose(outputs(built), expected, rtol=1e-4, atol=1e-3)
    built, own = network({**layer, 'num_outputs': None})
    np.testing.assert_allclose(outputs(built), each_channel(own['depthwise_weights']) + own['biases'], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('keys', 'depthwise', 'pointwise'),
    [
        ({'weights_regularizer': 0.1}, 0.1, 0.1),
        ({'weights_regularizer': 0.1, 'pointwise_regularizer': 0.3}, 0.1, 0.3),
        ({'depthwise_regularizer': None, 'pointwise_regularizer': 0.3}, 0, 0.3),
        ({'depthwise_regularizer': 0.2, 'pointwise_regularizer': None}, 0.2, 0),
    ],
)
def test_each_half_of_a_separable_convolution_has_its_regularizer(keys: Any, depthwise: float, pointwise: float) -> None:
    scales = {
        key: scale and {'type': 'tensorflow.contrib.layers.l2_regularizer', 'scale': scale} for key, scale in keys.items()
    }
    built, own = network({'type': 'depthwise_separable_convolution', **LINEAR, 'num_outputs': 3, **scales})
    squares = {name: np.square(own[f'{name}_weights']).sum() / 2 for name in ('depthwise', 'pointwise')}
    expected = depthwise * squares['depthwise'] + pointwise * squares['pointwise']
    assert float(built.regularization({})) == pytest.approx(expected, rel=1e-5)


def test_zipf_gives_each_channel_its_share() -> None:
    built, own = network({'type': 'zipf'})
    np.testing.assert_allclose(outputs(built), IMAGES * np.array([12, 6, 4, 3]) / 25, rtol=1e-5)
    assert own == {}


@pytest.mark.parametrize(
    ('keys', 'macs'),
    [
        ({'type': 'hadamard', 'variable_scales': True, **NORM}, 0),
        ({'type': 'zipf'}, 0),
        ({'type': 'hadamard_convolution', 'kernel_size': 3}, 30 * 9 * 4),
        ({'type': 'hadamard_convolution', 'kernel_size': 3, 'num_outputs': 8, 'padding': 'valid'}, 12 * 9 * 8),
        ({'type': 'depthwise_separable_convolution', 'kernel_size': 3, 'num_outputs': 6, 'stride': 2}, 9 * (9 * 4 + 4 * 6)),
        ({'type': 'depthwise_separable_convolution', 'kernel_size': 3, 'depth_multiplier': 2}, 30 * 9 * 8),
    ],
)
def test_multiply_accumulates_are_those_of_convolutions(keys: dict[str, Any], macs: int) -> None:
    built, own = network(keys)
    [cost] = estimate(built.graph, Shape(IMAGES.shape[1:]))
    assert (cost.dense, cost.executed) == (macs, macs)
    assert cost.trainable + cost.state == sum(value.size for value in own.values())
    assert unsupported(built.graph) == [f'x: compact execution knows no layer of type `{keys["type"]}`.']


@pytest.mark.parametrize(
    ('kind', 'keys', 'channels', 'message'),
    [
        ('hadamard', {}, 6, '`hadamard` mixes 1, 2, 4, 8, ... channels, and not 6.'),
        ('hadamard', {'num_outputs': 8}, 4, '`hadamard` has as many outputs as input channels, 4, and not 8.'),
        ('hadamard', {'block': 3}, 4, 'block is 3, expected 0 or a power of two.'),
        (
            'hadamard_convolution',
            {'kernel_size': 3, 'num_outputs': 12},
            4,
            '`hadamard_convolution` mixes 1, 2, 4, 8, ... channels',
        ),
        ('hadamard_convolution', {'kernel_size': 3, 'num_outputs': 8}, 3, 'a multiple of its 3 input channels, and not 8.'),
        ('hadamard_convolution', {'kernel_size': 3, 'depth_multiplier': 2}, 4, '`hadamard_convolution` takes no such key'),
    ],
)
def test_what_cannot_be_mixed_is_told(kind: str, keys: dict[str, Any], channels: int, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_layer(kind, keys).output([Shape((6, 5, channels))])
    assert message in str(error.value)


def test_the_number_of_outputs_of_a_depthwise_convolution_may_be_told_in_old_ways() -> None:
    keys = {'kernel_size': 3, 'rate': 1, 'depth_multiplier': 1}
    assert read_layer('hadamard_convolution', keys, of_original=True) == read_layer('hadamard_convolution', {'kernel_size': 3})
