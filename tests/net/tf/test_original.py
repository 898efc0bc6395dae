"""Layers of a model of the original Mayo mean what they did there, computed by NumPy; compact execution says the same."""

from typing import Any

import numpy as np
import pytest

from mayo.layers import Shape, read_layer
from mayo.net.graph import build_graph
from mayo.net.tf.compact import CompactNetwork, lower_graph
from mayo.net.tf.network import Network
from mayo.util.errors import UserError

NORM = {
    'normalizer_fn': 'tensorflow.contrib.slim.batch_norm',
    'normalizer_params': {'scale': True, 'decay': 0.9, 'epsilon': 0.01},
}
CONV = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 2, 'activation_fn': None}
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)


def network(layers: dict[str, Any], shape: tuple[int, ...] = (6, 6, 4), of_original: bool = True) -> Network:
    graph = build_graph(layers, {'from': 'input', 'with': list(layers), 'to': 'output'}, of_original=of_original)
    built = Network(graph, Shape(shape), 'model')
    random = np.random.default_rng(1)
    for variable in built.named_variables().values():
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return built


def variables(built: Network) -> dict[str, Any]:
    return {name: variable.numpy() for name, variable in built.named_variables().items()}


def outputs(built: Network, images: Any = IMAGES) -> Any:
    """Of the masked network, which compact execution repeats."""
    masked = built(images, training=False)[0].numpy()
    program = lower_graph(built.graph, Shape(images.shape[1:]), variables(built))
    np.testing.assert_allclose(CompactNetwork(program)(images)[0], masked, rtol=1e-4, atol=1e-4)
    return masked


def relu(values: Any) -> Any:
    return np.maximum(values, 0)


def normed(values: Any, own: dict[str, Any], layer: str, epsilon: float = 0.01) -> Any:
    """layer: with what stands before the names of the norm's variables."""
    mean, variance, gamma, beta = (own[f'{layer}{part}'] for part in ('moving_mean', 'moving_variance', 'gamma', 'beta'))
    return (values - mean) / np.sqrt(variance + epsilon) * gamma + beta


def test_outputs_of_a_convolution_in_groups_are_per_group_and_biases_stay_beside_a_norm() -> None:
    built = network({'conv': {**CONV, **NORM, 'num_groups': 2, 'num_outputs': 3, 'activation_fn': 'tensorflow.nn.relu'}})
    own = variables(built)
    assert own['conv/groupwise_weights'].shape == (1, 1, 2, 6)
    weights = own['conv/groupwise_weights'][0, 0]
    mixed = np.concatenate([IMAGES[..., :2] @ weights[:, :3], IMAGES[..., 2:] @ weights[:, 3:]], -1) + own['conv/biases']
    np.testing.assert_allclose(outputs(built), relu(normed(mixed, own, 'conv/BatchNorm/')), rtol=1e-4, atol=1e-4)
    todays = network({'conv': {**CONV, 'num_groups': 2, 'num_outputs': 6}}, of_original=False)
    assert variables(todays)['conv/weights'].shape == (1, 1, 2, 6)


def test_force_biases_adds_them_before_the_norm() -> None:
    built = network({'conv': {**CONV, **NORM, 'force_biases': True}})
    own = variables(built)
    mixed = IMAGES @ own['conv/weights'][0, 0] + own['conv/biases']
    np.testing.assert_allclose(outputs(built), normed(mixed, own, 'conv/BatchNorm/'), rtol=1e-4, atol=1e-4)
    assert 'conv/biases' not in variables(network({'conv': {**CONV, **NORM}}))


