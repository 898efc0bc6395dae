"""A gated network of 8 x 8 pictures that chooses different channels for different images, as a subject of export."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.export import Preprocessing, Subject
from mayo.export.compare import Gated
from mayo.export.function import preprocess
from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.compact import lower
from mayo.net.tf.network import Network

CONV = {'type': 'gated_convolution', 'kernel_size': 3, 'num_outputs': 8, 'gate_params': {'density': 0.5}}
LAYERS = {
    'conv0': CONV,
    'conv1': {**CONV, 'num_outputs': 6},
    'pool': {'type': 'reduce_mean'},
    'logits': {'type': 'fully_connected', 'num_outputs': 4, 'activation_fn': None},
}
STEPS = ({'type': 'crop_or_pad'}, {'type': 'linear_map', 'scale': 1 / 64, 'shift': -2.0})


class Exported:
    """subject(preprocess, size) and the masked network as its reference."""

    conv = CONV

    def __init__(self, layers: dict[str, Any] = LAYERS, bias: float = 1.0) -> None:
        """bias: of the gates, but for hidden layers; those of other layers stay zero where it is not 1."""
        graph = build_graph(layers, {'from': 'input', 'with': list(layers), 'to': 'output'})
        self.network = Network(graph, Shape((8, 8, 3)), 'tiny')
        random = np.random.default_rng(0)
        for name, variable in self.network.named_variables().items():
            if '/gate/' in name and name.endswith('weights'):
                variable.assign(random.normal(0, 1, variable.shape))
            elif name.endswith('gate/biases'):
                variable.assign(tf.fill(variable.shape, bias))
            elif name.endswith('biases') and '/gate/' not in name and bias == 1:
                variable.assign(random.normal(0, 0.2, variable.shape))
        self.program = lower(self.network, Shape((8, 8, 3)))

    def subject(self, inside: bool = False, size: Any = None, steps: tuple[Any, ...] = STEPS, **changes: Any) -> Subject:
        preprocessing = Preprocessing(steps, (8, 8, 3), size) if inside else None
        return Subject('tiny', self.program, preprocessing=preprocessing, outside=() if inside else steps, **changes)

    def reference(self, subject: Subject) -> Callable[..., tuple[Any, list[Any]]]:
        """Masked execution."""

        def run(images: Any) -> tuple[Any, list[Any]]:
            if subject.preprocessing:
                images = tf.stack([preprocess(image, subject.preprocessing) for image in images])
            outputs, stats = self.network(images)
            return outputs.numpy(), [Gated(stat.saliency.numpy(), stat.mask.numpy()) for stat in stats.values()]

        return run


@pytest.fixture(scope='session')
def tiny() -> Exported:
    return Exported()
