"""The configuration: files and words merged from left to right, values resolved when they are asked for."""

import contextlib
import functools
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import mayo.config.settings  # noqa: F401  declares what several actions share
from mayo.config import dialect
from mayo.config.dialect import Ignored
from mayo.config.dump import dump
from mayo.config.imports import Document, documents_of_file, documents_of_text
from mayo.config.interpolate import Missing, Resolver
from mayo.config.merge import merge
from mayo.config.node import List, Map, Node, Origin, Overlay, Path, join_key, limited, node_of, plain, split_key
from mayo.config.override import tree_of_word
from mayo.util import settings
from mayo.util.errors import Problems, UserError, did_you_mean, nearest
from mayo.util.files import base_of
from mayo.util.settings import Section

REQUIRED: Any = object()
_DEFAULTS = Origin('defaults')

_HINTED = 100  # unknown keys that are told with the nearest known one; looking for that takes time


class Unknown(NamedTuple):
    """A key that nothing reads: who set it, and the known key it looks like.

    With `keys` it is a known one, that holds a value where these keys belong.
    """

    key: str
    origin: str
    nearest: str | None
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.keys:
            keys = ', '.join(self.keys)
            return f'{self.origin}: {self.key} is a value, expected a mapping with the keys {keys}.'
        hint = f'; did you mean {self.nearest}?' if self.nearest else '.'
        return f'{self.origin}: nothing reads the key {self.key}{hint} Keys of your own start with _.'


class WordValue(NamedTuple):
    """A value that a word of the command line set, and that still stands. node: as it was written."""

    path: Path
    origin: Origin
    node: Node

    @property
    def key(self) -> str:
        """The dotted key."""
        return join_key(self.path)


