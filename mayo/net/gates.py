"""The same network with its gates set otherwise: another density, or none at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mayo.net.graph import Graph, Node

GATED = 'gated_convolution'


def at_density(graph: Graph, density: float | None) -> Graph:
    """`graph` with every gate at `density`, however its own was set; None leaves them as they are."""
    return graph if density is None else _with_gates(graph, {'density': density})


def without_gates(graph: Graph) -> Graph:
    """`graph` with every gate switched off: the dense network."""
    return _with_gates(graph, {'enable': False})


def settings(graph: Graph) -> dict[str, dict[str, Any]]:
    """gate_params of each gated layer by its name."""
    return {node.name: dict(node.params['gate_params'] or {}) for node in graph.nodes if node.type == GATED}


def as_layers(gates: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What sets gate_params in a configuration, for merging over it. A layer of a module is called MODULE/LAYER.

    >>> as_layers({'conv0': {'density': 0.5}, 'fire/squeeze.1': {}})['model']['layers']
    {'conv0': {'gate_params': {'density': 0.5}}, 'fire': {'layers': {'squeeze.1': {'gate_params': {}}}}}
    """
    layers: dict[str, Any] = {}
    for name, params in gates.items():
        *modules, last = name.split('/')
        inside = layers
        for module in modules:
            inside = inside.setdefault(module, {}).setdefault('layers', {})
        inside[last] = {'gate_params': dict(params)}
    return {'model': {'layers': layers}}


def _with_gates(graph: Graph, changes: Mapping[str, Any]) -> Graph:
    def changed(node: Node) -> Node:
        gate_params = {**(node.params['gate_params'] or {}), **changes}
        return replace(node, params={**node.params, 'gate_params': gate_params})

    return replace(graph, nodes=tuple(changed(node) if node.type == GATED else node for node in graph.nodes))
