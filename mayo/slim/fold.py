"""What dropped channels leave behind: their constants, moved into the layers that read them.

A channel whose scale gamma is 0 is not zero, it is the constant a = activation(beta). Dropped, it takes that from every layer
after it, which accuracy notices even where gamma is small. Folding corrects each reader by what it loses,

    moving_mean -= sum over the window and the dropped channels of w a         or       biases += that sum,

which is exact but at borders padded with zeros. It changes the dense network's weights, before channels are dropped.
"""

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from mayo.config.names import Spec
from mayo.layers.base import Weighted
from mayo.layers.travel import Apart, Joined, Mixed, Padded, Tied, Whole
from mayo.net.graph import Graph, Node
from mayo.net.tf.objects import instantiate


def folded(graph: Graph, keep: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors` with the constants of the channels that `keep` drops in the layers that read them.

    What no layer can take, such as a constant times another channel (`mul`), is left out, as it is without folding.
    """
    corrected = dict(tensors)

    def visit(node: Node, sources: list[np.ndarray]) -> np.ndarray:
        if f'{node.name}/weights' in tensors:
            _correct(node, sources[0], corrected)
        return np.where(keep[node.name], 0, _constants(node, sources, len(keep[node.name]), tensors))

    graph.walk({name: np.zeros(len(keep[name])) for name in graph.inputs}, visit)
    return corrected


def _correct(node: Node, constants: np.ndarray, tensors: dict[str, np.ndarray]) -> None:
    """Give the layer, in `tensors`, what the constants [C'] of its input did; nothing to correct, nothing done."""
    weights = tensors[f'{node.name}/weights']
    if not constants.any():
        return  # among others where groups split the channels
    lost = (constants @ weights.reshape(-1, *weights.shape[-2:]).sum(0)).astype(weights.dtype)
    for name, change in {'BatchNorm/moving_mean': -lost, 'biases': lost}.items():
        if f'{node.name}/{name}' in tensors:
            tensors[f'{node.name}/{name}'] = tensors[f'{node.name}/{name}'] + change


def _constants(node: Node, sources: list[np.ndarray], channels: int, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each channel [C] of the layer's output would be without its scale; 0 where that is no constant."""
    layer, travel = node.params, node.params.travel
    beta = tensors.get(f'{node.name}/BatchNorm/beta')
    if beta is not None and isinstance(layer, Weighted):
        return _activated(layer.activation_fn, beta)
    match travel:
        case Apart() if not travel.weighs:
            return _activated(travel.function, np.tile(sources[0], channels // len(sources[0])))
        case Joined():
            return np.concatenate(sources)
        case Padded():
            return np.pad(sources[0], (travel.before, travel.after))
        case Tied() if not travel.product:
            return np.sum(sources, 0)
        case Apart() | Mixed() | Whole() | Tied():
            return np.zeros(channels)
    assert_never(travel)


def _activated(function: Spec | None, values: np.ndarray) -> np.ndarray:
    activation = instantiate(function)
    return values if activation is None else np.asarray(activation(np.asarray(values, np.float32)))