class Config:
    """What the files and words so far say. Merging makes a new tree, so that copies are cheap.

    >>> config = Config()
    >>> config.merge_text('{a: {b: 2, c: $(.b)}, d: !arith $(a.c) + 1}', 'x.yaml')
    >>> config.merge_word('a.b=4')
    >>> config.get('d'), config.origin('a.b'), config.origin('d')
    (5, 'command line', 'x.yaml:1')
    """

    def __init__(
        self, root: Map | None = None, left_out: tuple[Ignored, ...] = (), originals: frozenset[str] = frozenset()
    ) -> None:
        self._root = root or Map(_DEFAULTS, {})
        self._left_out = left_out
        self._originals = originals  # the files that were written for the original Mayo

    @classmethod
    def default(cls) -> 'Config':
        """The defaults of every setting that is declared: here, and by each module that declares some and is imported."""
        return cls(defaults())

    def copy(self) -> 'Config':
        """Another configuration that starts with the same values."""
        return Config(self._root, self._left_out, self._originals)

    # ---- merging

    def merge_file(self, path: str | os.PathLike[str]) -> None:
        """Merge a YAML file and what it imports; nothing is merged if anything is wrong."""
        self._merge(documents_of_file(path))

    def merge_text(self, text: str, name: str) -> None:
        """Merge YAML text; `name` says in messages where it is from."""
        self._merge(documents_of_text(text, name))

    def merge_values(self, values: Mapping[str, Any], origin: str) -> None:
        """Merge Python values as they are: no text among them is a number, a reference or a path of keys.

        values: mappings, lists, text, numbers, truth and None; `origin` says in messages where they are from.

        >>> config = Config()
        >>> config.merge_values({'classes': ['08', '1e5', '$(x)', 'null']}, 'images in photos')
        >>> config.get('classes')
        ['08', '1e5', '$(x)', 'null']
        """
        tree = limited(node_of(values, Origin(origin)))
        assert isinstance(self._root, Map)
        self._take(merge(self._root, tree), self._left_out)

    def merge_word(self, word: str) -> None:
        """Merge `key=value`, `key+=[item, ...]` or `~key`; the value is YAML, all after the first `=`."""
        tree = tree_of_word(word)
        self._merge([Document(tree, tree.origin.name, dialect.is_of_original(tree))])

    def _merge(self, documents: list[Document]) -> None:
        root: Node = self._root
        left_out = list(self._left_out)
        for document in documents:
            tree, left = dialect.translated(document.tree, document.of_original, root)
            left_out += [*left, *map(dialect.overruled, document.twice)]
            root = limited(merge(root, tree))
        self._take(root, tuple(left_out))
        self._originals |= {
            document.name for document in documents if document.of_original and document.tree.origin.word is None
        }

    def _take(self, root: Node, left_out: tuple[Ignored, ...]) -> None:
        assert isinstance(root, Map)
        self._root, self._left_out = Map(_DEFAULTS, root.items), left_out
        self.__dict__.pop('_resolver', None)

    @functools.cached_property
    def _resolver(self) -> Resolver:
        return Resolver(self._root)

    # ---- reading

    def get(self, key: str, default: Any = REQUIRED) -> Any:
        """The resolved value of a dotted key. UserError: it is wrong, or not there and without a default."""
        try:
            return settings.read(key, plain(self._resolver.resolve(split_key(key))))
        except Missing as error:
            if default is not REQUIRED:
                return default
            raise UserError(f'{key} is not in the configuration{_undeclared(key) or error.hint}') from None

    def require(self, key: str, by: str) -> Any:
        """The value of a key that `by` cannot do without: UserError if it is missing or null."""
        value = self.get(key, None)
        if value is None:
            raise UserError(f'{by} needs {key}, which nothing so far sets; {settings.remedy(key)}.')
        return value

    def __contains__(self, key: str) -> bool:
        try:
            self._resolver.find(split_key(key))
        except Missing:
            return False
        return True

    def origin(self, key: str) -> str:
        """Who set a key, or else the nearest one above it: `file:line`, `command line` or `defaults`."""
        return str(self.source(key))

    def source(self, key: str) -> Origin:
        """The same with its parts: the file, the line, the word."""
        return self._resolver.origin(split_key(key))

    def place(self, key: str) -> pathlib.Path:
        """The path that a setting names for what is written; a relative one counts from the folder of who named it: base_of."""
        return base_of(self.source(key).name) / os.path.expanduser(str(self.get(key)))

    def to_dict(self, scratch: bool = True) -> dict[str, Any]:
        """Everything, resolved; without `scratch`, no keys that start with _."""
        resolved = self._resolver.resolve(())
        value: Any = plain(resolved if scratch else _without_scratch(resolved))
        return value

    def to_yaml(self, origin: bool = False) -> str:
        """Everything, resolved, as YAML; with `origin`, a comment on each value says who set it."""
        return dump(self._resolver.resolve(()), origin)

    def unknown(self) -> list[Unknown]:
        """The keys that nothing reads: those beside the keys that are declared.

        What stands below a setting its owner checks; _ marks scratch.
        """
        return [key for key in self._strange() if isinstance(key, Unknown)]

    def misfits(self) -> list[str]:
        """Every setting that holds what it may not, a line each: who set it, and what was expected."""
        problems = Problems()
        for key, setting in settings.settings().items():
            with problems.collecting():
                value = plain(self._resolver.resolve(split_key(key))) if key in self else None
                if setting.kind is not None and not setting.fits(value):
                    setting.kind.checked(value, f'{self.origin(key)}: {key}')
        return problems

    def word_values(self) -> list[WordValue]:
        """Every value that a word of the command line set and nothing after it replaced."""
        return list(_word_values(self._root, ()))

    def node(self, path: Path) -> Node | None:
        """What was written at a path, before references are resolved; None if nothing was."""
        node: Node | None = self._root
        for key in path:
            node = node.items.get(key) if isinstance(node, Map) else None
        return node

    def unread(self) -> list[str]:
        """A line for each key with _ that a word sets and no reference reads, so that the word has no effect."""
        scratch = [value for value in self.word_values() if any(part.startswith('_') for part in value.path)]
        if not scratch:
            return []
        resolver = Resolver(self._root)
        with contextlib.suppress(UserError):  # of what cannot be resolved others tell
            resolver.whole(_without_scratch(self._root))
        read = {*resolver.read, *(current for path in resolver.read if (current := dialect.current_path(path)))}
        idle = [unread for unread in scratch if not any(_meet(unread.path, path) for path in read)]
        known = [path for path in self._with_children(read) if not any(path == unread.path for unread in idle)]
        return [
            f'{unread.origin}: {unread.origin.word} has no effect: no reference reads {unread.key}{_hint(unread.path, known)}'
            for unread in idle
        ]

    def _with_children(self, paths: Iterable[Path]) -> Iterator[Path]:
        """The paths, and the keys directly below each."""
        for path in sorted(paths):
            yield path
            node = self.node(path)
            yield from ((*path, key) for key in node.items) if isinstance(node, Map) else ()

    def ignored(self) -> list[Ignored]:
        """The keys of the original Mayo that have a place in its files and do nothing here."""
        beside = [key for key in self._strange() if isinstance(key, Ignored)]
        return [*beside, *dict.fromkeys(self._left_out)]

    def _strange(self) -> list[Unknown | Ignored]:
        strange: list[Unknown | Ignored] = []
        self._collect_unknown(defaults(), (), strange)
        return strange

    def _collect_unknown(self, known: Map, path: Path, strange: list[Unknown | Ignored]) -> None:
        node, _ = self._resolver.find(path)
        if not isinstance(node, Map):
            strange.append(Unknown(join_key(path), self.origin(join_key(path)), None, tuple(known.items)))
            return
        for key in node.items:
            where = join_key((*path, key))
            if key.startswith('_'):
                continue
            declared = known.items.get(key)
            if declared is None and where in dialect.REFERRED:
                continue
            is_hinted = len(strange) < _HINTED
            is_near = is_hinted and nearest(key, known.items) is not None
            why = dialect.why_ignored(where, is_near) if declared is None else None
            if why is not None:
                strange.append(Ignored(where, self.origin(where), why))
            elif declared is None and self._resolver.origin((*path, key)).name in self._originals:
                strange.append(Ignored(where, self.origin(where), 'nothing ever read it'))
            elif declared is None:
                strange.append(Unknown(where, self.origin(where), _nearest_key(path, key, known) if is_hinted else None))
            elif isinstance(declared, Map) and declared.items:
                self._collect_unknown(declared, (*path, key), strange)


