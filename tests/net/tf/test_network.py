"""The network of a graph: names, seeds, precision, what the loss adds, what training changes."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.network import Network

NORM = {'normalizer_fn': 'keras.layers.BatchNormalization'}
CONV: dict[str, Any] = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 4, **NORM}
GATED = CONV | {'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
LOGITS: dict[str, Any] = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3, 'activation_fn': None}
HEAD: dict[str, Any] = {'pool': {'type': 'average_pool'}, 'logits': LOGITS, 'flat': {'type': 'flatten'}}


def network(layers: dict[str, Any], seed: Any = 0) -> Network:
    """Layers one after the other, then global pool, logits and flatten, on maps [6, 6, 3]."""
    graph = build_graph(layers | HEAD, {'from': 'input', 'with': [*layers, *HEAD], 'to': 'output'})
    return Network(graph, Shape((6, 6, 3)), 'model', seed)


@pytest.fixture(scope='module')
def images() -> Any:
    return np.random.default_rng(0).normal(size=(5, 6, 6, 3)).astype('float32')


def test_it_returns_the_logits_and_what_each_gate_did(images: Any) -> None:
    outputs, stats = network({'conv': CONV, 'gated': GATED, 'last': GATED})(images)
    assert (outputs.shape, outputs.dtype) == ((5, 3), tf.float32)
    assert list(stats) == ['gated', 'last']
    assert stats['last'].saliency.shape == stats['last'].mask.shape == (5, 4)
    assert stats['last'].penalty.shape == ()


def test_variables_have_their_names_in_checkpoints() -> None:
    inner = {'a': CONV, 'b': GATED}
    block = {'type': 'module', 'layers': inner, 'graph': {'from': 'input', 'with': ['a', 'b'], 'to': 'output'}}
    names = network({'b1': block, 'deep': {'type': 'depthwise_convolution', 'kernel_size': 3}}).named_variables()
    norm = ['moving_mean', 'moving_variance']
    assert list(names) == [
        'b1/a/weights',
        *(f'b1/a/BatchNorm/{name}' for name in ('gamma', 'beta', *norm)),
        'b1/b/weights',
        *(f'b1/b/BatchNorm/{name}' for name in norm),
        'b1/b/gate/weights',
        'b1/b/gate/biases',
        'b1/b/gate/shift',
        'deep/depthwise_weights',
        'deep/biases',
        'logits/weights',
        'logits/biases',
    ]


def test_every_weight_is_named_once() -> None:
    net = network({'a': CONV, 'b': GATED | {'gate_params': {'density': 0.5, 'threshold': 'global', 'factor': 2}}})
    named = net.named_variables()
    assert sorted(map(id, named.values())) == sorted(map(id, net.weights))
    assert 'gate/threshold' in named


def test_weights_depend_on_the_seed_alone() -> None:
    def weights(seed: int) -> dict[Any, Any]:
        net = network({'a': CONV, 'b': GATED}, seed=seed)
        return {name: variable.numpy() for name, variable in net.named_variables().items()}

    first, same, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(first[name], same[name]) for name in first)
    for name in ('a/weights', 'b/weights', 'b/gate/weights', 'logits/weights'):
        assert not np.array_equal(first[name], other[name]), name


def test_the_image_of_a_batch_does_not_matter_to_the_others_at_evaluation(images: Any) -> None:
    net = network({'a': CONV, 'b': GATED})
    together = net(images)[0]
    alone = tf.concat([net(image[None])[0] for image in images], 0)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


def test_it_runs_as_a_graph_for_batches_of_any_size(images: Any) -> None:
    net = network({'a': CONV, 'drop': {'type': 'dropout', 'keep_prob': 0.5}, 'b': GATED})

    @tf.function(input_signature=[tf.TensorSpec((None, 6, 6, 3))])
    def forward(batch: Any) -> Any:
        return net(batch, training=False)[0]

    for count in (1, 5):
        np.testing.assert_allclose(forward(images[:count]), net(images[:count])[0], rtol=1e-4, atol=1e-6)


def test_training_reaches_dropout_and_batch_norm(images: Any) -> None:
    net = network({'a': CONV, 'drop': {'type': 'dropout', 'keep_prob': 0.5}})
    before = net.named_variables()['a/BatchNorm/moving_mean'].numpy()
    calm = net(images)[0]
    assert np.array_equal(net.named_variables()['a/BatchNorm/moving_mean'], before)
    wild = [net(images, training=True)[0].numpy() for _ in range(2)]
    assert not np.array_equal(net.named_variables()['a/BatchNorm/moving_mean'], before)
    assert not np.allclose(wild[0], wild[1])
    assert not np.allclose(wild[0], calm)


def test_random_states_are_variables_with_which_draws_repeat(images: Any) -> None:
    net = network({'drop': {'type': 'dropout', 'keep_prob': 0.5}})
    states = net.random_variables()
    assert list(states) == ['drop/seed']
    start = states['drop/seed'].numpy()
    first, second = net(images, training=True)[0], net(images, training=True)[0]
    states['drop/seed'].assign(start)
    np.testing.assert_array_equal(net(images, training=True)[0], first)
    np.testing.assert_array_equal(net(images, training=True)[0], second)


def test_the_state_of_a_generator_inside_a_layer_is_among_them() -> None:
    net = network({'gated': GATED})
    gate = net.node_layers['gated'].gate
    object.__setattr__(gate, 'seed_generator', keras.random.SeedGenerator(1))  # a gate that is built takes no new state
    assert list(net.random_variables()) == ['gated/seed']


def test_the_loss_adds_weight_regularizers_and_gate_penalties(images: Any) -> None:
    l2 = {'weights_regularizer': {'type': 'keras.regularizers.L2', 'l2': 0.5}}
    gate = {'gate_params': {'density': 0.5, 'regularizer': {'l1': 0.25}}}
    net = network({'a': CONV | l2, 'b': GATED | gate})
    _, stats = net(images)
    weights = net.named_variables()['a/weights'].numpy()
    expected = 0.5 * (weights**2).sum() + 0.25 * stats['b'].saliency.numpy().sum(1).mean()
    np.testing.assert_allclose(net.regularization(stats), expected, rtol=1e-5)
    bare = network({'a': CONV})
    assert float(bare.regularization({})) == 0


def test_under_mixed_precision_the_last_weights_and_what_follows_compute_in_float32(images: Any) -> None:
    keras.config.set_dtype_policy('mixed_bfloat16')
    try:
        net = network({'a': CONV, 'b': GATED})
    finally:
        keras.config.set_dtype_policy('float32')
    assert {name: layer.compute_dtype for name, layer in net.node_layers.items()} == {
        'a': 'bfloat16',
        'b': 'bfloat16',
        'pool': 'bfloat16',
        'logits': 'float32',
        'flat': 'float32',
    }
    assert {variable.dtype for variable in net.weights} == {'float32'}
    outputs, stats = net(images, training=True)
    assert outputs.dtype == stats['b'].saliency.dtype == tf.float32
    full = network({'a': CONV, 'b': GATED})(images, training=True)[0]
    np.testing.assert_allclose(outputs, full, atol=0.05)


def test_a_last_softmax_makes_probabilities(images: Any) -> None:
    graph = build_graph(HEAD | {'softmax': {'type': 'softmax'}}, {'from': 'input', 'with': [*HEAD, 'softmax'], 'to': 'output'})
    net = Network(graph, Shape((6, 6, 3)), 'model')
    assert net.is_probability
    np.testing.assert_allclose(tf.reduce_sum(net(images)[0], 1), np.ones(5), rtol=1e-5)
    assert not network({}).is_probability


def test_layers_of_the_yaml_that_do_not_train_are_left_alone() -> None:
    net = network({'a': CONV | {'trainable': False}, 'b': GATED})
    trains = [name for name, variable in net.named_variables().items() if variable.trainable]
    assert trains == ['b/weights', 'b/gate/weights', 'b/gate/biases', 'b/gate/shift', 'logits/weights', 'logits/biases']
    assert len(net.trainable_variables) == len(trains)


def test_gates_with_a_global_threshold_share_one_that_training_moves(images: Any) -> None:
    gate = {'gate_params': {'density': 0.5, 'threshold': 'global', 'decay': 0.75}}
    net = network({'a': GATED | gate, 'b': GATED | gate})
    threshold = net.named_variables()['gate/threshold']
    _, stats = net(images)
    assert all(stat.mask.numpy().sum() == (stat.saliency.numpy() > 0).sum() for stat in stats.values())
    assert float(threshold) == 0
    _, stats = net(images, training=True)
    together = np.concatenate([stat.saliency for stat in stats.values()], 1)
    np.testing.assert_allclose(threshold, np.sort(together, 1)[:, 3].mean(), rtol=1e-5)  # the fifth of eight


def test_a_graph_with_joins_and_several_outputs(images: Any) -> None:
    layers = {'a': CONV, 'b': CONV, 'sum': {'type': 'add'}, 'cat': {'type': 'concat'}}
    entries: list[Any] = [
        {'from': 'input', 'with': 'a', 'to': 'x'},
        {'from': 'input', 'with': 'b', 'to': 'y'},
        {'from': ['x', 'y'], 'with': 'sum', 'to': 'one'},
        {'from': ['x', 'y'], 'with': 'cat', 'to': 'two'},
    ]
    graph = build_graph(layers, entries, outputs=['one', 'two'])
    (total, both), stats = Network(graph, Shape((6, 6, 3)), 'model')(images)
    assert (total.shape, both.shape, stats) == ((5, 6, 6, 4), (5, 6, 6, 8), {})
    np.testing.assert_allclose(total, both[..., :4] + both[..., 4:], rtol=1e-6)


def test_activations_are_those_of_every_layer(images: Any) -> None:
    net = network({'a': CONV, 'b': GATED})
    values = net.activations(images)
    assert list(values) == ['a', 'b', 'pool', 'logits', 'flat']
    np.testing.assert_array_equal(values['flat'], net(images)[0])
