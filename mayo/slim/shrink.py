"""The smaller network: the layers and weights of a network without the channels that were dropped.

It computes what the network does with every dropped channel set to zero after every layer (the masked network): a channel
of zeros adds nothing to what reads it, so the weights that read it can go. In a gated network a dropped channel has the
saliency 0, so that it never wins; a gate goes on picking as many of those that stay as it picked of all. The weights of the
smaller network are made by mayo/checkpoint/slimmed.py.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mayo.net.graph import Graph, Node
from mayo.slim.channels import Channels


def kept_of(channels: Channels, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Of every value by name, which channels stay: bool [C]. kept: of each set."""
    return {name: kept[sets] for name, sets in channels.sets.items()}


def smaller_graph(graph: Graph, keep: Mapping[str, np.ndarray]) -> Graph:
    """`graph` with as many channels as stay in each layer; keep: `kept_of`."""

    def smaller(node: Node) -> Node:
        return dataclasses.replace(node, params=node.params.narrowed(keep[node.name].tolist()))

    return dataclasses.replace(graph, nodes=tuple(map(smaller, graph.nodes)))


def silenced(tensors: Mapping[str, np.ndarray], keep: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors` of a network whose gates give dropped channels the saliency 0; those without gates as they are."""
    gates = {name: tensor for name, tensor in tensors.items() if name.endswith(('/gate/weights', '/gate/biases'))}
    return {**tensors, **{name: tensor * keep[name.rpartition('/gate/')[0]] for name, tensor in gates.items()}}
