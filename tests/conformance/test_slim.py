"""A slimmed network computes what the dense one does with the dropped channels at zero, however channels join."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint.slimmed import smaller_tensors, whole_tensors
from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.net import gates
from mayo.net.tf.network import Network
from mayo.slim import Limits, channels_of, choose_density, kept_of, silenced, smaller_graph
from mayo.slim.verify import masked_outputs, network_of

SHAPE = Shape((32, 32, 3))


@pytest.mark.parametrize(
    'name',
    [
        'cifarnet',  # a chain
        'vgg16_bn',  # whose maps are flattened
        'resnet18',  # sums, with convolutions on the shortcut
        'resnet20',  # sums, with channels of zeros on it
        'inception_v1',  # concat
        'densenet121',  # concat, and batch norms that read what others do
        'mobilenet_v2',  # depthwise convolutions
        'mobilenet_v3_large',  # and products: squeeze and excite
    ],
)
def test_a_slimmed_network_equals_the_masked_one(name: str, graph_of: Any) -> None:
    graph = graph_of(name, 1.0)
    dense = drawn(graph)
    tensors = {name: variable.numpy() for name, variable in dense.named_variables().items()}
    channels = channels_of(graph, shapes(graph, SHAPE), tensors)
    choice = choose_density(channels, 0.6, Limits())
    keep = kept_of(channels, choice.kept)
    slimmed = network_of(smaller_graph(graph, keep), smaller_tensors(graph, keep, tensors), SHAPE)
    images = tf.constant(np.random.default_rng(1).normal(0, 1, (3, *SHAPE.dims)), tf.float32)
    [masked], whole, of_slimmed = masked_outputs(dense, keep, images), dense(images)[0], slimmed(images)[0]
    np.testing.assert_allclose(of_slimmed, masked, rtol=0, atol=1e-5 * np.abs(masked).max())
    again = loaded(dense, whole_tensors(graph, keep, smaller_tensors(graph, keep, tensors)))(images)[0]
    np.testing.assert_allclose(again, of_slimmed, rtol=0, atol=1e-5 * np.abs(masked).max())
    assert np.abs(whole - masked).max() > 1e-3 * np.abs(masked).max()  # something was dropped that mattered
    assert choice.density < 0.65
    keras.backend.clear_session()


@pytest.mark.parametrize('name', ['gate/cifarnet', 'gate/resnet18', 'gate/mobilenet_v2'])
def test_so_does_a_gated_one_and_the_whole_with_the_weights_of_the_slimmed(name: str, graph_of: Any) -> None:
    graph = graph_of(name, 0.5)
    network = drawn(graph)
    tensors = {name: variable.numpy() for name, variable in network.named_variables().items()}
    random, sizes = np.random.default_rng(2), shapes(graph, SHAPE)
    gated = gates.gates_of(graph)
    channels = channels_of(graph, sizes, tensors, {name: random.uniform(size=sizes[name].channels) for name in gated})
    picked = {name: gate.kept(sizes[name].channels) + 1 for name, gate in gated.items()}
    keep = kept_of(channels, choose_density(channels, 0.7, Limits(of_layer=picked)).kept)
    smaller, weights = smaller_graph(graph, keep), smaller_tensors(graph, keep, tensors)
    images = tf.constant(random.normal(0, 1, (3, *SHAPE.dims)), tf.float32)
    [masked] = masked_outputs(loaded(network, silenced(tensors, keep)), keep, images)
    outputs, stats = network_of(smaller, weights, SHAPE)(images)
    whole, whole_stats = loaded(network, whole_tensors(graph, keep, weights))(images)
    np.testing.assert_allclose(outputs, masked, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(whole, masked, rtol=1e-4, atol=1e-5)
    for layer, stat in stats.items():
        np.testing.assert_array_equal(stat.mask, np.compress(keep[layer], whole_stats[layer].mask, -1))
    assert sum(keep[layer].sum() for layer in stats) < 0.9 * sum(len(keep[layer]) for layer in stats)
    keras.backend.clear_session()


def loaded(network: Network, tensors: Mapping[str, np.ndarray]) -> Network:
    """The network with other weights, all of them."""
    for name, variable in network.named_variables().items():
        variable.assign(tensors[name])
    return network


def drawn(graph: Any) -> Network:
    """A network whose batch norms have scales and shifts of either sign."""
    random = np.random.default_rng(0)
    network = Network(graph, SHAPE, 'dense')
    for name, variable in network.named_variables().items():
        if 'BatchNorm/' in name and 'variance' not in name:
            variable.assign(random.normal(0, 0.7, variable.shape))
    return network
