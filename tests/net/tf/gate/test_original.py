"""Gates of a model of the original Mayo compute what they did there; all by NumPy."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.compact import CompactNetwork, lower_graph
from mayo.net.tf.compact.lower import unsupported
from mayo.net.tf.network import Network
from mayo.util.errors import UserError

IMAGES = np.random.default_rng(0).normal(size=(5, 4, 4, 6)).astype(np.float32)
CONV: dict[str, Any] = {
    'type': 'gated_convolution',
    'kernel_size': 1,
    'num_outputs': 8,
    'normalizer_fn': 'tensorflow.contrib.slim.batch_norm',
    'normalizer_params': {'scale': True},
}
GATE = {'policy': 'parametric', 'density': 0.5, 'regularizer': None}


def network(gate: Any, of_original: bool = True, **keys: Any) -> Network:
    layers = {'conv': {**CONV, **keys, 'gate_params': {**GATE, **gate}}}
    graph = build_graph(layers, {'from': 'input', 'with': 'conv', 'to': 'output'}, of_original=of_original)
    built = Network(graph, Shape((4, 4, 6)), 'model')
    random = np.random.default_rng(1)
    for name, variable in built.named_variables().items():
        if not name.endswith('threshold'):
            variable.assign(
                random.uniform(0.5, 1.5, variable.shape) if 'variance' in name else random.normal(size=variable.shape)
            )
    return built


def variables(built: Network) -> dict[str, Any]:
    return {name.removeprefix('conv/'): variable.numpy() for name, variable in built.named_variables().items()}


def relu(values: Any) -> Any:
    return np.maximum(values, 0)


def convolved(own: dict[str, Any]) -> Any:
    """norm(conv(x))"""
    features = (IMAGES @ own['weights'][0, 0] - own['BatchNorm/moving_mean']) / np.sqrt(
        own['BatchNorm/moving_variance'] + 0.001
    )
    return features * own.get('BatchNorm/gamma', 1) + own.get('BatchNorm/beta', 0)


def saliency(own: dict[str, Any], function: Any = relu) -> Any:
    return function(IMAGES.mean((1, 2)) @ own['gate/weights'].reshape(6, 8) + own['gate/biases'])


def winners(salient: Any, keep: int = 4) -> Any:
    return (salient > np.sort(salient, -1)[:, -keep - 1, None]).astype(np.float32)


def over(values: Any) -> Any:
    return values[:, None, None]


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


FUNCTIONS: dict[Any, Any] = {'tensorflow.nn.relu': relu, 'tensorflow.nn.relu6': lambda x: np.clip(x, 0, 6), None: lambda x: x}


@pytest.mark.parametrize('name', FUNCTIONS)
@pytest.mark.parametrize('beta_first', [False, True])
def test_saliency_goes_through_the_activation_of_the_layer(name: Any, beta_first: bool) -> None:
    built, act = network({'add_beta_first': beta_first}, activation_fn=name), FUNCTIONS[name]
    own = variables(built)
    salient = saliency(own, act)
    mask = winners(salient)
    features = convolved(own)
    boosted = (
        (features + own['gate/shift']) * over(mask * salient)
        if beta_first
        else over(mask * salient) * features + over(mask * own['gate/shift'])
    )
    close(built(IMAGES)[0], act(boosted))
    reasons = unsupported(built.graph)
    assert bool(reasons) == (name != 'tensorflow.nn.relu')
    if not reasons:
        tensors = {key: variable.numpy() for key, variable in built.named_variables().items()}
        close(CompactNetwork(lower_graph(built.graph, Shape((4, 4, 6)), tensors))(IMAGES)[0], act(boosted))
    todays = network({}, of_original=False, activation_fn=name)
    close(todays(IMAGES)[1]['conv'].saliency, saliency(variables(todays)))


def test_squeeze_has_no_shift_and_its_norm_keeps_scale_and_centre() -> None:
    built = network({'policy': 'squeeze'})
    own = variables(built)
    assert {'BatchNorm/gamma', 'BatchNorm/beta'} <= own.keys()
    assert 'gate/shift' not in own
    salient = saliency(own)
    expected = over(winners(salient) * salient) * relu(convolved(own))
    close(built(IMAGES)[0], expected)
    tensors = {key: variable.numpy() for key, variable in built.named_variables().items()}
    close(CompactNetwork(lower_graph(built.graph, Shape((4, 4, 6)), tensors))(IMAGES)[0], expected)


def test_a_gate_that_is_not_enabled_lets_all_pass_boosted_and_shifted() -> None:
    built = network({'enable': False})
    own = variables(built)
    close(built(IMAGES)[0], relu(over(saliency(own)) * convolved(own) + own['gate/shift']))
    close(
        network({'policy': 'squeeze', 'enable': False})(IMAGES)[1]['conv'].mask,
        winners(saliency(variables(network({'policy': 'squeeze'})))),
    )


def test_hidden_units_and_the_predicted_shift_go_through_the_activation() -> None:
    built = network({'factor': 2, 'parametric_beta': True, 'density': 1.0})
    own = variables(built)
    pooled = IMAGES.mean((1, 2))
    hidden = relu(pooled @ own['gate/factor/weights'].reshape(6, 4) + own['gate/factor/biases'])
    salient = relu(hidden @ own['gate/weights'].reshape(4, 8) + own['gate/biases'])
    shift = relu(pooled @ own['gate/beta/weights'].reshape(6, 8) + own['gate/beta/biases'])
    close(built(IMAGES)[0], relu(over(salient) * convolved(own) + over(shift)))


def test_hidden_units_start_at_one_and_the_predictor_of_the_shift_at_zero() -> None:
    layers = {'conv': {**CONV, 'gate_params': {**GATE, 'factor': 2, 'parametric_beta': True}}}
    graph = build_graph(layers, {'from': 'input', 'with': 'conv', 'to': 'output'}, of_original=True)
    own = variables(Network(graph, Shape((4, 4, 6)), 'model'))
    assert [own[f'gate/{name}biases'].mean() for name in ('', 'factor/', 'beta/')] == [1, 1, 0]
    assert 0 < own['gate/beta/weights'].std() < 0.1


def losses(kept: Any) -> dict[str, Any]:
    each, images = kept.sum(0), kept.sum(1)
    return {
        'l1': np.abs(kept).sum(),
        'l2': (kept**2).sum(),
        'moe': each.var() / (each.mean() + 0.001) ** 2,
        'moi': images.var() / (images.mean() + 0.001) ** 2,
    }


@pytest.mark.parametrize('name', ['l1', 'l2', 'moe', 'moi'])
def test_regularizers_are_sums_over_the_batch_of_the_saliency_of_winners(name: str) -> None:
    built = network({'regularizer': {name: 0.25}})
    stats = built(IMAGES)[1]['conv']
    salient = saliency(variables(built))
    close(stats.penalty, 0.25 * losses(salient * winners(salient))[name])
    old = network({'weight': 0.25, 'regularizer': {'l1': 0.25}})
    close(old(IMAGES)[1]['conv'].penalty, 0.25 * losses(salient * winners(salient))['l1'])


def softmax_cross_entropy(labels: Any, logits: Any) -> Any:
    shifted = logits - logits.max(-1, keepdims=True)
    return -(labels * (shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))).sum(-1)


def test_naive_is_regularized_by_what_is_named() -> None:
    own = variables(network({'policy': 'naive'}))
    salient, strength = saliency(own), relu(convolved(own)).mean((1, 2))
    terms = {'mse': ((salient - strength) ** 2).mean(), 'sce': softmax_cross_entropy(strength, salient).mean()}
    for weights in ({}, {'mse': 0.5}, {'sce': 2.0}, {'mse': 0.5, 'sce': 2.0}):
        built = network({'policy': 'naive', 'regularizer': weights})
        outputs, stats = built(IMAGES)
        close(stats['conv'].penalty, sum(weight * terms[name] for name, weight in weights.items()))
        close(outputs, relu(convolved(own)) * over(winners(salient)))
    with pytest.raises(UserError, match='mse and sce are of policy naive'):
        network({'policy': 'parametric', 'regularizer': {'mse': 1.0}})


@pytest.mark.parametrize(('kind', 'name'), [('local', 'gate/threshold'), ('global', 'gate/threshold')])
def test_a_threshold_starts_below_zero_moves_slowly_and_training_uses_it(kind: str, name: str) -> None:
    built = network({'threshold': kind})
    assert built.graph['conv'].params.gate.decay == 0.9997
    average = next(variable for key, variable in built.named_variables().items() if key.endswith(name))
    close(average.numpy(), -0.1)
    salient = saliency(variables(built))
    cut = np.sort(salient, -1)[:, -5].mean()
    mask = built(tf.constant(IMAGES), training=True)[1]['conv'].mask
    close(average.numpy(), -0.1 * 0.9997 + cut * 0.0003)
    close(mask, salient > average.numpy())


@pytest.mark.parametrize(
    ('gate', 'message'),
    [
        ({'density': 0.5}, 'gate_params.policy is missing.'),
        ({'policy': 'parametric'}, 'gate_params.density is missing.'),
        ({'enable': True}, 'gate_params.policy and gate_params.density are missing.'),
    ],
)
def test_a_gate_of_the_original_says_its_policy_and_density(gate: Any, message: str) -> None:
    layers = {'conv': {**CONV, 'gate_params': gate}}
    with pytest.raises(UserError, match=f'^model.layers.conv: {message}$'):
        build_graph(layers, {'from': 'input', 'with': 'conv', 'to': 'output'}, of_original=True)
