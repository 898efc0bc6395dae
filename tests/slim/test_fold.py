"""Dropping a channel of no scale changes nothing but at padded borders, once its constant is folded into what reads it."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.network import Network
from mayo.slim import Limits, channels_of, choose_density, kept_of
from mayo.slim.fold import folded
from mayo.slim.verify import masked_outputs, network_of

SHAPE = Shape((8, 8, 3))
CONV: dict[str, Any] = {
    'type': 'convolution',
    'kernel_size': 3,
    'padding': 'valid',
    'num_outputs': 4,
    'normalizer_fn': 'keras.layers.BatchNormalization',
}
POINT: dict[str, Any] = {**CONV, 'kernel_size': 1}
LAYERS: dict[str, Any] = {
    'one': CONV,
    'two': {**POINT, 'activation_fn': None},
    'add': {'type': 'add'},
    'act': {'type': 'activation', 'mode': 'sigmoid'},
    'pool': {'type': 'max_pool', 'kernel_size': 2},
    'depthwise': {'type': 'depthwise_convolution', 'kernel_size': 1, 'normalizer_fn': CONV['normalizer_fn']},
    'three': {**POINT, 'activation_fn': 'swish'},
    'concat': {'type': 'concat'},
    'norm': {'type': 'batch_normalization'},
    'plain': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 5},
    'flatten': {'type': 'flatten'},
    'logits': {'type': 'fully_connected', 'num_outputs': 3, 'activation_fn': None},
}
ENTRIES: list[Any] = [
    {'from': 'input', 'with': 'one', 'to': 'a'},
    {'from': 'a', 'with': 'two', 'to': 'b'},
    {'from': ['a', 'b'], 'with': ['add', 'act', 'pool'], 'to': 'c'},
    {'from': 'c', 'with': ['depthwise'], 'to': 'd'},
    {'from': 'c', 'with': 'three', 'to': 'e'},
    {'from': ['d', 'e'], 'with': ['concat', 'norm'], 'to': 'f'},
    {'from': 'f', 'with': ['plain', 'flatten', 'logits'], 'to': 'output'},
]


@pytest.mark.parametrize('fold', [True, False])
def test_a_network_with_scales_of_zero_is_the_same_without_their_channels_if_folded(fold: bool) -> None:
    graph = build_graph(LAYERS, ENTRIES)
    random = np.random.default_rng(0)
    network = network_of(graph, fresh(graph, random), SHAPE)
    tensors = {name: variable.numpy() for name, variable in network.named_variables().items()}
    channels = channels_of(graph, shapes(graph, SHAPE), tensors)
    keep = kept_of(channels, choose_density(channels, 0.5, Limits()).kept)
    assert not keep['one'].all()
    assert not keep['three'].all()
    corrected = folded(graph, keep, tensors) if fold else tensors
    images = tf.constant(random.normal(0, 1, (2, *SHAPE.dims)), tf.float32)
    [masked], whole = masked_outputs(network_of(graph, corrected, SHAPE), keep, images), network(images)[0]
    assert np.allclose(masked, whole, rtol=0, atol=1e-5) == fold


def fresh(graph: Any, random: Any) -> dict[str, Any]:
    """Weights in which two of every four channels of every batch norm have no scale."""
    tensors = {}
    for name, variable in Network(graph, SHAPE, 'dense').named_variables().items():
        tensors[name] = random.normal(0, 0.7, variable.shape).astype(np.float32)
        if 'variance' in name:
            tensors[name] = np.ones(variable.shape, np.float32)
        if 'gamma' in name:
            tensors[name][np.arange(len(tensors[name])) % 4 < 2] = 0
    return tensors
