"""A gated network of 8 x 8 pictures, with weights."""

import numpy as np
import pytest

from mayo.bench import Subject
from mayo.config import Config
from mayo.layers import Shape
from mayo.session.spec import model_graph

LAYERS = """
dataset: {name: pictures, task: {num_classes: 3, preprocess: {shape: {height: 8, width: 8, channels: 2}}}}
model:
    name: tiny
    layers:
        conv0: {type: gated_convolution, kernel_size: 3, num_outputs: 6, gate_params: {density: 0.5}}
        conv1: {type: gated_convolution, kernel_size: 3, num_outputs: 4, gate_params: {density: 0.5}}
        pool: {type: reduce_mean}
        logits: {type: fully_connected, num_outputs: 3, activation_fn: null}
    graph: {from: input, with: [conv0, conv1, pool, logits], to: output}
"""
SHAPES = {
    'conv0/weights': (3, 3, 2, 6),
    'conv0/biases': (6,),
    'conv0/gate/weights': (2, 6),
    'conv0/gate/biases': (6,),
    'conv0/gate/shift': (6,),
    'conv1/weights': (3, 3, 6, 4),
    'conv1/biases': (4,),
    'conv1/gate/weights': (6, 4),
    'conv1/gate/biases': (4,),
    'conv1/gate/shift': (4,),
    'logits/weights': (4, 3),
    'logits/biases': (3,),
}


@pytest.fixture(scope='session')
def tiny_config() -> Config:
    config = Config.default()
    config.merge_text(LAYERS, 'tiny.yaml')
    return config


@pytest.fixture(scope='session')
def subject(tiny_config: Config) -> Subject:
    random = np.random.default_rng(0)
    weights = {name: random.normal(0.2, 0.5, shape).astype(np.float32) for name, shape in SHAPES.items()}
    return Subject('tiny', model_graph(tiny_config), Shape((8, 8, 2)), weights, 'random weights')
