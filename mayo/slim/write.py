"""The smaller model as YAML for people: every layer by its name in checkpoints, what layers share said once; and its overlay.

Layers of modules become layers of their own, `b11/conv1`, because after slimming no two modules are alike. The names stay, so
that the weights of the dense network and of the slimmed one are called the same.
"""

import collections
import dataclasses
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from mayo.layers import GateParams, Shape
from mayo.layers.base import name_of
from mayo.layers.convolution import Convolution, GatedConvolution
from mayo.layers.functions import keeps_zero
from mayo.layers.keys import as_yaml, keys_of
from mayo.net import gates as gated
from mayo.net.graph import Graph, Node

MARK = '# Written by slim'  # the start of a header line of every file that `slim` may write again
CLASSES = '$(dataset.task.num_classes)'
GATED = '&gated {type: gated_convolution, gate_params: $(_gate)}'
WIDTH = 110
COMMENT = 128
_INDENT = 4


@dataclasses.dataclass(frozen=True)
class Model:
    """A model to write. header: lines of its opening comment; outputs: the names of the graph's results."""

    name: str
    description: str
    graph: Graph
    shapes: Mapping[str, Shape]
    preprocess: Mapping[str, Any]
    outputs: Sequence[str]
    num_classes: int | None
    header: Sequence[str]


def model_text(model: Model) -> str:
    """The file. Numbers of classes, which are the dataset's, stay a reference to it."""
    heads = heads_of(model.graph)
    params = {node.name: _keys(node, model.num_classes if node.name in heads else None) for node in model.graph.nodes}
    lines = [
        *_comment(model.header),
        'dataset.task.preprocess:',
        *_block(model.preprocess, 1),
        'model:',
        *_block({'name': model.name, 'description': model.description}, 1),
    ]
    if list(model.graph.inputs) != ['input'] or list(model.outputs) != ['output']:
        lines += _block({'inputs': list(model.graph.inputs), 'outputs': list(model.outputs)}, 1)
    lines += [' ' * _INDENT + 'layers:', *_layers(params), ' ' * _INDENT + 'graph:']
    lines += [line for entry in _entries(model.graph, model.outputs) for line in _wrapped('- ' + in_one_line(entry), 2)]
    return '\n'.join(lines) + '\n'


def gate_text(model: Model, header: Sequence[str], gates: Mapping[str, GateParams] | None = None) -> str:
    """The overlay of the file beside: a gate on every convolution of a map but those that give the outputs.

    gates: of a network that had gates before, the gate_params of each gated layer, which it keeps.
    """
    lines = [*_comment(header), f'_import: ../{model.name}.yaml']
    if gates is None:
        lines += [
            '_gate: {policy: parametric, density: 1.0, pool: avg}        # density: fraction of channels kept, (0, 1]',
            'model.layers:',
            f'    _gated: {GATED}',
        ]
        lines += [f'    {in_one_line(name)}: *gated' for name in gated_layers(model)]
    else:
        lines += ['model.layers:']
        for name, gate in gates.items():
            lines += _entry(f'{in_one_line(name)}:', {'type': gated.GATED, 'gate_params': gated.gate_yaml(gate)}, 1)
    return '\n'.join(lines) + '\n'


def gated_layers(model: Model) -> list[str]:
    """The layers that the overlay gates. For one position a gate would cost what the convolution does."""
    heads = heads_of(model.graph)
    gated_names = []
    for node in model.graph.nodes:
        source = model.shapes[node.inputs[0]]
        if (
            isinstance(node.params, Convolution)
            and node.name not in heads
            and source.positions > 1
            and keeps_zero(node.params.activation_fn)
        ):
            gated_names.append(node.name)
    return gated_names


def ungated_graph(graph: Graph, switched_off: bool = False) -> Graph:
    """`graph` with convolutions in place of gated ones; switched_off: only of those with `enable: false`."""

    def plain(node: Node) -> Node:
        layer = node.params
        if not isinstance(layer, GatedConvolution) or (switched_off and layer.gate):
            return node
        keys = {key: getattr(layer, key) for key in keys_of(Convolution)}
        return dataclasses.replace(node, type=name_of(Convolution), params=Convolution(**keys))

    return dataclasses.replace(graph, nodes=tuple(map(plain, graph.nodes)))


