"""A layer of the original, and what a graph of TensorFlow 1 with slim's semantics computes: one list, and each question of all.

The graphs use tf.compat.v1 and tf.raw_ops alone; weights and gradients are compared as well as values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.loss import cross_entropy
from mayo.net.tf.network import Network

v1 = tf.compat.v1
IMAGES = np.random.default_rng(0).normal(size=(4, 7, 6, 4)).astype(np.float32)
SLIM = {'normalizer_fn': 'tensorflow.contrib.slim.batch_norm', 'normalizer_params': {'decay': 0.9, 'epsilon': 0.01}}
L2 = {'type': 'tensorflow.contrib.layers.l2_regularizer', 'scale': 0.02}
L1 = {'type': 'tensorflow.contrib.layers.l1_regularizer', 'scale': 0.03}
Own = dict[str, Any]
MOVING = ('moving_mean', 'moving_variance')


def padded(x: Any, padding: Any) -> tuple[Any, str]:
    """Numbers are zeros around, then VALID."""
    if isinstance(padding, str):
        return x, padding.upper()
    rows, columns = padding if isinstance(padding, list) else (padding, padding)
    around = [(side, side) if isinstance(side, int) else tuple(side) for side in (rows, columns)]
    return tf.pad(x, [(0, 0), *around, (0, 0)]), 'VALID'


def convolved(x: Any, own: Own, stride: int = 1, padding: Any = 'same', groups: int = 1) -> Any:
    """In groups: each reads its share of the channels, and the results lie side by side."""
    x, how = padded(x, padding)
    if groups == 1:
        return v1.nn.conv2d(x, own['weights'], [1, stride, stride, 1], how)
    sources, weights = tf.split(x, groups, -1), tf.split(own['groupwise_weights'], groups, -1)
    parts = [v1.nn.conv2d(part, own_part, [1, stride, stride, 1], how) for part, own_part in zip(sources, weights, strict=True)]
    return tf.concat(parts, -1)


def depthwise(x: Any, own: Own, stride: int = 1, padding: Any = 'same') -> Any:
    x, how = padded(x, padding)
    return v1.nn.depthwise_conv2d(x, own['depthwise_weights'], [1, stride, stride, 1], how)


def normed(x: Any, own: Own, training: bool, epsilon: float = 0.01, above: str = 'BatchNorm/') -> Any:
    """slim's, by the operation that it is fused to."""
    mean, variance = (own[f'{above}{part}'] for part in MOVING)
    scale = own.get(f'{above}gamma', tf.ones_like(mean))
    shift = own.get(f'{above}beta', tf.zeros_like(mean))
    statistics = [[], []] if training else [mean, variance]
    raw = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=shift, mean=statistics[0], variance=statistics[1], epsilon=epsilon, is_training=training
    )
    return raw.y


def pooled(kind: str, kernel: int, stride: int, padding: Any) -> Callable[..., Any]:
    def pool(x: Any, own: Own, training: bool) -> Any:
        x, how = padded(x, padding)
        pooling = v1.nn.max_pool if kind == 'max' else v1.nn.avg_pool
        return pooling(x, [1, kernel, kernel, 1], [1, stride, stride, 1], how)

    return pool


def conv(**keys: Any) -> dict[str, Any]:
    return {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 6, **keys}


