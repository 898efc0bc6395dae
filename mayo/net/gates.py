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


def _with_gates(graph: Graph, changes: Mapping[str, Any]) -> Graph:
    def changed(node: Node) -> Node:
        gate_params = {**(node.params['gate_params'] or {}), **changes}
        return replace(node, params={**node.params, 'gate_params': gate_params})

    return replace(graph, nodes=tuple(changed(node) if node.type == GATED else node for node in graph.nodes))
