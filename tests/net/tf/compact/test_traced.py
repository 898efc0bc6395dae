"""Compact networks as TensorFlow functions: compiled by XLA or not, for any batch, and what they execute."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.estimate import estimate
from mayo.net.tf.compact import CompactNetwork, Program, emit_weighted
from mayo.net.tf.compact import program as ops
from mayo.session.spec import input_shape, model_graph

from .conftest import Pair

MODELS = pathlib.Path(__file__).parents[4] / 'models' / 'gate'
GATE: dict[str, Any] = {
    'type': 'gated_convolution',
    'kernel_size': 3,
    'num_outputs': 9,
    'gate_params': {'density': 0.5},
    'normalizer_fn': 'keras.layers.BatchNormalization',
}
LAYERS: dict[str, Any] = {
    'a': GATE,
    'pool': {'type': 'max_pool', 'kernel_size': 2},
    'b': {**GATE, 'num_outputs': 22},
    'flatten': {'type': 'flatten'},
    'drop': {'type': 'dropout'},
    'fc': {'type': 'fully_connected', 'num_outputs': 5},
}


@pytest.fixture(scope='module')
def networks(pair: Callable[..., Pair]) -> Pair:
    return pair(LAYERS, list(LAYERS))


@pytest.mark.parametrize('xla', [False, True])
def test_compiled_or_not_it_computes_what_the_masked_network_does(networks: Pair, xla: bool) -> None:
    images = networks.images(3)
    networks.assert_equal(images[:1], xla=xla)
    networks.assert_equal(images, xla=xla, parallel=2)


def test_it_takes_batches_whose_size_is_not_known(networks: Pair) -> None:
    images = networks.images(3)
    network = CompactNetwork(networks.program(), xla=False)
    outputs, masks = tf.function(network, input_signature=[tf.TensorSpec((None, 8, 8, 3))])(images)
    np.testing.assert_allclose(outputs, networks.network(images)[0], atol=1e-4)
    assert {name: mask.dtype for name, mask in masks.items()} == {'a': tf.bool, 'b': tf.bool}
    assert all(len(mask) == 3 for mask in masks.values())


def test_fully_connected_weights_are_read_where_they_are_if_a_channel_has_many(
    networks: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit_weighted, 'BLOCK', 1)
    slices = []
    monkeypatch.setattr(tf, 'slice', lambda *args, slice=tf.slice: slices.append(args) or slice(*args))
    networks.assert_equal(networks.images(1), xla=False)
    assert slices


@pytest.mark.parametrize(('side', 'xla'), [(256, True), (257, False)])
def test_xla_serves_small_maps(side: int, xla: bool) -> None:
    values = {'input': ops.Value((side, side, 2), 2)}
    assert CompactNetwork(Program((), values, ('input',), ('input',))).xla is xla


def reduced(model: str, side: int) -> tuple[Any, Any]:
    """The graph and input shape of a gated model, for few classes and small images."""
    config = Config.default()
    config.merge_file(MODELS / model)
    config.merge_text('dataset.task.num_classes: 7', 'test')
    for key in ('height', 'width'):
        config.merge_word(f'dataset.task.preprocess.shape.{key}={side}')
    return model_graph(config), input_shape(config)


def executed(program: Program, dims: tuple[int, ...]) -> int:
    """Multiply-accumulates of a network as traced, from the shapes of its convolutions and matrix products.

    Scaling by saliency happens on whichever is smaller, the weights or the map; it counts H W k, as it does in `info`.
    """
    total = 0
    for name, gated in program.gated.items():
        total += int(np.prod(program.values[name].dims)) if gated.gate.boost != 'never' else 0
    graph = CompactNetwork(program, xla=False).alone.get_concrete_function(tf.TensorSpec((1, *dims))).graph
    for operation in graph.get_operations():
        if operation.type in ('Conv2D', 'DepthwiseConv2dNative'):
            height, width, inside = operation.inputs[1].shape[:3]
            per_output = height * width * (1 if operation.type.startswith('Depthwise') else inside)
            total += per_output * operation.outputs[0].shape.num_elements()
        elif operation.type == 'MatMul':
            total += operation.inputs[0].shape[1] * operation.outputs[0].shape.num_elements()
    return total


@pytest.mark.parametrize(
    ('model', 'side', 'densities'),
    [
        ('lenet5.yaml', 28, (1.0, 0.7, 0.5, 0.28, 0.1)),
        ('cifarnet.yaml', 32, (1.0, 0.7, 0.5, 0.28, 0.1)),
        ('resnet20.yaml', 32, (0.5,)),
        ('mobilenet.yaml', 32, (0.5,)),
        ('squeezenet_v11.yaml', 64, (0.28,)),
    ],
)
def test_the_operations_executed_are_those_that_info_counts(
    pair_of: type[Pair], model: str, side: int, densities: tuple[Any, ...]
) -> None:
    graph, shape = reduced(model, side)
    networks = pair_of(graph, shape)
    for density in densities:
        networks.set_density(density)
        counted = sum(cost.executed for cost in estimate(networks.graph, shape))
        assert executed(networks.program(), shape.dims) == counted
