"""Overriders in a network: what the layers compute with, what trains, and what the states are called."""

import logging
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.compact import CompactNetwork, lower, unsupported
from mayo.net.tf.network import Network
from mayo.util.errors import UserError

FIXED = {'type': 'mayo.override.FixedPointQuantizer', 'width': 4, 'point': 1}
RANDOM = {**FIXED, 'stochastic': 'ulp'}
PRUNE = {'type': 'mayo.override.DynamicNetworkSurgeryPruner', 'alpha': 0.0}
IMAGES = np.random.default_rng(5).normal(size=(3, 6, 6, 2)).astype(np.float32)
CONV = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 4}
NORM = {'normalizer_fn': 'keras.layers.BatchNormalization'}


def network(**layers: Any) -> Network:
    """A chain of layers on [6, 6, 2]."""
    entry = {'from': 'input', 'with': list(layers), 'to': 'output'}
    graph = build_graph(layers, entry)
    return Network(graph, Shape((6, 6, 2)), 'net')


def fixed(values: Any, width: int = 4, point: int = 1) -> Any:
    scale = 2.0 ** (width - point)
    return np.clip(np.round(np.asarray(values) * scale), -(2 ** (width - 1)), 2 ** (width - 1) - 1) / scale


def outputs(net: Network, training: bool = False) -> Any:
    return net(IMAGES, training=training)[0].numpy()


def convolved(weights: Any, biases: Any, images: Any = IMAGES) -> Any:
    return tf.nn.conv2d(images, weights, 1, 'SAME').numpy() + biases


def test_the_layer_computes_with_the_overridden_variable_which_itself_stays() -> None:
    net = network(conv={**CONV, 'activation_fn': None, 'overrider': {'weights': {'a': FIXED}, 'biases': {'a': FIXED}}})
    named = net.named_variables()
    named['conv/biases'].assign([0.3, 0.01, -0.2, 5.0])
    weights, biases = named['conv/weights'].numpy(), named['conv/biases'].numpy()
    np.testing.assert_allclose(outputs(net), convolved(fixed(weights), fixed(biases)), atol=1e-5)
    assert named['conv/weights'].numpy().tolist() == weights.tolist()


def test_states_have_the_names_of_the_original() -> None:
    chain = {'prune': {**PRUNE, '_priority': 9}, 'fixed': FIXED}
    overrider = {'weights': chain, 'activation': {'a': FIXED}, 'gradient': {'weights': {'a': FIXED}, 'error': {'a': FIXED}}}
    names = set(network(conv={**CONV, 'overrider': overrider}).named_variables())
    assert {
        'conv/weights/DynamicNetworkSurgeryPruner.mask',
        'conv/weights/FixedPointQuantizer.width',
        'conv/weights/ChainOverrider.enable',
        'conv/activations/FixedPointQuantizer.point',
        'conv/weights/gradient/FixedPointQuantizer.point',
        'conv/errors/FixedPointQuantizer.enable',
    } <= names


def test_the_state_of_a_gradient_stands_with_its_variable_where_that_has_none_of_the_same_name() -> None:
    overrider = {'weights': {'p': PRUNE}, 'gradient': {'weights': {'a': FIXED}, 'biases': {'a': FIXED}}}
    names = set(network(conv={**CONV, 'overrider': overrider}).named_variables())
    assert {
        'conv/weights/DynamicNetworkSurgeryPruner.alpha',
        'conv/weights/FixedPointQuantizer.point',
        'conv/biases/FixedPointQuantizer.point',
    } <= names
    assert not any('gradient' in name for name in names)


def test_an_activation_is_overridden_before_its_function() -> None:
    net = network(conv={**CONV, 'activation_fn': 'keras.activations.sigmoid', 'overrider': {'activation': {'a': FIXED}}})
    named = net.named_variables()
    before = convolved(named['conv/weights'].numpy(), 0)
    np.testing.assert_allclose(outputs(net), 1 / (1 + np.exp(-fixed(before))), atol=1e-5)


@pytest.mark.parametrize('layer', [{'type': 'identity'}, {'type': 'max_pool', 'kernel_size': 1, 'stride': 1}])
def test_a_layer_without_a_function_has_its_output_overridden(layer: Any) -> None:
    net = network(prep={**layer, 'overrider': {'activation': {'a': FIXED}}})
    np.testing.assert_allclose(outputs(net), fixed(IMAGES), atol=1e-6)