# {what it shows: (layer, graph(x, variables, training))}
LAYERS: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {
    'same': (conv(), lambda x, own, _: tf.nn.relu(convolved(x, own) + own['biases'])),
    'same, strided': (conv(stride=2), lambda x, own, _: tf.nn.relu(convolved(x, own, 2) + own['biases'])),
    'valid': (conv(padding='VALID'), lambda x, own, _: tf.nn.relu(convolved(x, own, padding='valid') + own['biases'])),
    'valid, strided': (conv(padding='valid', stride=2), lambda x, own, _: tf.nn.relu(convolved(x, own, 2, 'valid') + own['biases'])),
    'zeros around': (conv(padding=1, stride=2), lambda x, own, _: tf.nn.relu(convolved(x, own, 2, 1) + own['biases'])),
    'zeros on sides': (
        conv(padding=[[0, 2], 1]),
        lambda x, own, _: tf.nn.relu(convolved(x, own, padding=[[0, 2], 1]) + own['biases']),
    ),
    'no activation': (conv(activation_fn=None), lambda x, own, _: convolved(x, own) + own['biases']),
    'leaky': (
        conv(activation_fn='tensorflow.nn.leaky_relu', activation_params={'alpha': 0.1}),
        lambda x, own, _: tf.nn.leaky_relu(convolved(x, own) + own['biases'], 0.1),
    ),
    'slim norm': (conv(**SLIM), lambda x, own, training: tf.nn.relu(normed(convolved(x, own), own, training))),
    'own norm': (
        conv(normalizer_fn='mayo.objects.normalize.custom_batch_norm', normalizer_params={'scale': True, 'epsilon': 0.01}),
        lambda x, own, training: tf.nn.relu(normed(convolved(x, own), own, training)),
    ),
    'norm of defaults': (
        conv(normalizer_fn='tensorflow.contrib.slim.batch_norm'),
        lambda x, own, training: tf.nn.relu(normed(convolved(x, own), own, training, 0.001)),
    ),
    'forced biases': (
        conv(force_biases=True, **SLIM),
        lambda x, own, training: tf.nn.relu(normed(convolved(x, own) + own['biases'], own, training)),
    ),
    'groups': (conv(num_groups=2, num_outputs=3), lambda x, own, _: tf.nn.relu(convolved(x, own, groups=2) + own['biases'])),
    'groups, norm': (
        conv(num_groups=4, num_outputs=2, **SLIM),
        lambda x, own, training: tf.nn.relu(normed(convolved(x, own, groups=4) + own['biases'], own, training)),
    ),
    'depthwise': (
        {'type': 'depthwise_convolution', 'kernel_size': 3, 'depth_multiplier': 2, 'stride': 2},
        lambda x, own, _: tf.nn.relu(depthwise(x, own, 2) + own['biases']),
    ),
    'depthwise, norm': (
        {'type': 'depthwise_convolution', 'kernel_size': 3, 'padding': 1, 'activation_fn': 'tensorflow.nn.relu6', **SLIM},
        lambda x, own, training: tf.nn.relu6(normed(depthwise(x, own, padding=1), own, training)),
    ),
    'fully connected on a map': (
        {'type': 'fully_connected', 'num_outputs': 5},
        lambda x, own, _: tf.nn.relu(tf.tensordot(x, own['weights'], 1) + own['biases']),
    ),
    'norm as a layer': (
        {'type': 'batch_normalization', 'scale': True, 'activation_fn': 'tensorflow.nn.relu'},
        lambda x, own, training: tf.nn.relu(normed(x, own, training, 0.001, '')),
    ),
    'regularized': (
        conv(weights_regularizer=L2, biases_regularizer=L1),
        lambda x, own, _: tf.nn.relu(convolved(x, own) + own['biases']),
    ),
    **{
        f'{kind} pool, {kernel} by {stride}, {padding}': (
            {'type': f'{"max" if kind == "max" else "average"}_pool', 'kernel_size': kernel, 'stride': stride, 'padding': padding},
            pooled(kind, kernel, stride, padding),
        )
        for kind in ('max', 'average')
        for kernel, stride, padding in ((2, 2, 'valid'), (3, 2, 'same'), (3, 1, 'SAME'), (3, 2, 1), (2, 1, [[1, 0], [0, 1]]))
    },
    'pool of defaults': ({'type': 'max_pool', 'kernel_size': 3}, pooled('max', 3, 2, 'valid')),
    'normalized by neighbours': (
        {'type': 'local_response_normalization', 'depth_radius': 1, 'bias': 2, 'alpha': 0.5, 'beta': 0.75},
        lambda x, own, _: v1.nn.local_response_normalization(x, 1, 2, 0.5, 0.75),
    ),
    'space to depth': (
        {'type': 'module', 'layers': {'a': {'type': 'pad', 'padding': [[0, 1], 0]}, 'b': {'type': 'space_to_depth', 'block_size': 2}},
         'graph': {'from': 'input', 'with': ['a', 'b'], 'to': 'output'}},
        lambda x, own, _: v1.space_to_depth(tf.pad(x, [(0, 0), (0, 1), (0, 0), (0, 0)]), 2),
    ),
    'dropout is off': ({'type': 'dropout', 'keep_prob': 0.3}, lambda x, own, training: None if training else x),
}  # fmt: skip


def network(layer: dict[str, Any]) -> Network:
    """Of the layer alone, each of its variables drawn at random."""
    graph = build_graph({'x': layer}, {'from': 'input', 'with': 'x', 'to': 'output'}, of_original=True)
    built = Network(graph, Shape(IMAGES.shape[1:]), 'model')
    random = np.random.default_rng(1)
    for name, variable in built.named_variables().items():
        drawn = random.uniform(0.5, 1.5, variable.shape) if 'BatchNorm' in name else random.normal(0, 0.5, variable.shape)
        variable.assign(np.abs(drawn) if name.endswith('variance') else drawn)
    return built


def own_of(built: Network) -> Own:
    return {name.removeprefix('x/'): variable.numpy() for name, variable in built.named_variables().items()}


