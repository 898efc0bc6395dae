"""Compact equals masked, layer type by layer type: which slices pass, which expand, and what becomes of shifts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mayo.net.tf.compact import CompactNetwork, static

from .conftest import Pair

CONV: dict[str, Any] = {
    'type': 'convolution',
    'kernel_size': 3,
    'num_outputs': 6,
    'normalizer_fn': 'keras.layers.BatchNormalization',
}
GATE: dict[str, Any] = {**CONV, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}, 'num_outputs': 8}
DEPTHWISE: dict[str, Any] = {**CONV, 'type': 'depthwise_convolution'}
DEPTHWISE.pop('num_outputs')
NO_BIAS = {'normalizer_fn': None, 'biases_initializer': None}
AFTER: dict[str, Any] = {  # what may follow a gated convolution, before another one
    'nothing': [],
    'dropout': [{'type': 'dropout'}],
    'identity': [{'type': 'identity'}],
    'max pool': [{'type': 'max_pool', 'kernel_size': 2}],
    'average pool, same': [{'type': 'average_pool', 'kernel_size': 3, 'padding': 'same'}],
    'max pool of whole columns': [{'type': 'max_pool', 'kernel_size': [None, 2]}],
    'max pool, padded': [{'type': 'max_pool', 'kernel_size': 3, 'padding': 1}],
    'average pool, padded': [{'type': 'average_pool', 'kernel_size': [3, 2], 'stride': [1, 2], 'padding': [1, 0]}],
    'global max pool': [{'type': 'max_pool'}],
    'relu6': [{'type': 'activation', 'mode': 'relu6'}],
    'leaky relu': [{'type': 'activation', 'mode': {'type': 'leaky_relu', 'negative_slope': 0.3}}],
    'sigmoid': [{'type': 'activation', 'mode': 'sigmoid'}],
    'softmax': [{'type': 'softmax'}],
    'mean over the map': [{'type': 'reduce_mean', 'keepdims': True}],
    'mean over the channels': [{'type': 'reduce_mean', 'axis': 3, 'keepdims': True}],
    'local response': [{'type': 'local_response_normalization', 'depth_radius': 2}],
    'batch norm': [{'type': 'batch_normalization'}],
    'batch norm and relu': [{'type': 'batch_normalization', 'activation_fn': 'relu'}],
    'batch norm and sigmoid': [{'type': 'batch_normalization', 'activation_fn': 'sigmoid'}],
    'batch norm twice': [{'type': 'batch_normalization', 'activation_fn': 'relu6'}, {'type': 'batch_normalization'}],
    'batch norm and pool': [{'type': 'batch_normalization'}, {'type': 'max_pool', 'kernel_size': 2}],
    'space to depth': [{'type': 'space_to_depth', 'block_size': 2}],
    'batch norm and space to depth': [{'type': 'batch_normalization'}, {'type': 'space_to_depth', 'block_size': 2}],
    'pad': [{'type': 'pad', 'sides': [[1, 2], [0, 1]]}],
    'batch norm and pad': [{'type': 'batch_normalization'}, {'type': 'pad', 'sides': 1}],
    'crop': [{'type': 'crop', 'sides': [1, 2]}],
    'depthwise': [DEPTHWISE],
    'depthwise without shift': [{**DEPTHWISE, **NO_BIAS, 'stride': 2}],
    'depthwise, padded': [{**DEPTHWISE, 'padding': 2}],
    'depthwise, times 3': [{**DEPTHWISE, 'depth_multiplier': 3}],
    'depthwise, times 2, no shift': [{**DEPTHWISE, **NO_BIAS, 'depth_multiplier': 2}],
    'depthwise and tanh': [{**DEPTHWISE, 'activation_fn': 'tanh'}],
    'depthwise twice': [DEPTHWISE, DEPTHWISE],
    'convolution': [{**CONV, 'stride': 2}],
    'convolution, padded': [{**CONV, 'padding': [2, 1], 'kernel_size': [5, 3]}],
    'convolution in groups': [{**CONV, 'num_groups': 2}],
    'convolution of odd stride': [{**CONV, 'kernel_size': 4, 'stride': 3, 'activation_fn': None}],
}
POLICIES: dict[str, Any] = {
    'plain': {},
    'l1': {'pool': 'l1'},
    'l2': {'pool': 'l2'},
    'max': {'pool': 'max'},
    'hidden layer': {'factor': 3.0},
    'beta first': {'add_beta_first': True},
    'predicted beta': {'parametric_beta': True},
    'predicted beta first': {'parametric_beta': True, 'add_beta_first': True},
    'squeeze': {'policy': 'squeeze'},
    'squeeze, predicted beta': {'policy': 'squeeze', 'parametric_beta': True},
    'naive': {'policy': 'naive'},
    'select': {'policy': 'select'},
    'channel norm': {'norm': 'channel'},
    'naive, channel norm': {'policy': 'naive', 'norm': 'channel'},
    'frozen': {'trainable': False},
    'local threshold that keeps all': {'threshold': 'local', 'density': 1.0},
    'disabled': {'enable': False},
}


@pytest.fixture(autouse=True)
def _eager(eager: Any) -> None:
    """Small networks are not worth tracing."""


def chain(*layers: Any) -> tuple[dict[Any, Any], list[Any]]:
    """Layers in a row, as build_graph takes them."""
    named = {f'layer{position}': layer for position, layer in enumerate(layers)}
    return named, list(named)


@pytest.mark.parametrize('after', AFTER)
def test_a_slice_passes_or_expands(pair: Callable[..., Pair], after: Any) -> None:
    networks = pair(*chain(GATE, *AFTER[after], {**GATE, 'kernel_size': 1}))
    networks.assert_equal(networks.images(3))


@pytest.mark.parametrize('policy', POLICIES)
@pytest.mark.parametrize('density', [1.0, 0.5, 0.1])
def test_every_kind_of_gate(pair: Callable[..., Pair], policy: str, density: float) -> None:
    gate = {**GATE, 'gate_params': {'density': density, **POLICIES[policy]}}
    networks = pair(*chain(gate, {**gate, 'num_outputs': 5, 'padding': 1}))
    networks.assert_equal(networks.images(3))


@pytest.mark.parametrize('activation', [None, 'elu', 'hard_swish', {'type': 'relu', 'max_value': 0.5}])
@pytest.mark.parametrize('policy', ['parametric', 'squeeze', 'naive'])
def test_gates_with_other_activations(pair: Callable[..., Pair], activation: str | dict[str, Any] | None, policy: str) -> None:
    gate = {**GATE, 'activation_fn': activation, 'gate_params': {'density': 0.5, 'policy': policy}}
    networks = pair(*chain(gate, gate))
    networks.assert_equal(networks.images(3))


GATES = ('plain', 'l1', 'l2', 'max', 'hidden layer', 'predicted beta', 'squeeze', 'channel norm')
READERS: dict[str, Any] = {  # of constants, without zeros around
    **{name: [{**GATE, 'kernel_size': 1, 'gate_params': {'density': 0.5, **POLICIES[name]}}] for name in GATES},
    'convolution of 1': [{**CONV, 'kernel_size': 1, 'stride': 2, 'padding': 'same'}],
    'convolution of 3': [{**CONV, 'padding': 'valid'}],
    'fully connected': [{'type': 'average_pool'}, {'type': 'flatten'}, {'type': 'fully_connected', 'num_outputs': 5}],
    'of a map': [{'type': 'fully_connected', 'num_outputs': 5}],
}


@pytest.mark.parametrize('reader', READERS)
def test_constants_move_into_the_bias_of_the_layer_that_reads_them(pair: Callable[..., Pair], reader: str) -> None:
    networks = pair(*chain(GATE, {**DEPTHWISE, 'activation_fn': 'silu'}, *READERS[reader]))
    networks.assert_equal(networks.images(3))


def test_a_gate_without_batch_norm(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain({**GATE, 'normalizer_fn': None}, {**GATE, 'normalizer_fn': None}))
    networks.assert_equal(networks.images(3))


def test_a_gated_convolution_in_groups(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(GATE, {**GATE, 'num_groups': 4}, GATE))
    networks.assert_equal(networks.images(3))


@pytest.mark.parametrize('vector', [['flatten'], ['mean'], ['pool', 'squeeze'], ['bn', 'flatten'], ['flatten', 'drop', 'relu']])
def test_fully_connected_layers_read_the_weights_of_active_channels(pair: Callable[..., Pair], vector: list[str]) -> None:
    layers: dict[str, Any] = {
        'gate': GATE,
        'flatten': {'type': 'flatten'},
        'mean': {'type': 'reduce_mean'},
        'squeeze': {'type': 'squeeze'},
        'pool': {'type': 'average_pool'},
        'bn': {'type': 'batch_normalization', 'activation_fn': 'relu'},
        'drop': {'type': 'dropout'},
        'relu': {'type': 'activation', 'mode': 'relu'},
        'fc': {'type': 'fully_connected', 'num_outputs': 5},
    }
    networks = pair(layers, ['gate', *vector, 'fc'])
    networks.assert_equal(networks.images(3))


def joined(join: str, *, other: str = 'gate1', after: Any = (), **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two branches and what joins them."""
    layers: dict[str, Any] = {
        'gate0': GATE,
        'gate1': {**GATE, **changes},
        'conv': {**CONV, 'num_outputs': 8},
        'one': {**CONV, 'num_outputs': 1},
        'squeeze': {**GATE, 'kernel_size': 1},
        'pool': {'type': 'average_pool'},
        'mean': {'type': 'reduce_mean'},
        'bn': {'type': 'batch_normalization'},
        'sigmoid': {'type': 'activation', 'mode': 'sigmoid'},
        'join': {'type': join},
        'last': GATE,
    }
    graph: list[Any] = [
        {'from': 'input', 'with': 'gate0', 'to': 'a'},
        {'from': 'a' if other == 'pool' else 'input', 'with': [other, *after], 'to': 'b'},
        {'from': ['a', 'b'], 'with': ['join', 'last'], 'to': 'output'},
    ]
    return layers, graph


