"""Between the weights of a network and those of the same network with fewer channels, which `slim` made of it.

A slimmed network's checkpoint says whose channels it has: `mayo/whole` is the name of the larger model, `mayo/kept/LAYER` which
channels of each value stayed, 0 or 1 [C]. So it loads into the larger model, too, which then computes the same: what a dropped
channel reads and says is 0, and so is the saliency of one with a gate, which never wins.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mayo.net.graph import Graph

WHOLE = 'mayo/whole'
KEPT = 'mayo/kept/'


def smaller_tensors(graph: Graph, keep: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors`, 'conv0/weights' and so on, without what belongs to dropped channels."""
    smaller = dict(tensors)
    for name, axes in _axes(graph, keep, tensors):
        for axis, stays in axes:
            smaller[name] = np.compress(stays, smaller[name], axis)
    return smaller


def whole_tensors(graph: Graph, keep: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`tensors` of the smaller network for `graph`, the larger: zeros where a channel was dropped, variances of one."""
    whole = dict(tensors)
    for name, axes in _axes(graph, keep, tensors):
        for axis, stays in axes:
            spread = np.moveaxis(whole[name], axis, 0)
            filled = np.full((len(stays), *spread.shape[1:]), float(name.endswith('moving_variance')), spread.dtype)
            filled[stays] = spread
            whole[name] = np.moveaxis(filled, 0, axis)
    return whole


def origin(whole: str, keep: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What a checkpoint of the smaller network says of the larger. whole: its name; keep: which channels of each value stay."""
    return {WHOLE: whole, **{KEPT + name: stays.astype(np.uint8) for name, stays in keep.items()}}


def origin_in(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """That of a file's tensors; nothing in a file of a network that nobody slimmed."""
    return {name: value for name, value in tensors.items() if name == WHOLE or name.startswith(KEPT)}


def widened(graph: Graph, model: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """A file's tensors for `graph`, the network `model`; None if the file is not of that network, slimmed."""
    if WHOLE not in tensors or bytes(tensors[WHOLE]).decode() != model:
        return None
    keep = {name.removeprefix(KEPT): value.astype(bool) for name, value in tensors.items() if name.startswith(KEPT)}
    weights = {name.partition('/')[2]: value for name, value in tensors.items() if '/' in name and not name.startswith('mayo/')}
    others = {name: value for name, value in tensors.items() if '/' not in name}
    return {f'{model}/{name}': value for name, value in whole_tensors(graph, keep, weights).items()} | others


def _axes(
    graph: Graph, keep: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, list[tuple[int, np.ndarray]]]]:
    """Of each tensor the axes along which channels are dropped, with those that stay, as the layers say (mayo.layers.Tensor).

    Where all stay nothing is to do.
    """
    for node in graph.nodes:
        reads, makes = keep[node.inputs[0]], keep[node.name]
        for tensor in node.params.tensors(len(reads)):
            name = f'{node.name}/{tensor.name}'
            axes = [(axis, stays) for axis, stays in ((tensor.makes, makes), (tensor.reads, reads)) if axis is not None]
            if name in tensors:
                yield name, [(axis, stays) for axis, stays in axes if not stays.all()]