def test_batch_norm_still_learns_while_its_scale_is_overridden() -> None:
    net = network(conv={**CONV, **NORM, 'overrider': {'BatchNorm/gamma': {'a': FIXED}}})
    named = net.named_variables()
    named['conv/BatchNorm/gamma'].assign([0.3, 0.55, 0.8, 0.1])
    before = named['conv/BatchNorm/moving_mean'].numpy()
    outputs(net, training=True)
    assert (named['conv/BatchNorm/moving_mean'].numpy() != before).all()
    assert named['conv/BatchNorm/gamma'].numpy() == pytest.approx([0.3, 0.55, 0.8, 0.1])
    mean, variance = named['conv/BatchNorm/moving_mean'].numpy(), named['conv/BatchNorm/moving_variance'].numpy()
    normal = (convolved(named['conv/weights'].numpy(), 0) - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(outputs(net), np.maximum(normal * fixed([0.3, 0.55, 0.8, 0.1]), 0), atol=1e-4)


def gradient(net: Network, name: str) -> Any:
    variable = net.named_variables()[name].value

    @tf.function
    def graph() -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(net(IMAGES, training=False)[0] * 0.37)
        return tape.gradient(total, variable)

    return graph().numpy()


def test_the_gradient_of_a_variable_and_of_a_value_is_overridden() -> None:
    plain = {**CONV, 'activation_fn': None}
    coarse = {'type': 'mayo.override.FixedPointQuantizer', 'width': 4, 'point': 8}  # steps of 16
    net, of_weights, of_error = (
        network(conv={**plain, 'overrider': {'gradient': part}})
        for part in ({}, {'weights': {'a': coarse}}, {'error': {'a': FIXED}})
    )
    for other in (of_weights, of_error):
        other.named_variables()['conv/weights'].assign(net.named_variables()['conv/weights'])
        np.testing.assert_allclose(outputs(other), outputs(net), atol=1e-6)
    expected = gradient(net, 'conv/weights')
    np.testing.assert_allclose(gradient(of_weights, 'conv/weights'), fixed(expected, 4, 8), atol=1e-4)
    np.testing.assert_allclose(gradient(of_error, 'conv/weights'), expected / 0.37 * 0.375, rtol=1e-4)


def test_an_overridden_gradient_has_no_regularizer(caplog: pytest.LogCaptureFixture) -> None:
    l2 = {'type': 'keras.regularizers.L2', 'l2': 1.0}
    layer = {**CONV, 'weights_regularizer': l2}
    assert network(conv=layer).regularization({}).numpy() > 0
    with caplog.at_level(logging.WARNING):
        net = network(conv={**layer, 'overrider': {'gradient': {'weights': {'a': FIXED}}}})
    assert net.regularization({}).numpy() == 0
    assert caplog.messages == ['conv: the gradient of weights is overridden, so it has no regularizer']


def test_only_what_the_loss_trains_is_trainable() -> None:
    net = network(conv={**CONV, 'overrider': {'weights': {'a': {'type': 'mayo.override.TernaryQuantizer'}}}})
    trainable = {id(variable) for variable in net.trainable_variables}
    named = net.named_variables()
    assert {name: id(variable) in trainable for name, variable in named.items() if 'Ternary' in name} == {
        'conv/weights/TernaryQuantizer.enable': False,
        'conv/weights/TernaryQuantizer.base': False,
        'conv/weights/TernaryQuantizer.scale': True,
    }
    assert abs(gradient(net, 'conv/weights/TernaryQuantizer.scale')) > 0


def test_masks_hold_weights_and_their_gradients_at_zero() -> None:
    net = network(conv={**CONV, 'overrider': {'weights': {'a': PRUNE}}})
    net.overriding['conv'].update(())
    named = net.named_variables()
    mask = named['conv/weights/DynamicNetworkSurgeryPruner.mask'].numpy()
    weights = named['conv/weights'].numpy()
    size = np.abs(weights)
    assert mask.tolist() == (size > 0.9 * size.mean()).tolist()
    assert not gradient(net, 'conv/weights')[~mask].any()
    np.testing.assert_allclose(outputs(net), np.maximum(convolved(weights * mask, 0), 0), atol=1e-5)
    net.overriding['conv'].assign()
    assert named['conv/weights'].numpy().tolist() == (weights * mask).tolist()
    net.overriding['conv'].reset()
    assert named['conv/weights/DynamicNetworkSurgeryPruner.mask'].numpy().all()


def test_activations_and_errors_update_from_what_a_run_shows() -> None:
    dynamic = {'type': 'mayo.override.DGQuantizer', 'width': 4, 'overflow_rate': 0.0}
    overrider = {'activation': {'a': dynamic}, 'gradient': {'error': {'a': dynamic}, 'weights': {'a': dynamic}}}
    net = network(conv={**CONV, 'activation_fn': None, 'overrider': overrider})
    named = net.named_variables()
    variable = named['conv/weights'].value

    def run() -> None:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(net(IMAGES)[0] * 100.0)
        tape.gradient(total, variable)

    before = convolved(variable.numpy(), 0)
    net.update_overriders(run)
    points = {name: int(part.numpy()) for name, part in named.items() if name.endswith('point')}
    assert points['conv/errors/DGQuantizer.point'] == 4  # 100 is beyond any point
    limit = 2.0 ** points['conv/activations/DGQuantizer.point'] / 2
    assert limit / 2 < np.abs(before).max() < limit * 1.2
    assert net.overriding['conv'].needs_a_batch()


def test_each_layer_updates_on_what_the_updated_ones_before_it_pass_on() -> None:
    dynamic = {'type': 'mayo.override.DGQuantizer', 'width': 8, 'overflow_rate': 0.0}
    layer = {**CONV, 'overrider': {'activation': {'a': dynamic}}}
    net = network(one=layer, two=layer, three=layer)
    assert set(outputs(net).ravel().tolist()) <= {0.0, 1.0}  # eight bits, all left of the point
    net.update_overriders(lambda: net(IMAGES))
    plain = network(one=CONV, two=CONV, three=CONV)
    for name, variable in plain.named_variables().items():
        variable.assign(net.named_variables()[name])
    expected = outputs(plain)
    assert np.abs(outputs(net) - expected).max() < 0.05 * np.abs(expected).max()


def test_penalties_join_the_loss() -> None:
    slimmer = {'type': 'mayo.override.NetworkSlimmer', 'density': 0.5, 'weight': 0.5}
    net = network(conv={**CONV, **NORM, 'overrider': {'activation': {'a': slimmer}}})
    net.named_variables()['conv/BatchNorm/gamma'].assign([1.0, -2.0, 0.0, 3.0])
    assert net.regularization({}).numpy() == pytest.approx(3.0)
    inner = {'type': 'mayo.override.FixedPointQuantizer', 'width': 2, 'point': 1}
    mixed = {'type': 'mayo.override.MixedQuantizer', 'reg_factor': 0.1, 'quantizers': {'a': inner}}
    net = network(conv={**CONV, 'overrider': {'weights': {'m': mixed}}})
    weights = net.named_variables()['conv/weights'].numpy()
    expected = 0.1 * np.abs(weights - fixed(weights, 2, 1)).sum()
    assert net.regularization({}).numpy() == pytest.approx(expected, rel=1e-4)


def test_what_an_overrider_changes_of_an_activation_joins_the_loss() -> None:
    inner = {'type': 'mayo.override.FixedPointQuantizer', 'width': 3, 'point': 1}
    mixed = {'type': 'mayo.override.MixedQuantizer', 'reg_factor': 0.1, 'quantizers': {'a': inner}}
    net = network(conv={**CONV, 'overrider': {'activation': {'m': mixed}}})
    value = convolved(net.named_variables()['conv/weights'].numpy(), 0)

    @tf.function(autograph=False)
    def loss(images: Any) -> Any:
        _, stats = net(images)
        return net.regularization(stats)

    expected = 0.1 * np.abs(value - fixed(value, 3, 1)).sum()
    assert loss(IMAGES).numpy() == pytest.approx(expected, rel=1e-4)
    assert loss(IMAGES[:1]).numpy() < expected


def test_slimmers_of_several_layers_compete() -> None:
    slimmer = {'type': 'mayo.override.NetworkSlimmer', 'density': 0.5}
    layer = {**CONV, **NORM, 'overrider': {'activation': {'a': slimmer}}}
    net = network(one=layer, two=layer)
    named = net.named_variables()
    named['one/BatchNorm/gamma'].assign([0.9, 0.8, 0.7, 0.1])
    named['two/BatchNorm/gamma'].assign([0.6, 0.2, 0.3, 0.0])
    net.update_overriders(lambda: None)
    masks = [named[f'{name}/activations/NetworkSlimmer.mask'].numpy().tolist() for name in ('one', 'two')]
    assert masks == [[True, True, True, False], [True, False, False, False]]


def test_a_gated_convolution_takes_overriders_and_its_predictor_does_not() -> None:
    gated = {**CONV, **NORM, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
    overrider = {'weights': {'a': FIXED}, 'activation': {'a': FIXED}}
    plain, net = network(conv=gated), network(conv={**gated, 'overrider': overrider})
    for name, variable in plain.named_variables().items():
        net.named_variables()[name].assign(variable)
    plain.named_variables()['conv/weights'].assign(fixed(plain.named_variables()['conv/weights'].numpy()))
    (expected, stats), (result, own) = plain(IMAGES), net(IMAGES)
    np.testing.assert_allclose(own['conv'].saliency, stats['conv'].saliency, atol=1e-6)
    np.testing.assert_allclose(result, fixed(expected), atol=1e-5)  # relu and rounding commute
    trained, _ = net(IMAGES, training=True)
    assert np.isfinite(trained.numpy()).all()


def test_quantized_weights_are_exact_in_mixed_precision() -> None:
    keras.config.set_dtype_policy('mixed_bfloat16')
    try:
        layer = {**CONV, 'overrider': {'weights': {'a': {**FIXED, 'width': 8}}}}
        net = network(conv=layer, logits={'type': 'fully_connected', 'num_outputs': 2, 'activation_fn': None})
        assert net.overriding['conv'].overridden('weights').dtype == tf.float32
        assert np.isfinite(outputs(net, training=True)).all()
    finally:
        keras.config.set_dtype_policy('float32')


@pytest.mark.parametrize(
    'overrider, message',
    [
        ({'biases': {'a': {'type': 'mayo.override.FilterPruner'}}}, 'conv.overrider.biases: FilterPruner silences kernels of'),
        ({'activation': {'a': {'type': 'NetworkSlimmer', 'density': 0.5}}}, 'the layer has no BatchNorm/gamma.'),
        ({'weights': {'a': {'type': 'NetworkSlimmer', 'density': 0.5}}}, 'so it belongs under `activation`.'),
        ({'weights': {'a': {'type': 'ChannelGater'}}}, 'conv.overrider.weights: ChannelGater gates channels of maps'),
        ({'gradient': {'error': {'a': {'type': 'Recentralizer', 'reg': 0.1, 'quantizer': FIXED}}}}, 'which a gradient is not'),
        ({'weights': {'a': {'type': 'NoSuch'}}}, 'conv.overrider.weights.a.type is NoSuch, no overrider.'),
    ],
)
def test_a_chain_that_cannot_override_what_it_is_put_on_is_told(overrider: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        network(conv={**CONV, 'overrider': overrider})
    assert message in str(error.value)


def test_a_variable_that_the_layer_lacks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        net = network(conv={**CONV, **NORM, 'overrider': {'biases': {'a': FIXED}, 'weights': {'a': FIXED}}})
    assert caplog.messages == ['there is nothing that these overriders could override: biases of conv']
    assert set(net.overriding['conv'].chains) == {'weights'}


def test_a_chain_without_any_priority_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        network(conv={**CONV, 'overrider': {'weights': {'a': FIXED, 'b': PRUNE}}})
    assert caplog.messages == [
        'conv.overrider.weights: without any _priority the last acts first: DynamicNetworkSurgeryPruner, then FixedPointQuantizer'
    ]


def test_compact_execution_takes_the_overridden_weights_and_refuses_overridden_activations() -> None:
    gated = {**CONV, **NORM, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
    last = {**CONV, 'overrider': {'weights': {'a': FIXED}}}
    net = network(one={**gated, 'overrider': {'weights': {'a': FIXED}}}, two=last)
    compact = CompactNetwork(lower(net, Shape((6, 6, 2))))
    np.testing.assert_allclose(compact(IMAGES)[0], outputs(net), atol=1e-4)
    net = network(
        one={**gated, 'overrider': {'activation': {'a': FIXED}}}, two={**gated, 'overrider': {'weights': {'a': RANDOM}}}
    )
    assert unsupported(net.graph) == [
        'one: compact execution computes no overridden activations (FixedPointQuantizer).',
        'two: compact execution draws no weights at random (FixedPointQuantizer).',
    ]