@pytest.mark.parametrize('join', ['add', 'mul', 'concat'])
@pytest.mark.parametrize(('other', 'after'), [('gate1', ()), ('conv', ()), ('gate1', ('bn',))])
def test_branches_join(pair: Callable[..., Pair], join: str, other: str, after: tuple[Any, ...]) -> None:
    networks = pair(*joined(join, other=other, after=after))
    networks.assert_equal(networks.images(3))


@pytest.mark.parametrize(('density', 'channels'), [(0.2, 2), (0.5, 4), (1.0, 4)])
def test_a_product_is_as_narrow_as_the_narrowest_slice(pair: Callable[..., Pair], density: float, channels: int) -> None:
    networks = pair(*joined('mul', gate_params={'density': density}))
    assert networks.program().values['join'].channels == channels
    networks.assert_equal(networks.images(3))


@pytest.mark.parametrize('join', ['add', 'mul'])
@pytest.mark.parametrize(
    ('other', 'after'),
    [
        ('pool', ('conv', 'sigmoid')),
        ('pool', ('squeeze',)),
        ('pool', ()),
        ('one', ()),
        ('conv', ('mean',)),
        ('gate1', ('mean',)),
    ],
)
def test_vectors_and_single_channels_spread_over_a_map(
    pair: Callable[..., Pair], join: str, other: str, after: tuple[Any, ...]
) -> None:
    networks = pair(*joined(join, other=other, after=after))
    networks.assert_equal(networks.images(3))


