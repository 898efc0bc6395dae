"""The written model is the smaller network, and its overlay gates it, for each way in which models of the repository are built."""
import pytest

from mayo.config import Config
from mayo.estimate import estimate, shapes
from mayo.session.spec import input_shape, model_graph, model_problems
from mayo.slim import Limits, choose_density, gate_text, gated_graph, kept_of, model_text, smaller_graph

NAMES = ('cifarnet', 'vgg16', 'squeezenet_v11', 'resnet18', 'resnet20', 'mobilenet', 'mobilenet_v3_large', 'densenet121')


def read(folder, file):
    config = Config.default()
    config.merge_file(folder / file)
    config.merge_text('dataset: {name: some, task.num_classes: 7}', 'test.yaml')
    return config


def said(graph):
    return [(node.name, node.type, dict(node.params), node.inputs) for node in graph.nodes]


@pytest.mark.parametrize('name', NAMES)
def test_the_file_reads_back_as_the_smaller_network_with_the_preprocessing_that_it_had(name, dense, tmp_path):
    before = dense(name, 'model.bn: true')
    channels = before.channels
    keep = kept_of(channels, choose_density(channels, 0.5, Limits(2)).kept)
    graph = smaller_graph(before.graph, keep)
    assert {key: shape.channels for key, shape in shapes(graph, before.shape).items()} == {
        key: int(one.sum()) for key, one in keep.items()}
    model = before.model(graph)
    (tmp_path / 'gate').mkdir()
    (tmp_path / 'other.yaml').write_text(model_text(model))
    (tmp_path / 'gate' / 'other.yaml').write_text(gate_text(model, ['Its overlay.']))
    after, gated = read(tmp_path, 'other.yaml'), read(tmp_path, 'gate/other.yaml')
    assert (model_problems(after), after.unknown(), model_problems(gated)) == ([], [], [])
    assert said(model_graph(after)) == said(graph)
    assert model_graph(after).outputs == graph.outputs
    assert estimate(model_graph(after), input_shape(after)) == estimate(graph, before.shape)
    assert after.get('dataset.task.preprocess') == before.config.get('dataset.task.preprocess')
    gated.merge_word('_gate.density=0.5')
    assert estimate(model_graph(gated), input_shape(gated)) == estimate(gated_graph(model, 0.5), before.shape)
