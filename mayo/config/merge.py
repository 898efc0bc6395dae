"""Merging one tree over another: mappings merge, everything else replaces."""

from mayo.config.node import Append, List, Map, Node, Origin, Overlay, Path, Remove, Scalar, Template, join_key
from mayo.util.errors import UserError, did_you_mean


def merge(base: Node | None, over: Node, path: Path = ()) -> Node:
    """`over` merged over `base`, which lies at `path` (for messages); neither is changed."""
    if isinstance(over, Map | Append) and _is_lazy(base):
        assert base is not None
        return _lazily(base, over)
    if isinstance(over, Append):
        return _append(base, over, path)
    if not isinstance(over, Map):
        return over
    if isinstance(base, List) and over.dotted:
        return _into_list(base, over, path)
    return _into_map(base, over, path)


def nest(path: Path, node: Node) -> Node:
    """`node` under the mappings that the dots of a key stand for."""
    for part in reversed(path):
        node = Map(node.origin, {part: node}, dotted=True)
    return node


def clash(base: Node, over: Node) -> Path | None:
    """The first key that both set, although they come from the same mapping; None if they go together."""
    if not (isinstance(base, Map) and isinstance(over, Map) and (base.dotted or over.dotted)):
        return ()
    for key in over.items.keys() & base.items.keys():
        rest = clash(base.items[key], over.items[key])
        if rest is not None:
            return key, *rest
    return None


def _is_lazy(base: Node | None) -> bool:
    return isinstance(base, Overlay) or (isinstance(base, Template) and (base.arith or bool(base.alone)))


def _lazily(base: Node, over: Map | Append) -> Overlay:
    """What to do once the base is known; settings one after the other become one."""
    if isinstance(base, Overlay) and _only_sets(base.over) and _only_sets(over):
        return Overlay(base.origin, base.base, merge(base.over, over))
    return Overlay(_origin(base, over), base, over)


def _only_sets(over: Node) -> bool:
    """Whether all it does is to set values by dotted keys."""
    if isinstance(over, Map):
        return over.dotted and all(map(_only_sets, over.items.values()))
    return not isinstance(over, Append | Remove)


def _into_map(base: Node | None, over: Map, path: Path) -> Map:
    items = dict(base.items) if isinstance(base, Map) else {}
    for key, child in over.items.items():
        if isinstance(child, Remove):
            if key not in items:
                raise _missing(child.origin, (*path, key), items)
            del items[key]
        else:
            items[key] = merge(items.get(key), child, (*path, key))
    if not isinstance(base, Map):
        return Map(over.origin, items, over.dotted and base is None)
    return Map(_origin(base, over), items, over.dotted and base.dotted)


def _into_list(base: List, over: Map, path: Path) -> List:
    items: list[Node | None] = list(base.items)
    for key, child in over.items.items():
        where = (*path, key)
        if not key.isdecimal():
            raise UserError(f'{child.origin}: {join_key(path)} is a list, and `{key}` is no index of it.')
        if int(key) >= len(items):
            raise UserError(f'{child.origin}: {join_key(where)}: the list has {len(items)} items, from 0.')
        removed = isinstance(child, Remove)
        items[int(key)] = None if removed else merge(items[int(key)], child, where)
    return List(base.origin, tuple(item for item in items if item is not None))


def _append(base: Node | None, over: Append, path: Path) -> List:
    if base is None:
        raise UserError(f'{over.origin}: {join_key(path)} does not exist, so nothing can be appended to it.')
    if isinstance(base, Scalar) and base.value is None:
        return List(over.origin, over.items)
    if not isinstance(base, List):
        raise UserError(f'{over.origin}: {join_key(path)} is not a list, so nothing can be appended to it.')
    return List(over.origin, base.items + over.items)


def _origin(base: Node, over: Node) -> Origin:
    """Who set a merged collection: reaching into it by a dotted key is not setting it."""
    return base.origin if isinstance(over, Map) and over.dotted else over.origin


def _missing(origin: Origin, path: Path, keys: dict[str, Node]) -> UserError:
    return UserError(f'{origin}: {join_key(path)} does not exist{did_you_mean(path[-1], keys) or "."}')
