"""A network as YAML describes it: named layers, placed by `graph` entries, as one directed acyclic graph.

    layers: {conv0: {type: convolution, ...}, fire: {type: module, layers: ...}, cat: {type: concat}}
    graph:
        - {from: input, with: [conv0, fire], to: trunk}
        - {from: [trunk, input], with: cat, to: output}

An entry takes the values that `from` names, sends them through the layers of `with`, and names the result `to`.
A layer that gets several values joins them (concat, add, mul). Several names in `to` all get one value, or
one each of a module's outputs. A module is a graph of its own whose layers are called MODULE/LAYER; `^(name)`
inside it stands for one of its `kwargs`, which have a default there and a value beside `type: module`.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mayo.config.dialect import is_layer_key
from mayo.layers import Layer, read_layer
from mayo.net.plan import Plan
from mayo.net.scope import Ref, Scope
from mayo.util.errors import UserError

Value = TypeVar('Value')


@dataclass(frozen=True)
class Node:
    """One layer.

    type: as YAML calls it. params: the layer, with its keys. where: the file and line, or the word, that set it.
    inputs: the names of the nodes, or of the graph's inputs, whose values it takes, in order.
    overriders: what YAML says of them, by key, `overrider` or X_overrider.
    """

    name: str
    type: str
    params: Layer
    inputs: tuple[str, ...]
    where: str = ''
    overriders: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f'{self.where}: {self.name}' if self.where else self.name


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order, each after its inputs; `outputs` names the nodes that give the results.

    idle: the keys of layers that YAML describes and no entry places, each with the names of those placed beside it.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    idle: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)

    def walk(self, start: Mapping[str, Value], visit: Callable[[Node, list[Value]], Value]) -> dict[str, Value]:
        """Carry any value through the graph: `visit(node, values of its inputs)` gives the value of the node.

        start: a value for each input of the graph. Returns the value of every node and input by name.
        """
        values = dict(start)
        for node in self.nodes:
            values[node.name] = visit(node, [values[name] for name in node.inputs])
        return values

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @functools.cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}


MAX_LAYERS = 5000  # ten times those of the deepest networks that are used


def build_graph(
    layers: Mapping[str, Any],
    graph: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    inputs: Iterable[str] = ('input',),
    outputs: Iterable[str] = ('output',),
    where: Callable[[str], str] = lambda key: '',
    of_original: bool = False,
) -> Graph:
    """The graph of `model.layers` and `model.graph`, without the layers that no output needs.

    where: from a dotted key, 'model.layers.conv0.stride', to where it was set, 'models/x.yaml:41'.
    of_original: layers mean what they did in the original Mayo.
    Errors: UserError with every problem: cycles, unknown layers and names, unconnected outputs, wrong keys.
    """
    if isinstance(layers, Mapping) and len(layers) > MAX_LAYERS:
        raise UserError(f'{where("model.layers")}: model.layers holds {len(layers)} layers; at most {MAX_LAYERS} may be.')
    plan = Plan(where, of_original)
    root = Scope('model', '', layers, graph, tuple(inputs), tuple(outputs))
    plan.place(root)
    plan.problems.raise_any()
    given = {root.value(name) for name in root.inputs}
    names: dict[Ref, str] = {}  # of each vertex: the layer or the input whose value it is
    for ref in plan.ordered():
        names[ref] = ref.name if ref in plan.placed or ref in given else names[plan.sources[ref][0]]
    results = [root.value(name) for name in root.outputs]
    needed = plan.needed(results)
    nodes = []
    for ref in names:
        if ref in plan.placed and ref in needed:
            sources = tuple(names[source] for source in plan.sources[ref])
            with plan.problems.collecting():
                nodes.append(_node(plan, ref, sources, root))
    plan.problems.raise_any()
    return Graph(tuple(nodes), root.inputs, tuple(names[ref] for ref in results), plan.idle)


def _node(plan: Plan, ref: Ref, inputs: tuple[str, ...], root: Scope) -> Node:
    placed = plan.placed[ref]
    if ref.name in root.inputs:
        raise UserError(f'{plan.say(placed.key)}: `{ref.name}` is the name of an input; call the layer something else.')

    def place_of(key: str) -> str:
        return plan.say(f'{placed.key}.{key}' if key else placed.key)

    layer = read_layer(placed.type, placed.params, place_of, plan.of_original)
    overriders = {key: value for key, value in placed.params.items() if is_layer_key(key)}
    return Node(ref.name, placed.type, layer, inputs, plan.where(placed.key), overriders)
