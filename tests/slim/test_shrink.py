"""What is left of layers and weights."""

from typing import Any

import numpy as np

from mayo.checkpoint.slimmed import origin, smaller_tensors, whole_tensors, widened
from mayo.net.graph import build_graph
from mayo.slim import smaller_graph

BN = 'keras.layers.BatchNormalization'
LAYERS: dict[str, Any] = {
    'conv': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3, 'normalizer_fn': BN},
    'wide': {'type': 'pad', 'sides': 0, 'channels': [2, 3]},
    'depthwise': {'type': 'depthwise_convolution', 'kernel_size': 1},
    'grouped': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 8, 'num_groups': 8},
}
GRAPH = build_graph(LAYERS, {'from': 'input', 'with': list(LAYERS), 'to': 'output'})
WIDE = np.array([True, False, True, False, True, True, True, True])
KEEP: dict[str, Any] = {
    'input': np.ones(2, bool),
    'conv': WIDE[2:5],
    'wide': WIDE,
    'depthwise': WIDE,
    'grouped': np.ones(8, bool),
}


def test_layers_get_narrower_and_so_do_the_zeros_on_either_side() -> None:
    graph = smaller_graph(GRAPH, KEEP)
    assert graph['conv'].params.num_outputs == 2
    assert graph['wide'].params.channels == (1, 3)
    assert graph['grouped'].params.num_outputs == 8
    assert GRAPH['wide'].params.channels == (2, 3)


def test_weights_lose_what_is_read_and_what_is_made() -> None:
    random = np.random.default_rng(0)
    tensors = {
        'conv/weights': random.normal(size=(1, 1, 2, 3)),
        'conv/BatchNorm/moving_mean': random.normal(size=3),
        'conv/BatchNorm/beta': random.normal(size=3),
        'depthwise/depthwise_weights': random.normal(size=(1, 1, 8, 1)),
        'grouped/weights': random.normal(size=(1, 1, 1, 8)),
    }
    keep = {**KEEP, 'depthwise': WIDE}
    smaller_weights = smaller_tensors(GRAPH, {**keep, 'depthwise': np.ones(8, bool)}, tensors)
    np.testing.assert_array_equal(smaller_weights['conv/weights'], tensors['conv/weights'][..., [0, 2]])
    np.testing.assert_array_equal(smaller_weights['conv/BatchNorm/moving_mean'], tensors['conv/BatchNorm/moving_mean'][[0, 2]])
    np.testing.assert_array_equal(smaller_weights['conv/BatchNorm/beta'], tensors['conv/BatchNorm/beta'][[0, 2]])
    np.testing.assert_array_equal(
        smaller_weights['depthwise/depthwise_weights'], tensors['depthwise/depthwise_weights'][:, :, [0, 2, 4, 5, 6, 7]]
    )
    assert smaller_weights['grouped/weights'] is tensors['grouped/weights']


GATED: dict[str, Any] = {
    'conv': {
        'type': 'gated_convolution',
        'kernel_size': 1,
        'num_outputs': 4,
        'normalizer_fn': BN,
        'gate_params': {'density': 0.5, 'threshold': 'local'},
    },
    'head': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 2},
}
GATED_GRAPH = build_graph(GATED, {'from': 'input', 'with': list(GATED), 'to': 'output'})
GATED_KEEP = {'input': np.ones(3, bool), 'conv': np.array([True, False, True, True]), 'head': np.ones(2, bool)}
GATED_TENSORS: dict[str, Any] = {
    'conv/weights': (1, 1, 3, 4),
    'conv/BatchNorm/moving_variance': (4,),
    'conv/gate/weights': (3, 4),
    'conv/gate/biases': (4,),
    'conv/gate/threshold': (),
    'head/weights': (1, 1, 4, 2),
    'head/biases': (2,),
}


def test_a_gate_goes_on_picking_as_many() -> None:
    assert smaller_graph(GATED_GRAPH, GATED_KEEP)['conv'].params.gate.density == 0.6666


def test_weights_come_back_where_they_were_with_zeros_beside_and_variances_of_one() -> None:
    random = np.random.default_rng(0)
    tensors = {name: random.normal(size=shape) for name, shape in GATED_TENSORS.items()}
    smaller = smaller_tensors(GATED_GRAPH, GATED_KEEP, tensors)
    assert {name: value.shape for name, value in smaller.items()} == {
        'conv/weights': (1, 1, 3, 3),
        'conv/BatchNorm/moving_variance': (3,),
        'conv/gate/weights': (3, 3),
        'conv/gate/biases': (3,),
        'conv/gate/threshold': (),
        'head/weights': (1, 1, 3, 2),
        'head/biases': (2,),
    }
    whole = whole_tensors(GATED_GRAPH, GATED_KEEP, smaller)
    for name, axis, empty in [
        ('conv/weights', -1, 0),
        ('conv/gate/weights', -1, 0),
        ('conv/gate/biases', 0, 0),
        ('conv/BatchNorm/moving_variance', 0, 1),
        ('head/weights', -2, 0),
    ]:
        expected = np.moveaxis(tensors[name].copy(), axis, 0)
        expected[1] = empty
        np.testing.assert_array_equal(np.moveaxis(whole[name], axis, 0), expected)
    assert whole['conv/gate/threshold'] == tensors['conv/gate/threshold']


def test_only_the_network_that_was_slimmed_takes_its_weights_back() -> None:
    smaller = {
        'small/head/biases': np.ones(2),
        'imgs_seen': np.int64(7),
        'mayo/config': np.bytes_('x'),
        **origin('large', GATED_KEEP),
    }
    smaller['mayo/whole'] = np.bytes_(smaller['mayo/whole'])
    assert widened(GATED_GRAPH, 'other', smaller) is None
    smaller_weights = widened(GATED_GRAPH, 'large', smaller)
    assert set(smaller_weights or ()) == {'large/head/biases', 'imgs_seen'}
    assert widened(GATED_GRAPH, 'large', {'large/head/biases': np.ones(2)}) is None
