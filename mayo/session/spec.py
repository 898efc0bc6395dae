"""From configuration to the network's description: its graph, its input shape, and what is wrong with either."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mayo.config import Config
from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.layers.linear import Linear
from mayo.net.graph import Graph, Node, build_graph
from mayo.session.idle import idle_words
from mayo.util.errors import Problems, UserError
from mayo.util.kinds import shown, whole

CLASSES = 'dataset.task.num_classes'
OVERRIDER = 'model.overrider'
SHAPE = 'dataset.task.preprocess.shape'
NETWORK = 'the network'
_LAYER = re.compile(r'(?:\.layers\.(?:[^.:\s\\]|\\.)+)+')  # .layers.conv0, .layers.fire.layers.squeeze


def model_graph(config: Config) -> Graph:
    """The layers of `model` in order, each with the defaults of its type.

    Errors: UserError with every problem of the model, each with the file and line it is in.
    """
    layers = config.require('model.layers', by=NETWORK)
    graph = config.require('model.graph', by=NETWORK)
    inputs, outputs = (_names(config, f'model.{key}') for key in ('inputs', 'outputs'))
    try:
        built = build_graph(
            layers, graph, inputs=inputs, outputs=outputs, where=config.origin, of_original=config.get('model.original')
        )
        return _overridden(built, config.get(OVERRIDER, None))
    except UserError as error:
        problems = Problems()
        with problems.collecting():
            config.require(CLASSES, by=NETWORK)  # most often what is wrong: no dataset was named
        raise UserError('\n'.join([*problems, *_together(str(error).splitlines())])) from None


def input_shape(config: Config) -> Shape:
    """What the network reads. Errors: UserError where a side is missing or not a number."""
    sides = config.require(SHAPE, by=NETWORK)
    names = ('height', 'width', 'channels')
    dims: list[Any] = [sides.get(name) for name in names] if isinstance(sides, dict) else [None]
    if not all(map(whole(1).fits, dims)):
        raise UserError(
            f'{config.origin(SHAPE)}: {SHAPE} is {shown(sides)}, expected {{height: , width: , channels: }}, '
            f'each {whole(1).expected}.'
        )
    return Shape(tuple(map(whole(1).read, dims)))


def model_problems(config: Config) -> list[str]:
    """Everything wrong with the model and its input shape; empty if it can be built."""
    problems = Problems()
    graph = shape = None
    with problems.collecting():
        graph = model_graph(config)
    with problems.collecting():
        shape = input_shape(config)
    if graph:
        problems += idle_words(config, graph)
        problems += _overriders(config, graph)
    if graph and shape:
        with problems.collecting():
            shapes(graph, shape)
    return [line for problem in problems for line in problem.splitlines()]


def _overridden(graph: Graph, overrider: Any) -> Graph:
    """The graph with what `model.overrider` says in each layer with weights that says nothing of overriders itself."""
    if not isinstance(overrider, Mapping) or not overrider:
        return graph
    from mayo.override.parse import KEY

    nodes = (
        node
        if node.overriders or not isinstance(node.params, Linear)
        else replace(node, overriders={KEY: _own(node, overrider)})
        for node in graph
    )
    return replace(graph, nodes=tuple(nodes))


def _own(node: Node, overrider: Mapping[str, Any]) -> dict[str, Any]:
    """What of `model.overrider` is about variables that the layer has; all else stays, to be checked."""
    from mayo.override.parse import GRADIENT, VARIABLES

    lacking = set(VARIABLES) - {tensor.name for tensor in node.params.tensors(1)}

    def kept(targets: Any) -> Any:
        return {key: value for key, value in targets.items() if key not in lacking} if isinstance(targets, Mapping) else targets

    return {key: kept(value) if key == GRADIENT else value for key, value in kept(overrider).items()}


def _overriders(config: Config, graph: Graph) -> list[str]:
    """What is wrong with `model.overrider` and those of layers; the same in several layers once.

    The overriders take a tenth of a second to import, which a network without any is spared.
    """
    of_model = config.get(OVERRIDER, None)
    if of_model in (None, {}) and not any(node.overriders for node in graph):
        return []
    from mayo.override import of_layer
    from mayo.override.parse import KEY

    places: list[tuple[str, Mapping[str, Any]]] = [(f'{config.origin(OVERRIDER)}: model', {KEY: of_model})]
    places += [(str(node), node.overriders) for node in graph]
    alike: dict[str, list[str]] = {}
    for place, settings in places:
        try:
            of_layer(settings, place)
        except UserError as error:
            alike.setdefault(str(error).removeprefix(place), []).append(place)
    of_all = places[0][0]
    return [same[0] + rest + ('' if same[0] == of_all else _likewise(len(same) - 1)) for rest, same in alike.items()]


def _together(lines: list[str]) -> list[str]:
    """Lines that differ only in the layer, as what one overlay or word sets for many, told once."""
    alike: dict[str, list[str]] = {}
    for line in lines:
        alike.setdefault(_LAYER.sub('', line), []).append(line)
    return [same[0] + _likewise(len(same) - 1) for same in alike.values()]


def _likewise(more: int) -> str:
    return f' Likewise in {more} more layer{"s" if more > 1 else ""}.' if more else ''


def _names(config: Config, key: str) -> list[str]:
    """A name, or a list of them."""
    value = config.require(key, by=NETWORK)
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f'{config.origin(key)}: {key} is {value!r}, expected a name or a list of names.')
    return names