@pytest.mark.parametrize(
    ('name', 'params', 'function'),
    [
        ('tensorflow.nn.leaky_relu', {'alpha': 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
        ('tensorflow.nn.leaky_relu', None, lambda x: np.where(x > 0, x, 0.2 * x)),
    ],
)
def test_activation_params_are_arguments_of_the_activation(name: str, params: Any, function: Any) -> None:
    for layer in (CONV, {'type': 'identity'}, {'type': 'batch_normalization'}):
        built = network({'layer': {**layer, 'activation_fn': name, 'activation_params': params}})
        plain = network({'layer': {**layer, 'activation_fn': None}})
        images = -IMAGES
        np.testing.assert_allclose(outputs(built, images), function(outputs(plain, images)), atol=1e-5)


def test_activation_params_go_with_the_activation_that_is_the_default() -> None:
    built = network(
        {'layer': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 2, 'activation_params': {'max_value': 0.5}}}
    )
    assert outputs(built).max() == 0.5


def test_fully_connected_acts_on_the_last_axis_of_a_map() -> None:
    built = network({'fc': {'type': 'fully_connected', 'num_outputs': 3}})
    own = variables(built)
    np.testing.assert_allclose(outputs(built), relu(IMAGES @ own['fc/weights'] + own['fc/biases']), rtol=1e-4, atol=1e-4)


PADS = [(1, (1, 1), (1, 1)), ([1, 2], (1, 1), (2, 2)), ([[0, 1], [2, 0]], (0, 1), (2, 0)), ([1, [0, 2]], (1, 1), (0, 2))]


@pytest.mark.parametrize(('padding', 'rows', 'columns'), PADS)
@pytest.mark.parametrize('kind', ['max_pool', 'average_pool', 'convolution', 'depthwise_convolution'])
def test_numbers_for_padding_are_zeros_that_take_part(kind: str, padding: Any, rows: Any, columns: Any) -> None:
    more = {'num_outputs': 2} if kind == 'convolution' else {}
    layer: dict[str, Any] = {'type': kind, 'kernel_size': 2, 'stride': 1, 'padding': padding, **more}
    built = network({'layer': layer})
    padded = np.pad(IMAGES - 3, [(0, 0), rows, columns, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), (1, 2))
    own = variables(built)
    if kind == 'convolution':
        expected = relu(np.einsum('nhwcij,ijco->nhwo', windows, own['layer/weights']) + own['layer/biases'])
    elif kind == 'depthwise_convolution':
        expected = relu(np.einsum('nhwcij,ijco->nhwc', windows, own['layer/depthwise_weights']) + own['layer/biases'])
    else:
        expected = windows.max((-2, -1)) if kind == 'max_pool' else windows.mean((-2, -1))
    np.testing.assert_allclose(outputs(built, IMAGES - 3), expected, rtol=1e-4, atol=1e-4)


def test_a_pool_of_one_value_is_the_identity_unless_it_has_a_stride() -> None:
    np.testing.assert_array_equal(outputs(network({'pool': {'type': 'max_pool', 'kernel_size': 1}})), IMAGES)
    strided = network({'pool': {'type': 'average_pool', 'kernel_size': [1, 1], 'stride': 2}})
    np.testing.assert_allclose(outputs(strided), IMAGES[:, ::2, ::2], atol=1e-6)
    todays = network({'pool': {'type': 'max_pool', 'kernel_size': 1}}, of_original=False)
    assert outputs(todays).shape == (2, 3, 3, 4)


def test_batch_normalization_as_a_layer_has_variables_of_the_layer_and_defaults_of_slim() -> None:
    built = network({'norm': {'type': 'batch_normalization'}})
    assert set(variables(built)) == {'norm/beta', 'norm/moving_mean', 'norm/moving_variance'}
    assert built.graph['norm'].params.momentum == 0.999
    built = network(
        {'norm': {'type': 'batch_normalization', 'decay': 0.9, 'normalizer_params': {'scale': True, 'epsilon': 0.01}}}
    )
    own = variables(built)
    np.testing.assert_allclose(outputs(built), normed(IMAGES, own, 'norm/'), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', ['tensorflow.contrib.slim.batch_norm', 'mayo.objects.normalize.custom_batch_norm'])
def test_both_batch_norms_of_the_original_are_slims(name: str) -> None:
    built = network({'conv': {**CONV, 'normalizer_fn': name}})
    own = variables(built)
    assert 'conv/BatchNorm/gamma' not in own
    assert built.graph['conv'].params.normalizer_fn.kwargs['momentum'] == 0.999
    own['conv/BatchNorm/gamma'] = 1.0
    expected = normed(IMAGES @ own['conv/weights'][0, 0], own, 'conv/BatchNorm/', 0.001)
    np.testing.assert_allclose(outputs(built), expected, rtol=1e-4, atol=1e-4)


def test_squeeze_drops_whatever_is_one() -> None:
    pixel = IMAGES[:, :1, :1]
    np.testing.assert_array_equal(outputs(network({'s': {'type': 'squeeze'}}, (1, 1, 4)), pixel), pixel[:, 0, 0])
    np.testing.assert_array_equal(outputs(network({'s': {'type': 'squeeze'}})), IMAGES)


@pytest.mark.parametrize('axis', [3, -1])
def test_concat_names_the_axis_of_the_channels(axis: int) -> None:
    layers = {'a': CONV, 'cat': {'type': 'concat', 'axis': axis}}
    graph = build_graph(
        layers, [{'from': 'input', 'with': 'a', 'to': 'x'}, {'from': ['x', 'input'], 'with': 'cat', 'to': 'output'}]
    )
    built = Network(graph, Shape((6, 6, 4)), 'model')
    np.testing.assert_array_equal(built(IMAGES)[0][..., 2:], IMAGES)


def test_pad_and_crop_by_their_old_keys() -> None:
    layers = {'pad': {'type': 'pad', 'padding': [[0, 1], [2, 0]]}, 'crop': {'type': 'crop', 'cropping': [[1, 0], [0, 3]]}}
    expected = np.pad(IMAGES, [(0, 0), (0, 1), (2, 0), (0, 0)])[:, 1:, :-3]
    np.testing.assert_array_equal(outputs(network(layers)), expected)


@pytest.mark.parametrize(('of_original', 'trained'), [(True, {'BatchNorm/gamma', 'BatchNorm/beta'}), (False, set())])
def test_a_layer_that_does_not_train_has_a_norm_that_did_train(of_original: bool, trained: set[str]) -> None:
    built = network({'conv': {**CONV, **NORM, 'trainable': False}}, of_original=of_original)
    names = {name for name, variable in built.named_variables().items() if variable.trainable}
    assert {name.removeprefix('conv/') for name in names} == trained
    assert {
        tensor.name for tensor in built.graph['conv'].params.tensors(4) if tensor.trained and built.graph['conv'].params.trains
    } == trained


def test_a_module_took_any_key() -> None:
    module = {'type': 'module', 'unread': 1, 'layers': {'a': CONV}, 'graph': {'from': 'input', 'with': 'a', 'to': 'output'}}
    assert [node.name for node in network({'m': module}).graph] == ['m/a']
    with pytest.raises(UserError, match='unknown key `unread`'):
        network({'m': module}, of_original=False)


@pytest.mark.parametrize(
    'keys',
    [{'activation_params': None}, {'activation_params': {}}]
    + [{key: None} for key in ('stride', 'num_groups', 'force_biases', 'rate')]
    + [{'rate': [1, 1]}],
    ids=str,
)
def test_what_says_nothing_leaves_a_layer_as_it_is(keys: dict[str, Any]) -> None:
    layer = {'kernel_size': 3, 'num_outputs': 2}
    assert read_layer('convolution', {**layer, **keys}, of_original=True) == read_layer('convolution', layer, of_original=True)
