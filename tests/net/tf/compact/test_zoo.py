"""Compact equals masked at every density, and executes the multiply-accumulates that `info` says, on models of each build.

tests/conformance asks the rest of models/, at one density.
"""
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.estimate import estimate
from mayo.net.tf.compact import CompactNetwork, lower_graph, unsupported
from mayo.session.spec import input_shape, model_graph

ROOT = pathlib.Path(__file__).resolve().parents[4]
STEMS = ('cifarnet', 'lenet5', 'lenet5_bn', 'vgg16', 'vgg16_compact', 'resnet20')
MODELS = [f'{folder}{stem}.yaml' for folder in ('', 'gate/') for stem in STEMS]
GATED = [name for name in MODELS if name.startswith('gate/')]
DENSITIES = (1.0, 0.7, 0.5, 0.28, 0.1)
SIDE, CLASSES, UNITS = 32, 7, 48            # what images, classes and fully connected layers are reduced to


def small(model: str):
    """The graph and input shape of a model file, reduced."""
    config = Config.default()
    config.merge_file(ROOT / 'models' / model)
    config.merge_text(f'dataset.task.num_classes: {CLASSES}', 'test')
    for side in ('height', 'width'):
        size = min(config.get(f'dataset.task.preprocess.shape.{side}'), SIDE)
        config.merge_word(f'dataset.task.preprocess.shape.{side}={size}')
    for node in model_graph(config):
        if node.type == 'fully_connected' and node.params['num_outputs'] > UNITS:
            config.merge_word(f'model.layers.{node.name}.num_outputs={UNITS}')
    return model_graph(config), input_shape(config)


@pytest.fixture(scope='module', params=MODELS)
def model(request, pair_of):
    return pair_of(*small(request.param))


@pytest.fixture(scope='module', params=GATED)
def gated(request, pair_of):
    return pair_of(*small(request.param))


def executed(concrete) -> int:
    """Multiply-accumulates of a traced function, from the shapes of its convolutions and matrix products."""
    total = 0
    for operation in concrete.graph.get_operations():
        if operation.type in ('Conv2D', 'DepthwiseConv2dNative'):
            height, width, inside = operation.inputs[1].shape[:3]
            per_output = height * width * (1 if operation.type.startswith('Depthwise') else inside)
            total += per_output * operation.outputs[0].shape.num_elements()
        elif operation.type == 'MatMul':
            assert not operation.get_attr('transpose_a')
            total += operation.inputs[0].shape[1] * operation.outputs[0].shape.num_elements()
    return total


def scalings(program) -> int:
    """The convention's H W k for scaling each gated layer's output by its saliency."""
    return sum(int(np.prod(program.values[name].dims)) for name, one in program.gated.items() if one.gate.boost != 'never')


def test_compact_equals_masked_at_every_density_and_batch(model, eager):
    images = model.images(3)
    for density in DENSITIES if model.network(images)[1] else (1.0,):
        model.set_density(density)
        model.assert_equal(images[:1])
        model.assert_equal(images)


def test_images_of_a_batch_have_different_masks_and_outputs(gated):
    gated.set_density(0.5)
    images = gated.images(3)
    assert max(gated.winners(images)) > 1
    assert len(np.unique(gated.network(images)[0], axis=0)) == 3


def test_the_operations_executed_are_those_that_info_counts(gated):
    for density in DENSITIES:
        gated.set_density(density)
        program = gated.program()
        concrete = CompactNetwork(program).one.get_concrete_function(tf.TensorSpec((1, *gated.shape.dims)))
        said = sum(cost.executed for cost in estimate(gated.graph, gated.shape))
        assert executed(concrete) + scalings(program) == said


@pytest.mark.parametrize('name', MODELS)
def test_compact_execution_supports_every_model(name):
    assert unsupported(small(name)[0]) == []


def test_a_program_needs_no_built_network(gated):
    weights = {name: np.asarray(value) for name, value in gated.network.named_variables().items()}
    assert lower_graph(gated.graph, gated.shape, weights).outputs == gated.program().outputs