def in_tf1(graph: Callable[..., Any], own: Own, training: bool) -> tuple[Any, dict[str, Any]]:
    """(outputs, gradients of half the sum of their squares by variable) in a session; (None, {}) where nothing is to compare."""
    with tf.Graph().as_default(), v1.Session() as session:
        tensors = {name: tf.constant(value) for name, value in own.items()}
        outputs = graph(tf.constant(IMAGES), tensors, training)
        if outputs is None:
            return None, {}
        trained = {name: tensor for name, tensor in tensors.items() if not name.endswith(MOVING)}
        slopes = v1.gradients(tf.reduce_sum(outputs**2) / 2, list(trained.values()))
        return session.run((outputs, dict(zip(trained, slopes, strict=True))))


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('name', LAYERS)
@pytest.mark.usefixtures('eager')
def test_a_layer_computes_and_learns_as_its_graph_in_tensorflow_1(name: str, training: bool) -> None:
    layer, graph = LAYERS[name]
    built = network(layer)
    own = own_of(built)
    expected, slopes = in_tf1(graph, own, training)
    if expected is None:
        return
    named = {key.removeprefix('x/'): variable.value for key, variable in built.named_variables().items()}
    with tf.GradientTape() as tape:
        outputs = built(IMAGES, training=training)[0]
        loss = tf.reduce_sum(outputs**2) / 2
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)
    for key, slope in tape.gradient(loss, {key: named[key] for key in slopes}).items():
        np.testing.assert_allclose(slope, slopes[key], rtol=1e-3, atol=2e-2, err_msg=key)


@pytest.mark.parametrize(('name', 'decay'), [('slim norm', 0.9), ('norm of defaults', 0.999), ('norm as a layer', 0.999)])
@pytest.mark.usefixtures('eager')
def test_moving_averages_keep_decay_of_themselves(name: str, decay: float) -> None:
    layer, _ = LAYERS[name]
    built = network(layer)
    before = own_of(built)
    values = IMAGES
    if layer['type'] == 'convolution':
        with tf.Graph().as_default(), v1.Session() as session:
            values = session.run(convolved(tf.constant(IMAGES), {'weights': tf.constant(before['weights'])}))
    built(IMAGES, training=True)
    count, above = values[..., 0].size, '' if name == 'norm as a layer' else 'BatchNorm/'
    batch = {'moving_mean': values.mean((0, 1, 2)), 'moving_variance': values.var((0, 1, 2)) * count / (count - 1)}
    for part, value in batch.items():
        expected = decay * before[f'{above}{part}'] + (1 - decay) * value
        np.testing.assert_allclose(own_of(built)[f'{above}{part}'], expected, rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_mean_cross_entropy_and_the_decay_of_weights() -> None:
    """mayo's: softmax cross entropy of TensorFlow, over the batch, and scale sum(w^2) / 2, and scale sum |b|."""
    layers = {
        'x': conv(weights_regularizer=L2, biases_regularizer=L1, padding='valid'),
        'mean': {'type': 'reduce_mean', 'axis': [1, 2]},
    }
    graph = build_graph(layers, {'from': 'input', 'with': ['x', 'mean'], 'to': 'output'}, of_original=True)
    built = Network(graph, Shape(IMAGES.shape[1:]), 'model')
    labels = np.array([0, 5, 2, 2])
    logits, stats = built(IMAGES, training=True)
    own = own_of(built)
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.nn.relu(
            convolved(tf.constant(IMAGES), {'weights': tf.constant(own['weights'])}, padding='valid') + own['biases']
        )
        each = v1.nn.softmax_cross_entropy_with_logits_v2(tf.one_hot(labels, 6), tf.reduce_mean(x, [1, 2]))
        decay = 0.02 * v1.nn.l2_loss(own['weights']) + 0.03 * tf.reduce_sum(tf.abs(own['biases']))
        expected = session.run((tf.reduce_mean(each), decay))
    computed = tf.reduce_mean(cross_entropy(logits, labels, False, 0.0)), built.regularization(stats)
    np.testing.assert_allclose([float(part) for part in computed], expected, rtol=1e-5)


def test_dropout_keeps_what_tensorflow_1_kept_on_average() -> None:
    built = network({'type': 'dropout', 'keep_prob': 0.3})
    ones = np.ones((200, 7, 6, 4), np.float32)
    kept = built(ones, training=True)[0].numpy()
    with tf.Graph().as_default(), v1.Session() as session:
        theirs = session.run(v1.nn.dropout(tf.constant(ones), keep_prob=0.3, seed=1))
    assert set(np.unique(kept)) == set(np.unique(theirs))
    assert (kept > 0).mean() == pytest.approx((theirs > 0).mean(), abs=0.02)
