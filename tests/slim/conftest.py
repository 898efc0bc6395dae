"""Models by file, with the scales of batch norm that a training could have left: what slimming needs, without TensorFlow."""

import pathlib
from typing import Any

import numpy as np
import pytest

from mayo.config import Config
from mayo.estimate import shapes
from mayo.session.spec import input_shape, model_graph
from mayo.slim import Model, channels_of

MODELS = pathlib.Path(__file__).parents[2] / 'models'


class Dense:
    """A model: its configuration, graph, shapes, random scales, and its sets of channels."""

    def __init__(self, name: str = '', text: str = '') -> None:
        self.config = Config.default()
        if name:
            self.config.merge_file(MODELS / f'{name}.yaml')
        self.config.merge_text(f'{text}\ndataset: {{name: some, task.num_classes: 7}}', 'test.yaml')
        self.graph, self.shape = model_graph(self.config), input_shape(self.config)
        self.shapes = shapes(self.graph, self.shape)
        random = np.random.default_rng(0)
        self.tensors = {
            f'{node.name}/BatchNorm/gamma': random.normal(0, 1, self.shapes[node.name].channels)
            for node in self.graph.nodes
            if has_scale(node)
        }

    @property
    def channels(self) -> Any:
        return channels_of(self.graph, self.shapes, self.tensors)

    def model(self, graph: Any) -> Model:
        """The model of a smaller graph, to be written."""
        return Model(
            'other',
            'another model',
            graph,
            shapes(graph, self.shape),
            self.config.get('dataset.task.preprocess'),
            self.config.get('model.outputs'),
            7,
            ['A model.', 'Written by slim: 10,000 MACs'],
        )


def has_scale(node: Any) -> bool:
    return any(tensor.name == 'BatchNorm/gamma' for tensor in node.params.tensors(1))


@pytest.fixture(scope='session')
def dense() -> type[Dense]:
    """dense(name, text): a model file and what is merged over it."""
    return Dense
