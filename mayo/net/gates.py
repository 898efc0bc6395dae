"""The same network with its gates set otherwise: another density, or none at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mayo.config.overlay import layers
from mayo.layers import GateParams
from mayo.layers.convolution import GatedConvolution
from mayo.layers.keys import as_yaml
from mayo.net.graph import Graph, Node

GATED = 'gated_convolution'


def at_density(graph: Graph, density: float | None) -> Graph:
    """`graph` with every gate at `density`, however its own was set; None leaves them as they are."""
    return graph if density is None else _with_gates(graph, {'density': density})


def at_densities(graph: Graph, densities: Mapping[str, float]) -> Graph:
    """`graph` with the gates that `densities` names at those."""
    return _with_gates(graph, {}, {name: {'density': density} for name, density in densities.items()})


def without_gates(graph: Graph) -> Graph:
    """`graph` with every gate switched off: the dense network."""
    return _with_gates(graph, {'enable': False})


def gates_of(graph: Graph) -> dict[str, GateParams]:
    """The gate of each gated layer by its name, in order, also of those that are switched off."""
    return {node.name: node.params.gate_params for node in graph.nodes if isinstance(node.params, GatedConvolution)}


def widths_of(graph: Graph) -> dict[str, int]:
    """The output channels of each gated layer by its name."""
    return {node.name: node.params.num_outputs for node in graph.nodes if isinstance(node.params, GatedConvolution)}


def varying(graph: Graph) -> dict[str, GateParams]:
    """The gates whose number of active channels varies from image to image, by layer."""
    widths = widths_of(graph)
    return {name: gate for name, gate in gates_of(graph).items() if gate.varies(widths[name])}


def is_gated(graph: Graph) -> bool:
    """Whether any gate is switched on."""
    return any(node.params.gate for node in graph.nodes)


def as_layers(gates: Mapping[str, GateParams]) -> dict[str, Any]:
    """What sets gate_params in a configuration, for merging over it. A layer of a module is called MODULE/LAYER.

    >>> as_layers({'conv0': GateParams(density=0.5), 'fire/squeeze.1': GateParams()})['model']['layers']
    {'conv0': {'gate_params': {'density': 0.5}}, 'fire': {'layers': {'squeeze.1': {'gate_params': {'density': 1.0}}}}}
    """
    return layers({name: {'gate_params': gate_yaml(gate)} for name, gate in gates.items()})


def gate_yaml(gate: GateParams) -> dict[str, Any]:
    """`gate_params` of a configuration: what is not as by default, and the density, which may take the place of another."""
    changed = as_yaml(gate)
    return {key: value for key, value in changed.items() if key != 'density'} | {'density': gate.density}


def _with_gates(graph: Graph, changes: Mapping[str, Any], of_layer: Mapping[str, Mapping[str, Any]] | None = None) -> Graph:
    """changes: of every gate; of_layer: of some."""

    def changed(node: Node) -> Node:
        if not isinstance(node.params, GatedConvolution):
            return node
        own = {**changes, **(of_layer or {}).get(node.name, {})}
        return replace(node, params=replace(node.params, gate_params=replace(node.params.gate_params, **own)))

    return replace(graph, nodes=tuple(map(changed, graph.nodes)))
