"""ONNX beyond what test_network.py compares: functions, batches, the layout in blocks, and onnxruntime as an engine."""
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from mayo.config.names import KNOWN
from mayo.net.tf.compact import CompactNetwork, onnx_blocks, static
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.compact.onnx_network import OnnxNetwork
from mayo.net.tf.objects import instantiate

FUNCTIONS = [name.rpartition('.')[2] for name in KNOWN if name.startswith('keras.activations.') and not name.endswith('linear')]
ARGUMENTS = [('relu', {'negative_slope': 0.2}), ('relu', {'max_value': 1.5}), ('relu', {'threshold': 0.5}),
             ('relu', {'negative_slope': 0.3, 'max_value': 1.0, 'threshold': -0.5}), ('elu', {'alpha': 0.4}),
             ('gelu', {'approximate': True}), ('leaky_relu', {'negative_slope': 0.4})]
CONV = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 32, 'normalizer_fn': 'keras.layers.BatchNormalization'}
GATE = {**CONV, 'type': 'gated_convolution', 'gate_params': {'density': 0.5}}
POOL = {'type': 'max_pool', 'kernel_size': 3, 'stride': 2, 'padding': 'same'}


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'images': images})


def named(*layers):
    names = {f'layer{position}': layer for position, layer in enumerate(layers)}
    return names, list(names)


@pytest.mark.parametrize('name, arguments', [*((name, {}) for name in FUNCTIONS), *ARGUMENTS])
def test_a_function_is_that_of_keras(name, arguments):
    value = ops.Value((2, 3, 5), 5)
    one = ops.Activation(output='out', source='in', function=ops.Function(name, arguments))
    x = np.random.default_rng(0).normal(0, 2, (1, 2, 3, 5)).astype(np.float32)
    (found,) = run(onnx_model(ops.Program((one,), {'in': value, 'out': value}, ('in',), ('out',))), x)
    expected = instantiate({'type': f'keras.activations.{name}', **arguments})(tf.constant(x))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_dense_network_takes_any_number_of_images(pair):
    layers = {'conv': CONV, 'pool': POOL, 'flatten': {'type': 'flatten'}, 'fc': {'type': 'fully_connected', 'num_outputs': 4}}
    networks = pair(layers, list(layers))
    images = networks.images(5)
    expected = networks.network(images)[0].numpy()
    for batch, count in ((None, 3), (None, 5), (5, 5)):
        (found,) = run(onnx_model(networks.program(), batch=batch), images[:count].numpy())
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_network_with_gates_takes_one_image_at_a_time(pair):
    networks = pair(*named(GATE))
    with pytest.raises(ValueError, match='a network with gates takes one image at a time'):
        onnx_model(networks.program(), batch=2)


def test_a_static_network_has_constant_weights(pair):
    networks = pair(*named(GATE, GATE))
    model = onnx_model(static(networks.program()))
    constants = {constant.name for constant in model.graph.initializer}
    assert [node.op_type for node in model.graph.node if node.op_type in ('TopK', 'Gather')] == []
    assert all(set(node.input[1:]) <= constants for node in model.graph.node if node.op_type == 'Conv')


@pytest.mark.parametrize('density, reads', [(0.1, 'Gather'), (0.5, 'ScatterElements')])
def test_a_fully_connected_layer_copies_few_rows_or_reads_all(pair, density, reads):
    layers = {'gate': {**GATE, 'gate_params': {'density': density}}, 'flatten': {'type': 'flatten'},
              'fc': {'type': 'fully_connected', 'num_outputs': 4}}
    networks = pair(layers, list(layers))
    networks.assert_equal(networks.images(3))
    nodes = [node.op_type for node in onnx_model(networks.program()).graph.node if node.name.startswith('fc/')]
    assert [kind for kind in nodes if kind in ('Gather', 'ScatterElements')] == [reads]


# --- in blocks ---

@pytest.fixture(scope='module')
def block():
    size = onnx_blocks.block_size()
    if size is None:
        pytest.skip('onnxruntime has no blocks on this machine')
    assert size in (8, 16)
    return size


def in_blocks(model):
    """The layers whose convolution is written in blocks."""
    return {node.name.partition('/')[0] for node in model.graph.node if node.domain and node.op_type == 'Conv'}


def assert_equal_in_blocks(networks, block, layers):
    program, images = networks.program(), networks.images(3)
    model = onnx_model(program, counts=True, block=block)
    assert in_blocks(model) == set(layers)
    expected, stats = networks.network(images)
    for position, image in enumerate(images.numpy()):
        outputs, *counts = run(model, image[None])
        np.testing.assert_allclose(outputs[0], expected[position], rtol=0, atol=1e-5 * np.abs(expected).max())
        assert [count[0] for count in counts] == [stat.mask[position].numpy().sum() for stat in stats.values()]


@pytest.mark.parametrize('density', [1.0, 0.7, 0.5, 0.4])
@pytest.mark.parametrize('changes', [{}, {'policy': 'squeeze'}, {'policy': 'naive'}, {'pool': 'max'}, {'pool': 'l1'},
                                     {'add_beta_first': True}, {'parametric_beta': True}], ids=str)
