"""From YAML to a graph: order, modules, joins and splits, and every mistake by name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.config.names import Spec
from mayo.layers.activation import Identity
from mayo.layers.arrange import Pad
from mayo.layers.convolution import Convolution
from mayo.net.graph import Graph, Node, build_graph
from mayo.util.errors import UserError

LAYER = {'type': 'identity'}


def chain(*names: Any, start: Any = 'input', to: str | str | list[str] = 'output') -> dict[str, Any]:
    return {'from': start, 'with': list(names), 'to': to}


def layers(*names: Any) -> dict[Any, Any]:
    return {name: dict(LAYER) for name in names}


def edges(graph: Any) -> dict[Any, Any]:
    return {node.name: node.inputs for node in graph}


def error_of(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(UserError) as error:
        build_graph(*args, **kwargs)
    return str(error.value)


def test_a_chain_connects_each_layer_to_the_one_before() -> None:
    graph = build_graph(layers('a', 'b'), chain('a', 'b'))
    assert graph == Graph(
        (Node('a', 'identity', Identity(), ('input',)), Node('b', 'identity', Identity(), ('a',))), ('input',), ('b',)
    )


def test_scratch_keys_of_a_layer_are_left_alone() -> None:
    graph = build_graph({'a': {'type': 'pad', 'sides': 1, '_note': 2}, '_base': 7}, chain('a'))
    assert graph['a'].params == Pad(sides=((1, 1), (1, 1)))


def test_several_sources_join_in_their_order() -> None:
    graph = build_graph(
        layers('a', 'b', 'cat'), [chain('a', to='x'), chain('b', to='y'), chain('cat', start=['y', 'input', 'x'])]
    )
    assert graph['cat'].inputs == ('b', 'input', 'a')


def test_entries_may_use_values_that_later_entries_make() -> None:
    graph = build_graph(layers('a', 'b'), [chain('b', start='x'), chain('a', to='x')])
    assert [node.name for node in graph] == ['a', 'b']


def test_a_value_with_several_names_is_one_value() -> None:
    graph = build_graph(layers('a', 'b'), [chain('a', to=['x', 'y']), chain('b', start=['x', 'y'])])
    assert graph['b'].inputs == ('a', 'a')


def test_an_entry_without_layers_renames_a_value() -> None:
    graph = build_graph(
        layers('a', 'add'),
        [{'from': 'input', 'to': 'shortcut'}, chain('a', to='trunk'), chain('add', start=['trunk', 'shortcut'])],
    )
    assert graph['add'].inputs == ('a', 'input')


def test_a_placed_layer_can_be_named_as_a_source() -> None:
    graph = build_graph(layers('a', 'b', 'add'), [chain('a', 'b', to='x'), chain('add', start=['a', 'x'])])
    assert graph['add'].inputs == ('a', 'b')


def test_the_placed_order_is_kept_among_layers_that_do_not_depend_on_each_other() -> None:
    graph = build_graph(
        layers('z', 'y', 'x', 'cat'),
        [chain('z', to='1'), chain('y', to='2'), chain('x', to='3'), chain('cat', start=['3', '2', '1'])],
    )
    assert [node.name for node in graph] == ['z', 'y', 'x', 'cat']


def test_layers_that_no_output_needs_are_dropped_and_not_checked() -> None:
    graph = build_graph({**layers('a', 'unplaced'), 'aux': {'type': 'no_such'}}, [chain('a'), chain('aux', to='ignored')])
    assert edges(graph) == {'a': ('input',)}


def test_a_graph_has_several_inputs_and_outputs() -> None:
    graph = build_graph(
        layers('a', 'b'),
        [chain('a', start='left', to='one'), chain('b', start=['right', 'one'], to='two')],
        inputs=['left', 'right'],
        outputs=['two', 'one'],
    )
    assert (graph.inputs, graph.outputs, graph['b'].inputs) == (('left', 'right'), ('b', 'a'), ('right', 'a'))


def test_walk_gives_each_node_the_values_of_its_inputs() -> None:
    graph = build_graph(layers('a', 'b', 'add'), [chain('a', 'b', to='x'), chain('add', start=['a', 'x'])])
    values = graph.walk({'input': 1}, lambda node, inputs: sum(inputs) * 10 if node.name != 'add' else sum(inputs))
    assert values == {'input': 1, 'a': 10, 'b': 100, 'add': 110}


def test_a_graph_finds_its_nodes_by_name() -> None:
    graph = build_graph(layers('a'), chain('a'))
    assert 'a' in graph
    assert 'b' not in graph
    assert len(graph) == 1


def test_thousands_of_layers_are_no_problem() -> None:
    names = [f'n{index}' for index in range(3000)]
    assert len(build_graph(layers(*names), chain(*names))) == 3000


@given(st.data())
def test_every_node_comes_after_its_inputs_whatever_the_order_of_the_entries(data: Any) -> None:
    names = [f'n{index}' for index in range(data.draw(st.integers(1, 8)))]
    entries = []
    for index, name in enumerate(names):
        sources = data.draw(st.lists(st.sampled_from(['input', *names[:index]]), min_size=1, max_size=3))
        entries.append(
            chain(name, start=[f'v_{source}' if source != 'input' else source for source in sources], to=f'v_{name}')
        )
    entries.append({'from': f'v_{names[-1]}', 'to': 'output'})
    graph = build_graph(layers(*names), data.draw(st.permutations(entries)))
    seen = {'input'}
    for node in graph:
        assert seen.issuperset(node.inputs)
        seen.add(node.name)
    assert graph.outputs == (names[-1],)


# --- modules

FIRE = {
    'type': 'module',
    'kwargs': {'n': None, 'kind': 'lu'},
    'n': 8,
    'layers': {
        'squeeze': {'type': 'convolution', 'kernel_size': '^(n)', 'num_outputs': 8, 'activation_fn': 're^( kind )'},
        'lu_end': dict(LAYER),
        'lu6_end': dict(LAYER),
    },
    'graph': chain('squeeze', '^(kind)_end'),
}


def test_the_layers_of_a_module_carry_its_name() -> None:
    graph = build_graph({'fire': FIRE, 'a': LAYER}, chain('fire', 'a'))
    assert edges(graph) == {'fire/squeeze': ('input',), 'fire/lu_end': ('fire/squeeze',), 'a': ('fire/lu_end',)}


def test_an_argument_alone_keeps_its_type_and_in_text_becomes_text() -> None:
    graph = build_graph({'fire': FIRE}, chain('fire'))
    squeeze = graph['fire/squeeze'].params
    assert (squeeze.kernel_size, squeeze.activation_fn) == ((8, 8), Spec('keras.activations.relu'))


def test_what_a_layer_gives_goes_before_the_default_of_the_module() -> None:
    graph = build_graph({'fire': {**FIRE, 'kind': 'lu6', 'n': [1, 2]}}, chain('fire'))
    assert graph['fire/squeeze'].params.kernel_size == (1, 2)
    assert 'fire/lu6_end' in graph


def test_arguments_reach_inner_modules_unless_these_have_their_own() -> None:
    inner = {
        'type': 'module',
        'kwargs': {'n': 1},
        'n': '^(n)lu',
        'graph': chain('c'),
        'layers': {'c': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': '^(s)', 'activation_fn': '^(n)'}},
    }
    outer = {'type': 'module', 'kwargs': {'n': 're', 's': 2}, 'layers': {'in': inner}, 'graph': chain('in')}
    layer = build_graph({'out': outer}, chain('out'))['out/in/c'].params
    assert layer == Convolution(kernel_size=(1, 1), num_outputs=2)


def test_a_module_takes_and_gives_several_values() -> None:
    swap = {
        'type': 'module',
        'inputs': ['l', 'r'],
        'outputs': ['a', 'b'],
        'layers': layers('x'),
        'graph': [chain('x', start='l', to='b'), {'from': 'r', 'to': 'a'}],
    }
    graph = build_graph(
        {'swap': swap, **layers('p', 'q', 'cat')},
        [
            chain('p', to='one'),
            chain('q', to='two'),
            chain('swap', start=['one', 'two'], to=['first', 'second']),
            chain('cat', start=['first', 'second']),
        ],
    )
    assert graph['cat'].inputs == ('q', 'swap/x')


def test_the_same_description_can_be_placed_as_two_modules() -> None:
    graph = build_graph({'one': FIRE, 'two': {**FIRE, 'n': 3}}, chain('one', 'two'))
    assert [node.name for node in graph] == ['one/squeeze', 'one/lu_end', 'two/squeeze', 'two/lu_end']


def test_a_type_can_be_an_argument() -> None:
    module = {'type': 'module', 'kwargs': {'kind': 'identity'}, 'layers': {'a': {'type': '^(kind)'}}, 'graph': chain('a')}
    assert build_graph({'m': module}, chain('m'))['m/a'].type == 'identity'


# --- what is wrong


@pytest.mark.parametrize(
    ('graph', 'message'),
    [
        (chain('a', 'bb'), 'model.graph: `with` places `bb`, which is no layer; did you mean b?'),
        (chain('a', '_base'), 'model.graph: `with` places `_base`, which is no layer; layers: a, b.'),
        (chain('a', 'a'), 'model.graph: the layer `a` is placed twice; a layer has one place, give the second another name.'),
        (chain('a', start='inputs'), 'model.graph: `from: inputs` is not a value of this graph; did you mean input?'),
        (chain('a', start='b'), 'model.graph: `from: b` is not a value of this graph; values: input, output.'),
        (chain('a', to='outputs'), 'model.graph: nothing gives the output `output`; did you mean outputs?'),
        (chain('a', to='x'), 'model.graph: nothing gives the output `output`; add `to: output` to the entry that gives it.'),
        (chain('a', to='input'), 'model.graph: `to: input` names a value that exists already.'),
        ([chain('a'), chain('b')], 'model.graph: `to: output` names a value that exists already.'),
        ({'from': 'input', 'with': 'a'}, 'model.graph: `to` is missing; an entry is {from: input, with: [...], to: output}.'),
        ({**chain('a'), 'form': 1}, 'model.graph: unknown key `form`; did you mean from?'),
        ([7], 'model.graph.0 is 7, expected {from: input, with: [...], to: output}.'),
        (7, 'model.graph is 7, expected {from: input, with: [...], to: output} or a list of those.'),
        (chain('a', None), 'model.graph.with has null, expected a name or a list of names.'),
        (chain('^(x)'), 'model.graph: ^(x) is not among the kwargs of a module around it; it has a meaning only inside'),
        (
            chain('a', start=['input', 'input'], to=['output', 'x', 'y']) | {'with': []},
            'model.graph: 2 values, but 3 names in `to`; name each, or join them with a layer such as concat or add.',
        ),
    ],
)
def test_a_wrong_graph_says_what_is_wrong(graph: Any, message: str) -> None:
    assert message in error_of({**layers('a', 'b'), '_base': LAYER}, graph)


@pytest.mark.parametrize(
    ('graph', 'cycle'),
    [
        ([chain('a', start='x', to='x'), {'from': 'input', 'to': 'output'}], 'x -> a -> x'),
        ([chain('a', start='y', to='x'), chain('b', start='x', to=['y', 'output'])], 'a -> x -> b -> y -> a'),
    ],
)
def test_a_cycle_is_told_as_the_names_along_it(graph: list[Any], cycle: str) -> None:
    message = error_of(layers('a', 'b'), graph)
    told = message.removeprefix('model.graph has a cycle: ').removesuffix('; a value cannot depend on itself.')
    names = told.split(' -> ')
    assert names[0] == names[-1]
    turns = [names[start:-1] + names[: start + 1] for start in range(len(names) - 1)]
    assert cycle.split(' -> ') in turns


@pytest.mark.parametrize(
    ('layer', 'message'),
    [
        (None, 'model.layers.a is null, expected a mapping with a `type`.'),
        ({'kind': 'identity'}, "model.layers.a is {'kind': 'identity'}, expected a mapping with a `type`."),
        ({**FIRE, 'm': 1}, 'model.layers.a: unknown key `m`; known: type, kwargs, inputs, outputs, layers, graph, n, kind.'),
        ({'type': 'module', 'layers': {}}, 'model.layers.a: a module needs `graph`.'),
        ({**FIRE, 'kwargs': [1]}, 'model.layers.a.kwargs is [1], expected a mapping of names and defaults.'),
        ({**FIRE, 'inputs': ['p', 'q']}, 'model.layers.a: a module of 2 inputs (p, q) gets 1.'),
        (
            {**FIRE, 'graph': chain('^(king)_end')},
            'model.layers.a.graph: ^(king) is not among the kwargs of a module around it; did you mean kind?',
        ),
    ],
)
def test_a_wrong_layer_says_what_is_wrong(layer: dict[str, Any] | None, message: str) -> None:
    assert message in error_of({'a': layer}, chain('a'))


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    message = error_of(layers('a'), [chain('x', to='p'), chain('y', to='q')], where=lambda key: f'm.yaml:{len(key)}')
    assert message.splitlines() == [
        'm.yaml:13: model.graph.0: `with` places `x`, which is no layer; layers: a.',
        'm.yaml:13: model.graph.1: `with` places `y`, which is no layer; layers: a.',
        'm.yaml:11: model.graph: nothing gives the output `output`; add `to: output` to the entry that gives it.',
    ]


def test_problems_of_all_layers_are_told_at_once() -> None:
    pool = {'type': 'max_pool', 'stride': 0}
    module = {'type': 'module', 'layers': {'b': pool}, 'graph': chain('b')}
    message = error_of({'a.1': pool, 'm': module}, chain('a.1', 'm'), where=lambda key: 'f:1')
    expected = 'stride is 0, expected a whole number from 1 up, or [height, width].'
    assert message == f'f:1: model.layers.a\\.1.{expected}\nf:1: model.layers.m.layers.b.{expected}'


def test_a_layer_cannot_have_the_name_of_an_input() -> None:
    assert error_of(layers('input'), chain('input')) == (
        'model.layers.input: `input` is the name of an input; call the layer something else.'
    )


def test_layers_that_are_no_mapping_are_refused() -> None:
    assert error_of([1], chain('a')) == 'model.layers is [1], expected a mapping of layers.'


def test_a_node_says_where_it_is() -> None:
    node = build_graph(layers('a'), chain('a'), where=lambda key: f'm.yaml:{len(key)}')['a']
    assert str(node) == 'm.yaml:14: a'
    assert node.where == 'm.yaml:14'


def test_a_network_of_absurdly_many_layers_is_refused() -> None:
    layers = {f'l{number}': {'type': 'identity'} for number in range(5001)}
    with pytest.raises(UserError, match=r'model\.layers holds 5001 layers; at most 5000 may be\.'):
        build_graph(layers, {'from': 'input', 'with': list(layers), 'to': 'output'})
