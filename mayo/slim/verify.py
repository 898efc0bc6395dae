"""Whether the smaller network computes what the masked one does, on random images."""

import logging
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import Graph, Node
from mayo.net.tf.network import Network
from mayo.session.base import dtype_policy
from mayo.util.errors import RunError
from mayo.util.trial_images import choices, random_images

_log = logging.getLogger(__name__)
TOLERANCE = 1e-4  # of the largest output; float32 sums in another order


def compare(
    whole: tuple[Graph, Mapping[str, np.ndarray]],
    smaller: tuple[Graph, Mapping[str, np.ndarray]],
    keep: Mapping[str, np.ndarray],
    shape: Shape,
    images: int = 8,
) -> float:
    """The largest difference of outputs on random images, over the largest output. RunError if it is more than rounding.

    whole, smaller: graph and tensors by name. keep: which channels of each value stay. Gates that choose the same channels for
    all images are told in a warning, since the comparison says little about them.
    """
    batch = tf.constant(random_images(images, shape.dims))
    expected = masked_outputs(network_of(*whole, shape), keep, batch)
    outputs, stats = network_of(*smaller, shape)(batch)
    pairs = list(zip(tf.nest.flatten(expected), tf.nest.flatten(outputs), strict=True))
    largest = max(float(tf.reduce_max(tf.abs(wanted))) for wanted, _ in pairs)
    difference = max(float(tf.reduce_max(tf.abs(wanted - got))) for wanted, got in pairs) / max(largest, 1e-12)
    if not difference <= TOLERANCE:
        raise RunError(
            f'slim: the smaller network differs from the masked one by {difference:.2g} of the largest output; '
            'nothing was written.'
        )
    masks = [mask for stat in stats.values() if not (mask := stat.mask.numpy()).all()]
    if masks and len(set(choices(masks))) == 1:
        _log.warning(
            'all images chose the same channels: the comparison cannot tell whether the smaller network chooses at all'
        )
    return difference


def masked_outputs(network: Network, keep: Mapping[str, np.ndarray], images: tf.Tensor) -> list[tf.Tensor]:
    """The outputs of a network, every dropped channel of which is zero after every layer."""

    def visit(node: Node, sources: list[tf.Tensor]) -> tf.Tensor:
        outputs = network.node_layers[node.name](sources[0] if len(sources) == 1 else sources, training=False)
        outputs = outputs[0] if node.params.gate else outputs  # of a gate, without what it did
        return outputs * tf.constant(keep[node.name], outputs.dtype)

    values = network.graph.walk(dict.fromkeys(network.graph.inputs, images), visit)
    return [values[name] for name in network.graph.outputs]


def network_of(graph: Graph, tensors: Mapping[str, np.ndarray], shape: Shape) -> Network:
    """The network with these weights, in float32."""
    with dtype_policy('float32'):
        network = Network(graph, shape, 'slim')
    for name, variable in network.named_variables().items():
        variable.assign(tensors[name])
    return network
