"""ONNX beyond what test_network.py compares: functions, batches, and which nodes are written."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from mayo.config.names import KNOWN, Spec
from mayo.net.tf.compact import CompactNetwork, static
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.narrow import narrowed
from mayo.net.tf.compact.native import instruction_sets
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.objects import instantiate

from .conftest import Pair, run_onnx

FUNCTIONS = [name.rpartition('.')[2] for name in KNOWN if name.startswith('keras.activations.') and not name.endswith('linear')]
ARGUMENTS = [
    ('relu', {'negative_slope': 0.2}),
    ('relu', {'max_value': 1.5}),
    ('relu', {'threshold': 0.5}),
    ('relu', {'negative_slope': 0.3, 'max_value': 1.0, 'threshold': -0.5}),
    ('elu', {'alpha': 0.4}),
    ('gelu', {'approximate': True}),
    ('leaky_relu', {'negative_slope': 0.4}),
]
CONV = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 32, 'normalizer_fn': 'keras.layers.BatchNormalization'}
GATE = {**CONV, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
POOL = {'type': 'max_pool', 'kernel_size': 3, 'stride': 2, 'padding': 'same'}


def run(model: Any, images: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'images': images})


def named(*layers: Any) -> tuple[dict[Any, Any], list[Any]]:
    names = {f'layer{position}': layer for position, layer in enumerate(layers)}
    return names, list(names)


@pytest.mark.parametrize('name, arguments', [*((name, {}) for name in FUNCTIONS), *ARGUMENTS])
def test_a_function_is_that_of_keras(name: str, arguments: Any) -> None:
    value = ops.Value((2, 3, 5), 5)
    operation = ops.Activation(output='out', source='in', function=ops.Function(name, arguments))
    x = np.random.default_rng(0).normal(0, 2, (1, 2, 3, 5)).astype(np.float32)
    (outputs,) = run(onnx_model(ops.Program((operation,), {'in': value, 'out': value}, ('in',), ('out',))), x)
    expected = instantiate(Spec(f'keras.activations.{name}', arguments))(tf.constant(x))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_a_dense_network_takes_any_number_of_images(pair: Callable[..., Pair]) -> None:
    layers = {'conv': CONV, 'pool': POOL, 'flatten': {'type': 'flatten'}, 'fc': {'type': 'fully_connected', 'num_outputs': 4}}
    networks = pair(layers, list(layers))
    images = networks.images(5)
    expected = networks.network(images)[0].numpy()
    for batch, count in ((None, 3), (None, 5), (5, 5)):
        (outputs,) = run(onnx_model(networks.program(), batch=batch), images[:count].numpy())
        np.testing.assert_allclose(outputs, expected[:count], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_network_with_gates_takes_one_image_at_a_time(pair: Callable[..., Pair]) -> None:
    networks = pair(*named(GATE))
    with pytest.raises(ValueError, match='a network with gates takes one image at a time'):
        onnx_model(networks.program(), batch=2)


@pytest.mark.parametrize('activation', ['relu', {'type': 'leaky_relu', 'negative_slope': 0.3}], ids=str)
@pytest.mark.parametrize('policy', ['parametric', 'squeeze', 'naive'])
def test_the_scale_is_multiplied_into_whatever_has_fewer_numbers(
    pair: Callable[..., Pair], activation: str | dict[str, Any], policy: str
) -> None:
    """The first layer reads 27 weights for the 64 positions of a channel, the second 144."""
    gate = {**GATE, 'activation_fn': activation, 'gate_params': {'density': 0.5, 'policy': policy}}
    networks = pair(*named(gate, gate))
    networks.assert_equal(networks.images(3))
    nodes = [node.name for node in onnx_model(networks.program()).graph.node]
    scaled_after = [
        layer
        for layer in ('layer0', 'layer1')
        if any(name.startswith(f'{layer}/Mul') for name in nodes[nodes.index(f'{layer}/Conv') :])
    ]
    assert scaled_after == ['layer1']


def test_a_static_network_has_constant_weights(pair: Callable[..., Pair]) -> None:
    networks = pair(*named(GATE, GATE))
    model = onnx_model(static(networks.program()))
    constants = {constant.name for constant in model.graph.initializer}
    assert [node.op_type for node in model.graph.node if node.op_type in ('TopK', 'Gather')] == []
    assert all(set(node.input[1:]) <= constants for node in model.graph.node if node.op_type == 'Conv')


@pytest.mark.parametrize('density, reads', [(0.1, 'Gather'), (0.5, 'ScatterElements')])
def test_a_fully_connected_layer_copies_few_rows_or_reads_all(pair: Callable[..., Pair], density: float, reads: str) -> None:
    layers = {
        'gate': {**GATE, 'gate_params': {'density': density}},
        'flatten': {'type': 'flatten'},
        'fc': {'type': 'fully_connected', 'num_outputs': 4},
    }
    networks = pair(layers, list(layers))
    networks.assert_equal(networks.images(3))
    nodes = [node.op_type for node in onnx_model(networks.program()).graph.node if node.name.startswith('fc/')]
    assert [kind for kind in nodes if kind in ('Gather', 'ScatterElements')] == [reads]


def test_bytes_pass_an_onnx_file(pair: Callable[..., Pair]) -> None:
    layers: dict[str, Any] = {
        'one': {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 6, 'normalizer_fn': 'keras.layers.BatchNormalization'},
        'flatten': {'type': 'flatten'},
        'fc': {'type': 'fully_connected', 'num_outputs': 4},
    }
    if not {'amx', 'vnni', 'avxvnni'} & set(instruction_sets()):
        pytest.skip('without VNNI, ONNX Runtime adds pairs of products in 16 bits, which saturate')
    networks = pair(layers, list(layers))
    program = narrowed(networks.program(), 'int8', {'one': (-4.0, 4.0), 'fc': (0.0, 5.0)})
    model = onnx_model(program)
    assert [node.op_type for node in model.graph.node].count('QuantizeLinear') == 2
    assert {constant.data_type for constant in model.graph.initializer} >= {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    images = networks.images(3)
    outputs, _ = run_onnx(program, images.numpy())
    expected, _ = CompactNetwork(program)(images)
    np.testing.assert_allclose(outputs[0], expected, atol=0.02 * np.abs(expected).max())
    assert np.abs(outputs[0] - CompactNetwork(networks.program())(images)[0]).max() > 1e-4 * np.abs(expected).max()
