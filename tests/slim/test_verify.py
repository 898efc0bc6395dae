"""The comparison of a slimmed network with the masked one, and what it cannot show."""

import logging

import numpy as np
import pytest

from mayo.checkpoint.slimmed import smaller_tensors
from mayo.layers import Shape
from mayo.net.graph import Graph, build_graph
from mayo.net.tf.network import Network
from mayo.slim import silenced, smaller_graph
from mayo.slim.verify import compare
from mayo.util.errors import RunError

SHAPE = Shape((8, 8, 3))
GATED = {'type': 'gated_convolution', 'kernel_size': 3, 'num_outputs': 8, 'gate_params': {'density': 0.25}}
LOGITS = {'type': 'fully_connected', 'num_outputs': 3, 'activation_fn': None}
LAYERS = {'conv0': GATED, 'conv1': GATED, 'pool': {'type': 'reduce_mean'}, 'logits': LOGITS}
GRAPH = build_graph(LAYERS, {'from': 'input', 'with': list(LAYERS), 'to': 'output'})
KEPT = np.arange(8) < 5
KEEP = {'input': np.ones(3, bool), 'conv0': KEPT, 'conv1': KEPT, 'pool': KEPT, 'logits': np.ones(3, bool)}
SAME = 'all images chose the same channels: the comparison cannot tell whether the smaller network chooses at all'
Model = tuple[Graph, dict[str, np.ndarray]]


def models(weights_of_gates: float) -> tuple[Model, Model]:
    """The whole network and the smaller one, whose gates look at the image as strongly as `weights_of_gates` says."""
    random, tensors = np.random.default_rng(0), dict[str, np.ndarray]()
    for name, variable in Network(GRAPH, SHAPE, 'whole').named_variables().items():
        scale = weights_of_gates if name.endswith('gate/weights') else 0.3
        mean = 1 if name.endswith('gate/biases') else 0
        tensors[name] = random.normal(mean, scale, variable.shape).astype(np.float32)
    whole = silenced(tensors, KEEP)
    return (GRAPH, whole), (smaller_graph(GRAPH, KEEP), smaller_tensors(GRAPH, KEEP, tensors))


def test_a_smaller_network_that_computes_the_same_is_told_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert compare(*models(1.0), KEEP, SHAPE) < 1e-5
    assert caplog.messages == []


def test_gates_that_choose_the_same_channels_for_all_images_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert compare(*models(0.0), KEEP, SHAPE) < 1e-5
    assert caplog.messages == [SAME]


def test_a_smaller_network_that_computes_something_else_is_an_error() -> None:
    whole, (graph, tensors) = models(1.0)
    with pytest.raises(RunError, match=r'slim: the smaller network differs from the masked one by .* of the largest output'):
        compare(whole, (graph, {**tensors, 'conv1/weights': 1.5 * tensors['conv1/weights']}), KEEP, SHAPE)
