"""Every gate of a network set at once, however each was written."""

from mayo.net.gates import at_density, without_gates
from mayo.net.graph import Graph, Node

GRAPH = Graph(
    (
        Node('a', 'gated_convolution', {'gate_params': {'density': 0.7, 'pool': 'l1'}}, ('input',)),
        Node('b', 'gated_convolution', {'gate_params': None, 'stride': 2}, ('a',)),
        Node('c', 'convolution', {'stride': 1}, ('b',)),
    ),
    ('input',),
    ('c',),
)


def test_gates_of_any_density_get_the_same():
    found = at_density(GRAPH, 0.3)
    assert found['a'].params == {'gate_params': {'density': 0.3, 'pool': 'l1'}}
    assert found['b'].params == {'gate_params': {'density': 0.3}, 'stride': 2}
    assert found['c'] is GRAPH['c']
    assert GRAPH['a'].params['gate_params']['density'] == 0.7


def test_without_a_density_the_gates_stay():
    assert at_density(GRAPH, None) is GRAPH


def test_without_gates_each_is_switched_off():
    assert [node.params['gate_params']['enable'] for node in without_gates(GRAPH).nodes[:2]] == [False, False]
