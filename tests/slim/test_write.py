"""The written model is the smaller network, and its overlay gates it, however a model is built."""

import pathlib
from typing import Any

import pytest

from mayo.config import Config
from mayo.estimate import estimate, shapes
from mayo.session.spec import input_shape, model_graph, model_problems
from mayo.slim import Limits, choose_density, gate_text, gated_graph, kept_of, model_text, smaller_graph

from .conftest import Dense

NAMES = ('cifarnet', 'vgg16', 'squeezenet_v11', 'resnet18', 'resnet20', 'mobilenet', 'mobilenet_v3_large', 'densenet121')


def read(folder: pathlib.Path, file: str) -> Config:
    config = Config.default()
    config.merge_file(folder / file)
    config.merge_text('dataset: {name: some, task.num_classes: 7}', 'test.yaml')
    return config


def layers_of(graph: Any) -> list[Any]:
    return [(node.name, node.type, node.params, node.inputs) for node in graph.nodes]


@pytest.mark.parametrize('name', NAMES)
def test_the_file_reads_back_as_the_smaller_network_with_the_preprocessing_that_it_had(
    name: str, dense: type[Dense], tmp_path: pathlib.Path
) -> None:
    before = dense(name, 'model.bn: true')
    channels = before.channels
    keep = kept_of(channels, choose_density(channels, 0.5, Limits(2)).kept)
    graph = smaller_graph(before.graph, keep)
    assert {key: shape.channels for key, shape in shapes(graph, before.shape).items()} == {
        key: int(mask.sum()) for key, mask in keep.items()
    }
    model = before.model(graph)
    (tmp_path / 'gate').mkdir()
    (tmp_path / 'other.yaml').write_text(model_text(model))
    (tmp_path / 'gate' / 'other.yaml').write_text(gate_text(model, ['Its overlay.']))
    after, gated = read(tmp_path, 'other.yaml'), read(tmp_path, 'gate/other.yaml')
    assert (model_problems(after), after.unknown(), model_problems(gated)) == ([], [], [])
    assert layers_of(model_graph(after)) == layers_of(graph)
    assert model_graph(after).outputs == graph.outputs
    assert estimate(model_graph(after), input_shape(after)) == estimate(graph, before.shape)
    assert after.get('dataset.task.preprocess') == before.config.get('dataset.task.preprocess')
    gated.merge_word('_gate.density=0.5')
    assert estimate(model_graph(gated), input_shape(gated)) == estimate(gated_graph(model, 0.5), before.shape)


ODD = """
dataset.task.preprocess: {shape: {height: 9, width: 9, channels: 3}, final: [{type: linear_map, scale: 0.5, shift: -1}]}
model:
    inputs: [picture]
    outputs: [one, two]
    layers:
        _conv: &conv {type: convolution, kernel_size: [3, 1], padding: [1, 0], num_outputs: 9, num_groups: 3, stride: [2, 1],
                      activation_fn: {type: leaky_relu, negative_slope: 0.1}, biases_initializer: null,
                      weights_regularizer: {type: keras.regularizers.L2, l2: 1.0e-5}, trainable: false}
        "yes": *conv
        a b: {type: pad, sides: [[1, 0], [1, 0]]}
        crop: {type: crop, sides: [[1, 1], [2, 2]]}
        mean: {type: reduce_mean, axis: [1, 2], keepdims: true}
        norm: {type: batch_normalization, center: false}
        flat: {type: flatten}
        logits: {type: fully_connected, num_outputs: $(dataset.task.num_classes), activation_fn: softmax}
    graph:
        - {from: picture, with: ["yes", a b], to: trunk}
        - {from: trunk, with: crop, to: two}
        - {from: trunk, with: [mean, norm, flat, logits], to: one}
"""


def test_what_is_unusual_reads_back_too(dense: type[Dense], tmp_path: pathlib.Path) -> None:
    before = dense(text=ODD)
    (tmp_path / 'other.yaml').write_text(model_text(before.model(before.graph)))
    after = read(tmp_path, 'other.yaml')
    assert model_problems(after) == []
    assert layers_of(model_graph(after)) == layers_of(before.graph)
    assert (model_graph(after).inputs, model_graph(after).outputs) == (('picture',), ('logits', 'crop'))
    assert max(map(len, (tmp_path / 'other.yaml').read_text().splitlines())) <= 110


def test_the_number_of_classes_stays_that_of_the_dataset(dense: type[Dense], tmp_path: pathlib.Path) -> None:
    before = dense('cifarnet')
    text = model_text(before.model(before.graph))
    assert text.count('num_outputs: $(dataset.task.num_classes)\n') == 1


def test_what_layers_share_is_said_once(dense: type[Dense]) -> None:
    text = model_text(dense('cifarnet').model(dense('cifarnet').graph))
    assert '        conv3: {<<: *like_conv1, num_outputs: 128}\n' in text
    assert text.count('keras.layers.BatchNormalization') == 3
