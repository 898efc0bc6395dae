"""The configuration as an immutable tree whose every node knows who set it.

Nodes are never changed after they are made, so that configurations, aliases and references share them.
"""

import copy
import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from mayo.util.errors import UserError

MAX_NODES = 40_000  # after aliases and references: ten times the largest network, or a list of 21,841 classes
MAX_DEPTH = 100  # of nesting, references followed included
MAX_TEXT = 1_000_000  # characters of one text, after references

Path: TypeAlias = tuple[str, ...]
Plain: TypeAlias = bool | int | float | str | list['Plain'] | dict[str, 'Plain'] | None


class Origin(NamedTuple):
    """Who set a value: a line of a file, a word of the command line, or the defaults.

    >>> str(Origin('models/cifarnet.yaml', 41)), str(Origin('command line', word='a=1'))
    ('models/cifarnet.yaml:41', 'command line')
    """

    name: str
    line: int | None = None
    word: str | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f'{self.name}:{self.line}'

    @property
    def detail(self) -> str:
        """The same with the word itself."""
        return f'{self}: {self.word}' if self.word else str(self)


class Reference(NamedTuple):
    """`$(name)`; the name is itself text in which references may stand."""

    name: tuple['str | Reference', ...]

    def __str__(self) -> str:
        return f'$({"".join(map(str, self.name))})'


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """Abstract: anything in the tree."""

    origin: Origin

    @functools.cached_property
    def size(self) -> int:
        """Nodes in it, shared ones as often as they occur."""
        return 1 + sum(child.size for child in self.children())

    @functools.cached_property
    def depth(self) -> int:
        """Levels in it; 1 for a scalar."""
        return 1 + max((child.depth for child in self.children()), default=0)

    def children(self) -> Iterable['Node']:
        """The nodes directly below."""
        return ()

    def at(self, origin: Origin) -> 'Node':
        """The same value, set by `origin`."""
        node = copy.copy(self)  # with the size and depth that are known already
        object.__setattr__(node, 'origin', origin)
        return node


@dataclasses.dataclass(frozen=True, eq=False)
class Scalar(Node):
    """A final value: text, number, truth or nothing."""

    value: bool | int | float | str | None


@dataclasses.dataclass(frozen=True, eq=False)
class Template(Node):
    """Text in which references stand; with `arith`, an expression to compute once they are replaced."""

    parts: tuple[str | Reference, ...]
    arith: bool = False

    @property
    def alone(self) -> Reference | None:
        """The reference that is the whole text, and so keeps the type of its value."""
        only = self.parts[0] if len(self.parts) == 1 and not self.arith else None
        return only if isinstance(only, Reference) else None


@dataclasses.dataclass(frozen=True, eq=False)
class List(Node):
    """A sequence."""

    items: tuple[Node, ...]

    def children(self) -> Iterable[Node]:
        return self.items


@dataclasses.dataclass(frozen=True, eq=False)
class Map(Node):
    """A mapping. dotted: it stands for the dots of a key, and so reaches into lists, not over them."""

    items: dict[str, Node]
    dotted: bool = False

    def children(self) -> Iterable[Node]:
        return self.items.values()


@dataclasses.dataclass(frozen=True, eq=False)
class Overlay(Node):
    """`over` merged on what `base`, a reference, turns out to be."""

    base: Node
    over: Node

    def children(self) -> Iterable[Node]:
        return self.base, self.over


@dataclasses.dataclass(frozen=True, eq=False)
class Append(Node):
    """`key+=[...]`: the items go to the end of the list that is there."""

    items: tuple[Node, ...]

    def children(self) -> Iterable[Node]:
        return self.items


@dataclasses.dataclass(frozen=True, eq=False)
class Remove(Node):
    """`~key`: what is there goes."""


def plain(node: Node) -> Plain:
    """The Python value of a resolved node; new lists and dictionaries each time."""
    if isinstance(node, Map):
        return {key: plain(child) for key, child in node.items.items()}
    if isinstance(node, List):
        return [plain(child) for child in node.items]
    if isinstance(node, Scalar):
        return node.value
    raise TypeError(f'{type(node).__name__} is not resolved')


def node_of(value: Any, origin: Origin) -> Node:
    """The tree of a plain value, all of it set by `origin`; a text in it is itself, whatever stands in it.

    TypeError: the value is, or holds, something else than mappings with text as keys, lists and tuples, and scalars.
    """
    if isinstance(value, Mapping):
        return Map(origin, {_text_key(key): node_of(child, origin) for key, child in value.items()})
    if isinstance(value, list | tuple):
        return List(origin, tuple(node_of(child, origin) for child in value))
    if not isinstance(value, None | bool | int | float | str):
        raise TypeError(f'{type(value).__name__} has no place in a configuration')
    return Scalar(origin, value)


def _text_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f'the key {key!r} is no text')
    return key


def limited(node: Node) -> Node:
    """`node`, or a UserError if it is too large or too deep to handle."""
    if node.depth > MAX_DEPTH:
        raise UserError(f'{node.origin}: nested more than {MAX_DEPTH} deep.')
    if node.size > MAX_NODES:
        raise UserError(f'{node.origin}: {node.size} values with aliases and references; {MAX_NODES} may be.')
    return node


def split_key(key: str) -> Path:
    r"""The parts of a dotted key; a dot after a backslash does not divide.

    >>> split_key(r'urls.train\.gz.sha256')
    ('urls', 'train.gz', 'sha256')
    """
    return tuple(part.replace('\\.', '.') for part in re.split(r'(?<!\\)\.', key))


def join_key(path: Iterable[str]) -> str:
    r"""The dotted key of a path, the inverse of `split_key`.

    >>> join_key(['urls', 'train.gz'])
    'urls.train\\.gz'
    """
    return '.'.join(part.replace('.', '\\.') for part in path)
