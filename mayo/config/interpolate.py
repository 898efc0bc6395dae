"""Resolving `$(...)` and `!arith` in a merged tree, lazily, with the chain of references for messages.

$(a.b)     the value of a.b; alone it keeps its type, inside text it becomes text
$(.b)      b in the innermost mapping around
$(a.$(b))  from the inside out
$(env:NAME)  $(env:NAME,default)     the environment, typed as YAML is; no references are read in it
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

from mayo.config.arith import ARGUMENT, Deferred, evaluate, is_glued, literal
from mayo.config.dialect import current_path, old_keys_in, stand_in
from mayo.config.merge import merge
from mayo.config.node import (
    MAX_DEPTH,
    MAX_TEXT,
    List,
    Map,
    Node,
    Origin,
    Overlay,
    Path,
    Plain,
    Reference,
    Scalar,
    Template,
    join_key,
    limited,
    node_of,
    plain,
    split_key,
)
from mayo.config.scalar import text_of, typed
from mayo.util.errors import Problems, UserError, did_you_mean

Place = tuple[Node, Path]  # a node, and the path at which its own references are read


class Missing(UserError):
    """A path that does not exist, and the keys there are where its last part was looked for."""

    def __init__(self, path: Path, keys: list[str]) -> None:
        self.path, self.keys = path, keys
        super().__init__(f'{join_key(path)} does not exist.')

    @property
    def hint(self) -> str:
        """The end of a message about it, with the nearest name."""
        return did_you_mean(self.path[-1], self.keys) or '.'


class Resolver:
    """Resolves values of one tree; `root` does not change, so each reference is computed once."""

    def __init__(self, root: Map) -> None:
        self.root = root
        self.read: set[Path] = set()  # what references named so far
        self._done: dict[tuple[Path, Node], Place | UserError] = {}
        self._chain: list[tuple[Path, Node]] = []
        self._depth = 0
        self._problems = Problems()  # of the tree that is being resolved as a whole,
        self._resolved: dict[Path, Node] = {}  # its collections so far,
        self._open: list[tuple[Path, Path]] = []  # and those around: where each stands and comes from

    def resolve(self, path: Path) -> Node:
        """The node at `path`, everything in it resolved. UserError: all that is wrong in it; Missing."""
        node, place = self.find(path)
        return self._whole(node, place)

    def whole(self, tree: Node) -> Node:
        """`tree`, the root or what is left of it, with everything in it resolved. UserError: all that is wrong in it."""
        return self._whole(tree, ())

    def find(self, path: Path) -> Place:
        """The node at `path`, or where the original Mayo's key is today; itself no reference, its children perhaps."""
        try:
            return self._find(path)
        except Missing:
            renamed = current_path(path)
            if renamed is None:
                raise
            return self._find(renamed)

    def _find(self, path: Path) -> Place:
        node, place = self._head(self.root, ())
        for index, key in enumerate(path):
            child = _child(node, key)
            if child is None:
                keys = [*node.items, *old_keys_in(path[:index])] if isinstance(node, Map) else []
                raise Missing(path[: index + 1], keys)
            node, place = self._head(child, (*place, key))
        return node, place

    def origin(self, path: Path) -> Origin:
        """Who set the value at `path`, or the nearest one above it that there is."""
        node: Node = self.root
        place: Path = ()
        for key in path:
            try:
                head, around = self._head(node, place)
            except UserError:
                break
            child = _child(head, key)
            if child is None:
                break
            node, place = child, (*around, key)
        return node.origin

    def _whole(self, node: Node, place: Path) -> Node:
        """`node` with everything in it resolved, or one UserError with all that is wrong in it."""
        outer = self._problems, self._resolved, self._open
        self._problems, self._resolved, self._open = Problems(), {}, []
        try:
            resolved = self._deep(node, place)
            self._problems.raise_any()
        finally:
            self._problems, self._resolved, self._open = outer
        return resolved

    def _deep(self, node: Node, stands: Path) -> Node:
        with self._deeper(node):
            try:
                node, place = self._head(node, stands)
                self._check_inside(node, stands, place)
            except UserError as error:
                self._problems += str(error).splitlines()
                return Scalar(node.origin, None)
            if not isinstance(node, Map | List):
                return node
            if place not in self._resolved:
                self._open.append((stands, place))
                self._resolved[place] = limited(self._collection(node, place))
                self._open.pop()
            return self._resolved[place].at(node.origin)

    def _collection(self, node: Map | List, place: Path) -> Node:
        if isinstance(node, Map):
            values = {key: self._deep(child, (*place, key)) for key, child in node.items.items()}
            return Map(node.origin, values)
        items = (self._deep(child, (*place, str(index))) for index, child in enumerate(node.items))
        return List(node.origin, tuple(items))

    def _check_inside(self, node: Node, stands: Path, place: Path) -> None:
        """Refuse a reference to a collection in which it stands itself."""
        places = [place for _, place in self._open]
        if place in places:
            later = self._open[places.index(place) + 1 :]
            inside = [join_key(path) for path, origin in later if path != origin]
            chain = ' -> '.join([join_key(place), *inside, join_key(stands), join_key(place)])
            raise UserError(f'{node.origin}: {join_key(stands)} refers to what it stands in: {chain}.')

    def _head(self, node: Node, place: Path) -> Place:
        """What a node turns out to be; its children stay as they are."""
        if not isinstance(node, Template | Overlay):
            return node, place
        key = place, node
        if key not in self._done:
            with self._deeper(node), self._entered(key):
                try:
                    self._done[key] = self._computed(node, place)
                except UserError as error:
                    self._done[key] = error
        done = self._done[key]
        if isinstance(done, UserError):
            raise done
        return done

    def _computed(self, node: Template | Overlay, place: Path) -> Place:
        if isinstance(node, Overlay):
            return merge(self._whole(node.base, place), node.over, place), place
        if node.alone:
            target, place = self._reference(node.alone, place, node)
            return target.at(node.origin), place
        if node.arith:
            return self._arith(node, place), place
        return Scalar(node.origin, self._joined(node.parts, place, node)), place

    def _joined(self, parts: Iterable[str | Reference], place: Path, node: Template) -> str:
        texts, length = [], 0
        for part in parts:
            texts.append(part if isinstance(part, str) else self._as_text(part, place, node))
            length += len(texts[-1])
            if length > MAX_TEXT:
                raise UserError(f'{_where(node, place)}: text of more than {MAX_TEXT} characters.')
        return ''.join(texts)

    def _as_text(self, reference: Reference, place: Path, node: Template) -> str:
        target, _ = self._reference(reference, place, node)
        if not isinstance(target, Scalar):
            kind = 'a mapping' if isinstance(target, Map) else 'a list'
            raise UserError(f'{_where(node, place)}: {reference} is {kind}, and stands inside text.')
        if target.value is None:
            raise UserError(f'{_where(node, place)}: {reference} is null, and stands inside text.')
        return text_of(target.value)

    def _arith(self, node: Template, place: Path) -> Node:
        """References that stand alone are values; those in quotes or glued to a word are text."""
        source, values = '', {}
        is_deferred = any(isinstance(part, str) and ARGUMENT.search(part) for part in node.parts)
        for index, part in enumerate(node.parts):
            if isinstance(part, str):
                source += part
            elif is_glued(source, _start(node.parts[index + 1 :])):
                source += self._as_text(part, place, node)
            elif is_deferred:
                source += literal(self._as_value(part, place, node))
            else:
                values[f'__{index}__'] = self._as_value(part, place, node)
                source += f'__{index}__'
        if is_deferred:
            return Scalar(node.origin, Deferred(source.strip()))
        try:
            return limited(node_of(evaluate(source, values), node.origin))
        except ValueError as error:
            shown = ''.join(map(str, node.parts))
            raise UserError(f'{_where(node, place)}: !arith {shown}: {error}.') from None

    def _as_value(self, reference: Reference, place: Path, node: Template) -> Plain:
        target, at = self._reference(reference, place, node)
        if isinstance(target, Map):
            raise UserError(f'{_where(node, place)}: {reference} is a mapping, and stands inside !arith.')
        return plain(self._whole(target, at))

    def _reference(self, reference: Reference, place: Path, node: Template) -> Place:
        """What `$(name)` in `node` at `place` stands for."""
        written = self._joined(reference.name, place, node).strip()
        if written.startswith('env:'):
            return _environment(written.removeprefix('env:'), node, place), place
        name = re.sub(r'\s', '', written)
        path = split_key(name.removeprefix('.'))
        where = f'{_where(node, place)}: $({name})'
        if not all(path):
            raise UserError(f'{where}: a reference is $(a.b), or $(.b) beside itself.')
        if name.startswith('.'):
            path = (*self._around(place), *path)
        try:
            self.read.add(path)
            return self.find(path)
        except Missing as error:
            default = stand_in(path)
            if default is not None:
                return default, path
            level = '' if len(error.path) == len(path) else f': {join_key(error.path)} is not there'
            raise UserError(f'{where} does not exist{level}{self._through()}{error.hint}') from None

    def _around(self, place: Path) -> Path:
        """The path of the innermost mapping around `place`."""
        around = place[:-1]
        while around and isinstance(self.find(around)[0], List):
            around = around[:-1]
        return around

    def _through(self) -> str:
        """The chain of references that led here, if there is more than one."""
        chain = [f'{join_key(path)} ({node.origin})' for path, node in self._chain]
        return f' (through {" -> ".join(chain)})' if len(chain) > 1 else ''

    @contextlib.contextmanager
    def _entered(self, key: tuple[Path, Node]) -> Iterator[None]:
        if key in self._chain:
            cycle = self._chain[self._chain.index(key) :]
            first = cycle.index(min(cycle, key=lambda link: link[0]))
            cycle = cycle[first:] + cycle[:first]
            names = ' -> '.join(f'{join_key(path)} ({node.origin})' for path, node in cycle)
            path, node = cycle[0]
            raise UserError(f'{node.origin}: {join_key(path)} refers to itself: {names} -> {join_key(path)}.')
        self._chain.append(key)
        try:
            yield
        finally:
            self._chain.pop()

    @contextlib.contextmanager
    def _deeper(self, node: Node) -> Iterator[None]:
        if self._depth >= MAX_DEPTH:
            raise UserError(f'{node.origin}: nested more than {MAX_DEPTH} deep, references followed.')
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


def _child(node: Node, key: str) -> Node | None:
    if isinstance(node, Map):
        return node.items.get(key)
    if isinstance(node, List) and key.isdecimal() and int(key) < len(node.items):
        return node.items[int(key)]
    return None


def _where(node: Node, place: Path) -> str:
    return f'{node.origin}: {join_key(place)}'


def _environment(name: str, node: Node, place: Path) -> Node:
    variable, comma, default = (text.strip() for text in name.partition(','))
    text = os.environ.get(variable, default if comma else None)
    if text is None:
        raise UserError(
            f'{_where(node, place)}: $(env:{variable}): the environment has no {variable}; $(env:NAME,default) gives a default.'
        )
    try:
        return Scalar(node.origin, typed(text))
    except ValueError as error:
        raise UserError(f'{_where(node, place)}: $(env:{variable}): {error}.') from None


def _start(parts: tuple[str | Reference, ...]) -> str:
    """How what follows begins; a reference does as a word."""
    following = parts[0] if parts else ''
    return following if isinstance(following, str) else 'x'