def residual(width: int = 8) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block of two gated convolutions around which the input goes."""
    layers: dict[str, Any] = {
        'stem': {**CONV, 'num_outputs': width},
        'a': GATE,
        'b': {**GATE, 'num_outputs': width, 'activation_fn': None},
        'add': {'type': 'add'},
        'relu': {'type': 'activation', 'mode': 'relu'},
        'c': GATE,
        'pool': {'type': 'average_pool'},
        'flatten': {'type': 'flatten'},
        'fc': {'type': 'fully_connected', 'num_outputs': 4, 'activation_fn': None},
    }
    graph: list[Any] = [
        {'from': 'input', 'with': 'stem', 'to': 'x'},
        {'from': 'x', 'with': ['a', 'b'], 'to': 'y'},
        {'from': ['x', 'y'], 'with': ['add', 'relu', 'c', 'pool', 'flatten', 'fc'], 'to': 'output'},
    ]
    return layers, graph


def test_a_residual_block(pair: Callable[..., Pair]) -> None:
    networks = pair(*residual())
    for density in (1.0, 0.7, 0.5, 0.28, 0.1):
        networks.set_density(density)
        networks.assert_equal(networks.images(3))


def test_static_drops_the_gate_of_a_convolution_in_groups(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(GATE, {**GATE, 'num_groups': 4}, GATE))
    assert CompactNetwork(static(networks.program()))(networks.images(2))[0].shape == (2, 8, 8, 8)


def test_several_outputs_come_as_a_list(pair: Callable[..., Pair]) -> None:
    layers: dict[str, Any] = {'a': GATE, 'b': GATE}
    graph: list[Any] = [{'from': 'input', 'with': 'a', 'to': 'x'}, {'from': 'x', 'with': 'b', 'to': 'y'}]
    networks = pair(layers, graph, outputs=('x', 'y'))
    networks.assert_equal(networks.images(3))


def test_a_value_used_twice_is_expanded_once(pair: Callable[..., Pair]) -> None:
    layers: dict[str, Any] = {
        'gate': GATE,
        'left': CONV,
        'right': CONV,
        'sum': {'type': 'add'},
        'bn': {'type': 'batch_normalization'},
    }
    graph: list[Any] = [
        {'from': 'input', 'with': ['gate', 'bn'], 'to': 'x'},
        {'from': 'x', 'with': 'left', 'to': 'l'},
        {'from': 'x', 'with': 'right', 'to': 'r'},
        {'from': ['l', 'r'], 'with': 'sum', 'to': 'output'},
    ]
    networks = pair(layers, graph)
    assert [operation.output for operation in networks.program().operations].count('bn/full') == 1
    networks.assert_equal(networks.images(3))


def test_ties_at_the_cut_lose_as_they_do_masked(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(GATE, GATE))
    gate = networks.network.node_layers['layer0'].gate
    gate.predictor.kernel.assign(tf.zeros_like(gate.predictor.kernel))
    gate.predictor.bias.assign([1, 2, 2, 3, 1, 2, 2, 0])  # one winner, four that tie for three places
    images = networks.images(2)
    networks.assert_equal(images)
    assert np.sum(CompactNetwork(networks.program())(images)[1]['layer0'], 1).tolist() == [1, 1]


def test_saliency_of_zero_everywhere_gives_zeros(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(GATE))
    gate = networks.network.node_layers['layer0'].gate
    gate.predictor.bias.assign(-100 * tf.ones_like(gate.predictor.bias))
    outputs, masks = CompactNetwork(networks.program())(networks.images(2))
    assert not np.any(outputs)
    assert not np.any(masks['layer0'])


def test_static_has_the_shapes_of_compact_and_no_gate(pair: Callable[..., Pair]) -> None:
    layers, graph = residual(width=7)
    networks = pair(layers, graph)
    program = static(networks.program())
    assert not program.gated
    assert {name: value.dims for name, value in program.values.items()} == {
        name: value.dims for name, value in networks.program().values.items()
    }
    assert CompactNetwork(program)(networks.images(2))[0].shape == (2, 4)


@pytest.mark.parametrize('after', AFTER)
def test_static_runs_whatever_compact_runs(pair: Callable[..., Pair], after: Any) -> None:
    networks = pair(*chain(GATE, *AFTER[after], {**GATE, 'kernel_size': 1}, {'type': 'softmax'}))
    compact = CompactNetwork(networks.program())(networks.images(2))[0]
    assert CompactNetwork(static(networks.program()))(networks.images(2))[0].shape == compact.shape


@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from([name for name in AFTER if 'space' not in name]), min_size=2, max_size=4),
    policy=st.sampled_from(sorted(POLICIES)),
    density=st.floats(0.05, 1.0),
    seed=st.integers(0, 99),
)
def test_any_chain_of_layers(pair: Callable[..., Pair], kinds: Any, policy: str, density: float, seed: int) -> None:
    gate = {**GATE, 'kernel_size': 1, 'gate_params': {'density': density, **POLICIES[policy]}}
    pad = {'type': 'pad', 'sides': 3}
    networks = pair(*chain(*(layer for kind in kinds for layer in (pad, gate, *AFTER[kind])), gate), seed=seed)
    networks.assert_equal(networks.images(2), lively=False)
