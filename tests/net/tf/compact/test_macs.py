"""For every layer type, with and without gates before it: the program and the native engine compute what `info` counts."""

from typing import Any

import numpy as np
import pytest

from mayo.estimate import estimate
from mayo.net.tf.compact import unsupported
from mayo.net.tf.compact.lowering import rules
from mayo.net.tf.compact.native import NativeNetwork, library

BN = 'keras.layers.BatchNormalization'
CONV = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 8, 'activation_fn': 'leaky_relu', 'normalizer_fn': BN}
GATED = {**CONV, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
MAP, VECTOR, POINT = 'map', 'vector', 'point'  # what a layer reads

# (type, its keys, what it reads)
SINGLE: list[tuple[str, dict[str, Any], str]] = [
    *(('convolution', {**CONV, 'num_groups': groups}, MAP) for groups in (1, 2, 8)),
    ('convolution', {**CONV, 'stride': 2, 'padding': [1, 0]}, MAP),
    *(('gated_convolution', {**GATED, 'num_groups': groups}, MAP) for groups in (1, 2, 8)),
    *(
        ('gated_convolution', {**GATED, 'gate_params': {'density': 0.3, **gate}}, MAP)
        for gate in ({'policy': 'squeeze'}, {'policy': 'naive'}, {'parametric_beta': True}, {'add_beta_first': True})
    ),
    ('gated_convolution', {**GATED, 'gate_params': {'enable': False}}, MAP),
    ('gated_convolution', {**GATED, 'gate_params': {'density': 1.0}}, MAP),
    *(
        ('depthwise_convolution', {'kernel_size': 3, 'depth_multiplier': times, 'activation_fn': function, **more}, MAP)
        for times in (1, 2)
        for function in ('leaky_relu', 'relu', 'sigmoid')
        for more in ({}, {'biases_initializer': None}, {'normalizer_fn': BN})
    ),
    ('fully_connected', {'num_outputs': 5, 'activation_fn': 'leaky_relu'}, VECTOR),  # what meets a zero is not counted
    ('batch_normalization', {}, MAP),
    ('batch_normalization', {'activation_fn': 'tanh'}, MAP),
    ('average_pool', {}, MAP),
    ('average_pool', {'kernel_size': 3, 'padding': 1}, MAP),
    ('max_pool', {'kernel_size': 3, 'padding': 'same'}, MAP),
    ('reduce_mean', {'keepdims': True}, MAP),
    ('reduce_mean', {'axis': 3, 'keepdims': True}, MAP),
    ('activation', {'mode': 'tanh'}, MAP),
    ('activation', {'mode': 'sigmoid'}, MAP),
    ('softmax', {}, MAP),
    ('dropout', {}, MAP),
    ('identity', {}, MAP),
    ('local_response_normalization', {}, MAP),
    ('squeeze', {}, POINT),
    ('flatten', {}, MAP),
    ('space_to_depth', {'block_size': 2}, MAP),
    ('pad', {'sides': 1}, MAP),
    ('pad', {'sides': 1, 'channels': [1, 3]}, MAP),
    ('crop', {'sides': 1}, MAP),
]
JOINS = ('concat', 'add', 'mul')
SHIFTED = {'type': 'depthwise_convolution', 'kernel_size': 1, 'activation_fn': 'leaky_relu'}  # its losers are no zeros
BEFORE = {'none': [CONV], 'gate': [GATED], 'shifted gate': [GATED, SHIFTED]}


def assert_counted(networks: Any) -> None:
    """Info's executed MACs, the program's and those of two images in the native engine are the same."""
    assert unsupported(networks.graph) == []
    executed = {cost.name: cost.executed for cost in estimate(networks.graph, networks.shape) if cost.executed}
    program = networks.program()
    assert {name.removesuffix('/features'): macs for name, macs in program.macs.items()} == executed
    if library() is not None:
        engine = NativeNetwork(program)
        engine.run(networks.images(2).numpy())
        assert engine.macs == 2 * sum(executed.values())


@pytest.mark.parametrize('before', BEFORE)
@pytest.mark.parametrize('case', SINGLE, ids=lambda case: f'{case[0]}-{SINGLE.index(case)}')
def test_every_layer_executes_what_info_says(pair: Any, case: tuple[str, dict[str, Any], str], before: str) -> None:
    kind, keys, reads = case
    layers = {f'before{number}': layer for number, layer in enumerate(BEFORE[before])}
    if reads == POINT:
        layers['point'] = {'type': 'average_pool'}
    if reads == VECTOR:
        layers['vector'] = {'type': 'flatten'}
    layers['layer'] = {**keys, 'type': kind}
    is_vector = kind in ('fully_connected', 'flatten', 'squeeze')
    layers['after'] = {'type': 'fully_connected', 'num_outputs': 4} if is_vector else {**CONV, 'kernel_size': 1}
    networks = pair(layers, list(layers), shape=(6, 6, 3))
    assert_counted(networks)


@pytest.mark.parametrize('first', BEFORE)
@pytest.mark.parametrize('second', BEFORE)
@pytest.mark.parametrize('kind', JOINS)
def test_every_join_executes_what_info_says(pair: Any, kind: str, first: str, second: str) -> None:
    layers: dict[str, Any] = {'join': {'type': kind}, 'after': {**CONV, 'kernel_size': 1}}
    entries = []
    for side, before in (('left', first), ('right', second)):
        own = {f'{side}{number}': layer for number, layer in enumerate(BEFORE[before])}
        layers |= own
        entries.append({'from': 'input', 'with': list(own), 'to': side})
    entries.append({'from': ['left', 'right'], 'with': ['join', 'after'], 'to': 'output'})
    assert_counted(pair(layers, entries, shape=(6, 6, 3)))


def test_every_layer_type_of_compact_execution_is_counted_here() -> None:
    assert {kind for kind, *_ in SINGLE} | set(JOINS) == set(rules)


def test_zeros_that_happen_to_be_where_a_shift_could_be_change_no_count(pair: Any) -> None:
    layers = {'gate': GATED, 'shift': SHIFTED, 'after': CONV}
    networks = pair(layers, list(layers), shape=(6, 6, 3))
    networks.network.named_variables()['shift/biases'].assign(np.zeros(8))
    assert_counted(networks)
