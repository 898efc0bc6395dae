"""Every model of models/, built once for all questions: few channels, small images, few classes, one training step taken."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.layers import Shape
from mayo.net.graph import Graph
from mayo.net.tf.network import Network
from mayo.session.spec import input_shape, model_graph
from mayo.training.step import Rules, Step

ROOT = pathlib.Path(__file__).parents[2]
SIDES = {'inception_v3': 128, 'lenet5': 28}  # that the network admits and that leave a map before the last pooling
SIDE, CLASSES, IMAGES, DENSITY = 64, 5, 4, 0.5
NARROWER, LEAST = 4, 4  # channels are divided by so much, but not below


class Small:
    """A model file with its small network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.graph, self.shape = small_graph(name)
        self.network = Network(self.graph, self.shape, 'model')
        draw = np.random.default_rng(1)
        strength = draw.uniform(0.3, 2, (IMAGES, 1, 1, self.shape.channels))
        self.images = tf.constant(draw.normal(0.3, strength, (IMAGES, *self.shape.dims)), tf.float32)
        self._train()
        self.calibrate()
        self.weights = {name: variable.numpy() for name, variable in self.network.named_variables().items()}

    def _train(self) -> None:
        variables = self.network.named_variables()
        trained = {name: variable for name, variable in variables.items() if variable.trainable}
        self.before = {name: variable.numpy() for name, variable in trained.items()}
        step = Step(self.network, trained, keras.optimizers.SGD(), Rules(), tf.distribute.get_strategy())
        step(self.images, tf.range(IMAGES) % CLASSES, 0.01)
        self.bad_step, self.loss = int(step.bad_step), step.read_totals().loss
        self.after = {name: variable.numpy() for name, variable in trained.items()}

    def calibrate(self) -> None:
        """Give every batch norm the statistics of what reaches it, layer by layer: fresh deep networks explode without."""

        def visit(node: Any, sources: Any) -> Any:
            layer = self.network.node_layers[node.name]
            source = sources[0] if len(sources) == 1 else sources
            norms = [part for part in layer._flatten_layers() if isinstance(part, keras.layers.BatchNormalization)]
            for norm in norms:
                norm.momentum = 0.0
                layer(source, training=True)
                variance = norm.moving_variance
                variance.assign(tf.maximum(variance, tf.reduce_mean(variance)))  # nor is the noise of rounding blown up
            outputs = layer(source)
            return outputs[0] if isinstance(outputs, tuple) else outputs

        self.graph.walk({'input': self.images}, visit)

    @functools.cached_property
    def outcome(self) -> tuple[Any, ...]:
        """(outputs, stats of the gates, value of every node) on the images."""
        return *self.network(self.images), self.network.activations(self.images)


def small_graph(name: str, density: float = DENSITY) -> tuple[Graph, Shape]:
    """The layers of a model file with fewer channels, and a small input."""
    config = Config.default()
    config.merge_file(ROOT / 'models' / f'{name}.yaml')
    config.merge_text(f'dataset.task.num_classes: {CLASSES}\n_gate.density: {density}', 'test')
    shape = input_shape(config)
    side = min(shape.height, next((side for kind, side in SIDES.items() if kind in name), SIDE))
    return narrow(model_graph(config)), Shape((side, side, shape.channels))


def narrow(graph: Graph) -> Graph:
    """The graph with fewer channels everywhere but in the logits; what is added to channels shrinks alike."""

    def less(value: int) -> int:
        return max(-(-value // NARROWER), min(value, LEAST))

    def changed(node: Any) -> Any:
        layer = node.params
        if hasattr(layer, 'num_outputs') and node.name != 'logits':
            layer = dataclasses.replace(layer, num_outputs=less(layer.num_outputs))
        if hasattr(layer, 'channels'):
            layer = dataclasses.replace(layer, channels=tuple(side // NARROWER for side in layer.channels))
        return dataclasses.replace(node, params=layer)

    return dataclasses.replace(graph, nodes=tuple(map(changed, graph.nodes)))


@pytest.fixture(scope='module', autouse=True)
def everything_eager(eager: None) -> None:
    pass


@pytest.fixture(scope='session')
def graph_of() -> Any:
    """graph_of(name, density): the small graph of a model."""
    return lambda name, density: small_graph(name, density)[0]


@pytest.fixture(scope='module')
def small(request: pytest.FixtureRequest) -> Iterator[Small]:
    """The model that the test is parametrized with."""
    yield Small(request.param)
    keras.backend.clear_session()
