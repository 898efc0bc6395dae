"""Layers that are described and placed nowhere, so that what is said of them has no effect. Needs no TensorFlow.

    model.layers.conv33.stride=2        a word: the layer is misspelt, or its entry in `with` is missing
    conv11: *gated                      a line of a file, which may be one for several networks

A layer of a module that some place of the module leaves out and another has is meant so.
"""

from collections.abc import Iterable, Iterator

from mayo.config import Config
from mayo.config.node import Path, join_key, split_key
from mayo.net.graph import Graph
from mayo.util.errors import did_you_mean


def idle_words(config: Config, graph: Graph) -> Iterator[str]:
    """A line for each word of the command line that is about such a layer."""
    values = config.word_values()
    for key, placed in graph.idle.items():
        path = split_key(key)
        for word in {value.origin.word for value in values if value.path[: len(path)] == path}:
            yield f'command line: {word} has no effect: no entry of the graph places the layer {path[-1]}{_hint(path, placed)}'


def idle_lines(config: Config, graph: Graph) -> Iterator[str]:
    """A line for each such layer that a file describes."""
    placed = {_line(config, key_of(name)) for node in graph for name in _with_modules(node.name)}
    for key, beside in sorted(graph.idle.items()):
        path = split_key(key)
        if config.node(path) is None or config.source(key).word is None:
            line = _line(config, key)
            if line not in placed:
                placed.add(line)
                yield f'{line[0]}: {key} has no effect: no entry of the graph places it{_hint(path, beside)}'


def key_of(layer: str) -> str:
    r"""The key of a layer by its name in the network.

    >>> key_of('b11/conv.1')
    'model.layers.b11.layers.conv\\.1'
    """
    return f'model.layers.{".layers.".join(join_key([part]) for part in layer.split("/"))}'


def _with_modules(layer: str) -> Iterator[str]:
    """The name of a layer, and of each module around it."""
    parts = layer.split('/')
    return ('/'.join(parts[:end]) for end in range(1, len(parts) + 1))


def _line(config: Config, key: str) -> tuple[str, str]:
    """Where a layer is described, and its name there: the same for each place of a module."""
    return config.origin(key), split_key(key)[-1]


def _hint(path: Path, placed: Iterable[str]) -> str:
    return did_you_mean(path[-1], placed) or f'; name it in {join_key([*path[:-2], "graph"])}.'
