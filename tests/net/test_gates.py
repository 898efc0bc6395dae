"""Every gate of a network set at once, however each was written."""

from dataclasses import replace
from typing import Any, cast

import yaml

from mayo.config import Config
from mayo.layers import GateParams
from mayo.net.gates import as_layers, at_density, gates_of, is_gated, widths_of, without_gates
from mayo.net.graph import build_graph

CONV: dict[str, Any] = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3}
GATED: dict[str, Any] = {**CONV, 'type': 'gated_convolution'}
LAYERS: dict[str, Any] = {'a': {**GATED, 'gate_params': {'density': 0.7, 'pool': 'l1'}}, 'b': {**GATED, 'stride': 2}, 'c': CONV}
GRAPH = build_graph(LAYERS, {'from': 'input', 'with': ['a', 'b', 'c'], 'to': 'output'})


def test_gates_of_any_density_get_the_same() -> None:
    changed = at_density(GRAPH, 0.3)
    assert gates_of(changed) == {'a': GateParams(density=0.3, pool='l1'), 'b': GateParams(density=0.3)}
    assert replace(cast(Any, changed['b'].params), gate_params=GateParams()) == GRAPH['b'].params
    assert changed['c'] is GRAPH['c']
    assert gates_of(GRAPH)['a'].density == 0.7


def test_without_a_density_the_gates_stay() -> None:
    assert at_density(GRAPH, None) is GRAPH


def test_without_gates_each_is_switched_off() -> None:
    assert [gate.enable for gate in gates_of(without_gates(GRAPH)).values()] == [False, False]
    assert (is_gated(GRAPH), is_gated(without_gates(GRAPH))) == (True, False)


def test_each_gated_layer_has_a_width() -> None:
    assert widths_of(GRAPH) == {'a': 3, 'b': 3}


def test_gates_as_layers_of_a_configuration_take_the_place_of_what_was_there() -> None:
    config = Config.default()
    config.merge_text(yaml.safe_dump({'model': {'layers': LAYERS}}), 'm.yaml')
    config.merge_values(as_layers(gates_of(at_density(GRAPH, 1.0))), 'density 1')
    assert config.get('model.layers.a.gate_params') == {'density': 1.0, 'pool': 'l1'}
    assert config.get('model.layers.b.gate_params') == {'density': 1.0}