def test_gates_in_blocks_equal_masked_ones(pair, block, density, changes):
    gate = {**GATE, 'gate_params': {'density': density, **changes}}
    networks = pair(*named(gate, gate, POOL, {**gate, 'stride': 2}, {**gate, 'kernel_size': 1}))
    assert_equal_in_blocks(networks, block, ['layer0', 'layer1', 'layer3', 'layer4'])


@pytest.mark.parametrize('activation', [None, 'relu6', {'type': 'leaky_relu', 'negative_slope': 0.3}], ids=str)
def test_other_functions_in_blocks(pair, block, activation):
    gate = {**GATE, 'activation_fn': activation}
    networks = pair(*named(gate, gate))
    assert_equal_in_blocks(networks, block, ['layer0', 'layer1'])


@pytest.mark.parametrize('after', [
    [{'type': 'average_pool', 'kernel_size': 3, 'padding': 'same'}], [{'type': 'average_pool'}], [{'type': 'max_pool'}],
    [{'type': 'reduce_mean', 'keepdims': True}], [CONV], [{'type': 'activation', 'mode': 'sigmoid'}],
    [{'type': 'batch_normalization'}], [{'type': 'space_to_depth', 'block_size': 2}], [{**GATE, 'num_groups': 2}]], ids=str)
def test_slices_leave_blocks_and_enter_them_again(pair, block, after):
    networks = pair(*named(GATE, *after, {**GATE, 'kernel_size': 1}))
    assert_equal_in_blocks(networks, block, ['layer0', f'layer{len(after) + 1}'])


def test_few_channels_stay_as_they_are(pair, block):
    """Of 4 of 8 channels no block can be made, but the next layer reads them."""
    networks = pair(*named({**GATE, 'num_outputs': 8}, GATE))
    assert_equal_in_blocks(networks, block, ['layer1'])


def test_ties_at_the_cut_lose_in_blocks(pair, block):
    networks = pair(*named(GATE))
    gate = networks.network.node_layers['layer0'].gate
    gate.predictor.kernel.assign(tf.zeros_like(gate.predictor.kernel))
    gate.predictor.bias.assign([5.] * 3 + [2.] * 28 + [1.])
    assert_equal_in_blocks(networks, block, ['layer0'])


def test_widening_fills_blocks_but_does_not_double_a_layer(pair):
    gates = [{**GATE, 'num_outputs': 64, 'gate_params': {'density': density}} for density in (0.3, 0.1, 0.5, 0.9)]
    networks = pair(*named(*gates))
    widened = onnx_blocks.widened(networks.program(), 16)
    assert [widened.values[f'layer{position}'].channels for position in range(4)] == [32, 7, 32, 64]
    assert [networks.program().values[f'layer{position}'].channels for position in range(4)] == [20, 7, 32, 58]


def test_widening_follows_indices_made_of_others(pair, block):
    layers = {'a': {**GATE, 'gate_params': {'density': 0.4}}, 'b': GATE, 'concat': {'type': 'concat'},
              'flatten': {'type': 'flatten'}, 'fc': {'type': 'fully_connected', 'num_outputs': 4, 'activation_fn': None}}
    graph = [{'from': 'input', 'with': 'a', 'to': 'x'}, {'from': 'input', 'with': 'b', 'to': 'y'},
             {'from': ['x', 'y'], 'with': ['concat', 'flatten', 'fc'], 'to': 'output'}]
    networks = pair(layers, graph)
    assert onnx_blocks.widened(networks.program(), 16).values['concat'].channels == 32
    assert_equal_in_blocks(networks, block, ['a', 'b'])


# --- the engine ---

@pytest.mark.parametrize('parallel', [1, 2])
def test_the_engine_gives_what_the_network_of_tensorflow_does(pair, parallel):
    layers = {'a': GATE, 'pool': POOL, 'b': GATE}
    graph = [{'from': 'input', 'with': 'a', 'to': 'x'}, {'from': 'x', 'with': ['pool', 'b'], 'to': 'y'}]
    networks = pair(layers, graph, outputs=('x', 'y'))
    images, program = networks.images(3), networks.program()
    engine = OnnxNetwork(program, parallel)
    expected, counts = CompactNetwork(program)(images)
    for call in (engine, tf.function(engine)):
        found, found_counts = call(images)
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())
        assert found_counts.keys() == counts.keys()
        assert all((found_counts[name].numpy() == counts[name].numpy()).all() for name in counts)


def test_the_engine_runs_dense_networks_in_batches(pair):
    networks = pair(*named(CONV))
    engine = OnnxNetwork(networks.program())
    assert not engine.alone
    found, counts = engine(networks.images(3))
    assert (found.shape, counts) == ((3, 8, 8, 32), {})


def test_where_onnxruntime_has_no_blocks_there_are_none(monkeypatch):
    onnx_blocks.block_size.cache_clear()
    monkeypatch.setattr(onnx_blocks, 'BLOCKS', 'no.such.domain')
    assert onnx_blocks.block_size() is None
    onnx_blocks.block_size.cache_clear()