def _meet(path: Path, other: Path) -> bool:
    """Whether one path is the other, or lies above it."""
    return path[: len(other)] == other or other[: len(path)] == path


def _hint(path: Path, known: Iterable[Path]) -> str:
    """The end of a message: the known path that a wrong one looks like, which differs in one part."""
    near = {
        join_key(other)
        for other in known
        if len(other) == len(path) and sum(part != there for part, there in zip(path, other, strict=True)) == 1
    }
    return did_you_mean(join_key(path), sorted(near)) or '.'


def _word_values(node: Node, path: Path) -> Iterator[WordValue]:
    if isinstance(node, Overlay):
        yield from _word_values(node.base, path)
        yield from _word_values(node.over, path)
    elif isinstance(node, Map) and node.items:
        for key, child in node.items.items():
            yield from _word_values(child, (*path, key))
    elif node.origin.word is not None:
        yield WordValue(path, node.origin, node)


def _nearest_key(path: Path, key: str, known: Map) -> str | None:
    """The known key that a wrong one looks like: one beside it, else one of the same name elsewhere."""
    beside = nearest(key, [*known.items, *dialect.old_keys_in(path)])
    if beside:
        return join_key((*path, beside))
    return next((join_key(other) for other in _paths(defaults()) if other[-1] == key), None)


def _paths(tree: Map, above: Path = ()) -> list[Path]:
    paths: list[Path] = []
    for key, child in tree.items.items():
        paths.append((*above, key))
        if isinstance(child, Map):
            paths += _paths(child, (*above, key))
    return paths


def defaults() -> Map:
    """The default of every setting that is declared by now."""
    return _defaults_of(settings.sections())


@functools.cache
def _defaults_of(sections: tuple[Section, ...]) -> Map:
    tree = node_of(settings.defaults(), _DEFAULTS)
    assert isinstance(tree, Map)
    return tree


def _undeclared(key: str) -> str:
    """Why a setting of an action is not there, for who uses this package without the command line."""
    section = key.partition('.')[0]
    is_declared = any(other.name == section for other in settings.sections())
    is_complete = is_declared or 'mayo.actions' in sys.modules
    return '' if is_complete else f'; import mayo.actions, which may declare the settings of {section}.'


def _without_scratch(node: Node) -> Node:
    if isinstance(node, Map):
        kept = {key: _without_scratch(child) for key, child in node.items.items() if not key.startswith('_')}
        return Map(node.origin, kept)
    if isinstance(node, List):
        return List(node.origin, tuple(map(_without_scratch, node.items)))
    return node
