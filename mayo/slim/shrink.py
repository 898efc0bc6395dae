"""The smaller network: the layers and weights of a network without the channels that were dropped.

It computes what the network does with every dropped channel set to zero after every layer (the masked network): a channel
of zeros adds nothing to what reads it, so the weights that read it can go.
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
    return dataclasses.replace(graph, nodes=tuple(_smaller_node(node, keep) for node in graph.nodes))


def _smaller_node(node: Node, keep: Mapping[str, np.ndarray]) -> Node:
    params = dict(node.params)
    if 'num_outputs' in params:
        params['num_outputs'] = int(keep[node.name].sum())
    if node.type == 'pad' and any(params['channels']):
        before, after = params['channels']
        stays = keep[node.name]
        params['channels'] = (int(stays[:before].sum()), int(stays[len(stays) - after:].sum()))
    return dataclasses.replace(node, params=params)


def smaller_tensors(graph: Graph, keep: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors`, 'conv0/weights' and so on, without what belongs to dropped channels.

        weights [..., C', C]        depthwise_weights [..., C', multiplier]         any other [C]
    """
    smaller = dict(tensors)
    for node in graph.nodes:
        reads, makes = keep[node.inputs[0]], keep[node.name]
        for name in [name for name in tensors if name.startswith(f'{node.name}/')]:
            kind = name.removeprefix(f'{node.name}/')
            if kind == 'weights':
                smaller[name] = _taken(_taken(tensors[name], makes, -1), reads, -2)
            elif kind == 'depthwise_weights':
                smaller[name] = _taken(tensors[name], reads, -2)
            else:
                smaller[name] = _taken(tensors[name], makes, 0)
    return smaller


def _taken(tensor: np.ndarray, stays: np.ndarray, axis: int) -> np.ndarray:
    """Along `axis`, what stays; where all does, the axis may be that of one group alone."""
    return tensor if stays.all() else np.compress(stays, tensor, axis)