def gated_graph(model: Model, density: float) -> Graph:
    """What the overlay makes of the model, at a density."""
    layers = set(gated_layers(model))

    def with_gate(node: Node) -> Node:
        if node.name not in layers:
            return node
        keys = {key: getattr(node.params, key) for key in keys_of(type(node.params))}
        params = GatedConvolution(**keys, gate_params=GateParams(density=density))
        return dataclasses.replace(node, type=gated.GATED, params=params)

    return dataclasses.replace(model.graph, nodes=tuple(map(with_gate, model.graph.nodes)))


def heads_of(graph: Graph) -> set[str]:
    """The layers with weights that the outputs come from with none between."""
    heads, waiting = set(), list(graph.outputs)
    while waiting:
        name = waiting.pop()
        if name in graph and 'num_outputs' in keys_of(type(graph[name].params)):
            heads.add(name)
        elif name in graph:
            waiting += graph[name].inputs
    return heads


def _keys(node: Node, num_classes: int | None) -> dict[str, Any]:
    """`type` and the keys that are not as their defaults."""
    keys = {'type': node.type, **as_yaml(node.params)}
    if num_classes is not None and keys.get('num_outputs') == num_classes:
        keys['num_outputs'] = CLASSES
    return keys


def _layers(params: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Each layer; what several have in common, all but their widths, stands once, before the first of them, as `_like_NAME`."""
    shared = {name: in_one_line(_without_width(keys)) for name, keys in params.items()}
    times = collections.Counter(shared.values())
    anchors: dict[str, str] = {}
    for name, keys in params.items():
        text = shared[name]
        if times[text] == 1 or len(keys) < 3:
            yield from _entry(f'{in_one_line(name)}:', keys, 2)
            continue
        if text not in anchors:
            anchors[text] = 'like_' + re.sub(r'\W', '_', name)
            yield from _entry(f'_{anchors[text]}: &{anchors[text]}', _without_width(keys), 2)
        width = f', num_outputs: {keys["num_outputs"]}' if 'num_outputs' in keys else ''
        yield f'{" " * _INDENT * 2}{in_one_line(name)}: {{<<: *{anchors[text]}{width}}}'


def _without_width(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key != 'num_outputs'}


def _entries(graph: Graph, outputs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """{from, with, to} of each chain of layers; a value inside the network is called as the layer that gives it."""
    results: dict[str, list[str]] = {}
    for name, output in zip(graph.outputs, outputs, strict=True):
        results.setdefault(name, []).append(output)
    readers = [name for node in graph.nodes for name in node.inputs]
    chain: list[Node] = []
    for node in graph.nodes:
        chain.append(node)
        after = [other for other in graph.nodes if node.name in other.inputs]
        following = after[0] if len(after) == 1 and readers.count(node.name) == 1 else None
        goes_on = (
            following is not None
            and len(following.inputs) == 1
            and node.name not in results
            and graph.nodes[graph.nodes.index(node) + 1] is following
        )
        if not goes_on:
            yield {
                'from': _one_or_list(chain[0].inputs),
                'with': _one_or_list([node.name for node in chain]),
                'to': _one_or_list(results.get(node.name, [node.name])),
            }
            chain = []


def _one_or_list(names: Sequence[str]) -> Any:
    return names[0] if len(names) == 1 else list(names)


def _block(value: Any, depth: int) -> Iterator[str]:
    """The items of a mapping or a list."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f'{in_one_line(key)}:', item, depth)
    else:
        for item in value:
            yield from _entry('-', item, depth)


def _entry(head: str, item: Any, depth: int) -> Iterator[str]:
    """One item: on one line where that fits, else its own items on lines of their own."""
    line = f'{" " * _INDENT * depth}{head} {in_one_line(item)}'
    if len(line) <= WIDTH or not isinstance(item, Mapping | list) or not item:
        yield line
    else:
        yield f'{" " * _INDENT * depth}{head}'
        yield from _block(item, depth + 1)


def in_one_line(value: Any) -> str:
    """`value` as YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float('inf'), allow_unicode=True)
    return text.removesuffix('...\n').strip()


def _wrapped(text: str, depth: int) -> list[str]:
    """`text` at a depth, gone on with deeper where it is long."""
    indent = ' ' * _INDENT * depth
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + ' ' * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _comment(lines: Sequence[str]) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, COMMENT, initial_indent='# ', subsequent_indent='#     ', break_long_words=False, break_on_hyphens=False
        )
    ]
