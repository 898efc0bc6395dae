"""The executed MACs of images, pulled to a target by a term of the loss: train.target_macs.

    loss += weight (mean_n E_n / target - 1)^2

    E_n = e + sum_l a_l k_l + sum_lm b_lm k_l k_m       what mayo.estimate counts for the active channels k of image n
    k_l = sum_c mask_c, whose slope is that of          sum_c u^2 z / (2 + 2 |z|),  z = (g_c - t_l) / u,  u = T std(g_l)

Shapes: N images, C channels, L gated layers; g and mask are [N, C], t_l is the layer's trained threshold, T
gate_params.temperature. The slope is a straight-through estimate (https://arxiv.org/abs/1308.3432), steep near the threshold: it
moves t, and g of the channels near it, in the layers and images where that saves most, or back where images cost too little. It
falls off slowly, so that a threshold beyond all saliencies comes back; and u^2 makes steps as small as saliencies are alike.
The loss of the network sees no slope through the mask, so it holds the saliencies, and the budget the thresholds.
"""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mayo.estimate import executed_each
from mayo.layers import Shape
from mayo.net.gates import gates_of, widths_of
from mayo.net.graph import Graph
from mayo.net.tf import replicas
from mayo.net.tf.gate.base import GateStats
from mayo.net.tf.network import Network
from mayo.util.errors import UserError


@dataclass(frozen=True)
class Costs:
    """E as a polynomial of the counts of `layers`: constant e, linear [L], and pairs [L, L], of which b_lm stands at l < m."""

    layers: tuple[str, ...]
    constant: float
    linear: np.ndarray
    pairs: np.ndarray

    def of(self, counts: tf.Tensor) -> tf.Tensor:
        """E of each image [N], from counts [N, L]."""
        crossed = tf.matmul(counts, tf.constant(self.pairs, counts.dtype))
        return self.constant + tf.reduce_sum(counts * (tf.constant(self.linear, counts.dtype) + crossed), 1)


def costs_of(graph: Graph, input_shape: Shape) -> Costs:
    """The polynomial through the corners, at which no layer, one or two have all their channels and the others none.

    Errors: UserError where that is not what the network executes, as after a product of two gated layers.
    """
    widths = {name: width for name, width in widths_of(graph).items() if gates_of(graph)[name].enable}
    layers, size = tuple(widths), len(widths)
    full = np.array([float(width) for width in widths.values()])
    corners = [(), *((layer,) for layer in range(size)), *itertools.combinations(range(size), 2)]
    at = np.array([[float(layer in corner) for layer in range(size)] for corner in corners])
    executed = executed_each(graph, input_shape, {name: at[:, layer] * full[layer] for layer, name in enumerate(layers)})
    linear = executed[1 : size + 1] - executed[0]
    pairs = np.zeros((size, size))
    for (layer, other), value in zip(corners[size + 1 :], executed[size + 1 :], strict=True):
        pairs[layer, other] = value - executed[0] - linear[layer] - linear[other]
    costs = Costs(layers, float(executed[0]), linear / full, pairs / np.outer(full, full))
    _check(costs, graph, input_shape, full)
    return costs


def _check(costs: Costs, graph: Graph, input_shape: Shape, full: np.ndarray) -> None:
    """UserError unless the polynomial is right between its corners, too."""
    chance = random.Random(0)
    counts = np.array([[chance.randint(0, int(width)) for width in full] for _ in range(16)], float)
    expected = executed_each(graph, input_shape, dict(zip(costs.layers, counts.T, strict=True)))
    got = costs.of(tf.constant(counts, tf.float64)).numpy()
    if np.abs(got - expected).max() > 1 + 2 * len(graph.nodes):  # each layer's MACs are rounded down
        raise UserError(
            'train.target_macs: the executed MACs of this network are no sum of products of two counts of active channels, '
            'as where gated layers are multiplied with each other; expected a network without such a layer.'
        )


class Budget:
    """The term of the loss. target: executed MACs of an image in the mean."""

    def __init__(self, network: Network, input_shape: Shape, target: int, weight: float) -> None:
        """Errors: UserError for a network in which no threshold is learned, or as `costs_of`."""
        self.network, self.target, self.weight = network, target, weight
        self.learned = [name for name, gate in gates_of(network.graph).items() if gate.enable and gate.threshold == 'learned']
        if not self.learned:
            raise UserError(
                'train.target_macs moves learned thresholds, but no gate has one; set gate_params.threshold to learned, '
                'with the overlays of models/gate: _gate.threshold=learned.'
            )
        self.costs = costs_of(network.graph, input_shape)

    def __call__(self, stats: Mapping[str, GateStats]) -> tf.Tensor:
        """Of the gates of a batch, a scalar."""
        counts = tf.stack([self._count(name, stats[name]) for name in self.costs.layers], 1)
        away = replicas.mean(tf.reduce_mean(self.costs.of(counts))) / self.target - 1
        return self.weight * tf.square(away)

    def _count(self, name: str, stat: GateStats) -> tf.Tensor:
        """k of each image, [N]."""
        if name not in self.learned:
            return tf.reduce_sum(stat.mask, -1)
        gate = self.network.node_layers[name].gate
        _, variance = replicas.moments(tf.stop_gradient(stat.saliency), list(range(stat.saliency.shape.rank)))
        unit = gate.params.temperature * tf.sqrt(variance) + 1e-6
        away = (stat.saliency - gate.threshold.cut) / unit
        soft = tf.square(unit) * tf.nn.softsign(away) / 2
        return tf.reduce_sum(stat.mask + soft - tf.stop_gradient(soft), -1)
