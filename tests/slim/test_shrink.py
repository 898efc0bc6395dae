"""What is left of layers and weights."""
import numpy as np

from mayo.estimate import complete
from mayo.net.graph import build_graph
from mayo.slim import smaller_graph, smaller_tensors

LAYERS = {
    'conv': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3},
    'wide': {'type': 'pad', 'sides': 0, 'channels': [2, 3]},
    'depthwise': {'type': 'depthwise_convolution', 'kernel_size': 1},
    'grouped': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 8, 'num_groups': 8},
}
GRAPH = build_graph(LAYERS, {'from': 'input', 'with': list(LAYERS), 'to': 'output'}, complete=complete)
WIDE = np.array([True, False, True, False, True, True, True, True])
KEEP = {'input': np.ones(2, bool), 'conv': WIDE[2:5], 'wide': WIDE, 'depthwise': WIDE, 'grouped': np.ones(8, bool)}


def test_layers_get_narrower_and_so_do_the_zeros_on_either_side():
    graph = smaller_graph(GRAPH, KEEP)
    assert graph['conv'].params['num_outputs'] == 2
    assert graph['wide'].params['channels'] == (1, 3)
    assert graph['grouped'].params['num_outputs'] == 8
    assert GRAPH['wide'].params['channels'] == (2, 3)


def test_weights_lose_what_is_read_and_what_is_made():
    random = np.random.default_rng(0)
    tensors = {'conv/weights': random.normal(size=(1, 1, 2, 3)), 'conv/BatchNorm/moving_mean': random.normal(size=3),
               'conv/biases': random.normal(size=3), 'depthwise/depthwise_weights': random.normal(size=(1, 1, 8, 1)),
               'grouped/weights': random.normal(size=(1, 1, 1, 8))}
    keep = {**KEEP, 'depthwise': WIDE}
    found = smaller_tensors(GRAPH, {**keep, 'depthwise': np.ones(8, bool)}, tensors)
    np.testing.assert_array_equal(found['conv/weights'], tensors['conv/weights'][..., [0, 2]])
    np.testing.assert_array_equal(found['conv/BatchNorm/moving_mean'], tensors['conv/BatchNorm/moving_mean'][[0, 2]])
    np.testing.assert_array_equal(found['conv/biases'], tensors['conv/biases'][[0, 2]])
    np.testing.assert_array_equal(found['depthwise/depthwise_weights'],
                                  tensors['depthwise/depthwise_weights'][:, :, [0, 2, 4, 5, 6, 7]])
    assert found['grouped/weights'] is tensors['grouped/weights']
