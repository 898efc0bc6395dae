"""YAML text to a tree of nodes, each with its file and line; no tag can run anything.

    a: !arith $(b) * 2      computed        c: !text $(b)       the four characters themselves, no reference

Read from the events of PyYAML's parser (its C one where there is), with a composer of our own: duplicate keys
are errors, `mayo.config.scalar` types the text, dotted keys nest, and depth, size and aliases are limited.
"""

from typing import Any, NamedTuple

import yaml

from mayo.config.merge import clash, merge, nest
from mayo.config.node import MAX_DEPTH, MAX_NODES, List, Map, Node, Origin, Path, Scalar, join_key, limited, split_key
from mayo.config.scalar import typed
from mayo.config.template import text_node
from mayo.util.errors import UserError, did_you_mean

Event = Any  # of PyYAML, whose classes do not say what they hold
_PARSER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_YAML = 'tag:yaml.org,2002:'
_TEXT_TAGS = {'!', _YAML + 'str'}
_PLAIN_TAGS = {_YAML + name: name for name in ('int', 'float', 'bool', 'null')}
_ARITH = '!arith'
TEXT = '!text'  # text as it stands, in which $( is no reference


def load(text: str, name: str, word: str | None = None, twice: list['Twice'] | None = None) -> Node:
    """The tree of YAML `text`. name: of its file, for origins; with `word`, all of it was set by that word.

    twice: is given the keys that are there twice, of which the last one then counts; without it they are errors.
    Nothing at all is null. UserError: with file and line for everything that is not allowed.
    """
    try:
        return _Composer(text, name, word, twice).document()
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        where = Origin(name, mark.line + 1 if mark and not word else None)
        context = f' {error.context}' if error.context else ''
        raise UserError(f'{where}: not valid YAML:{context} {error.problem}.') from None
    except yaml.YAMLError as error:
        raise UserError(f'{name}: not valid YAML: {" ".join(str(error).split())}.') from None
    except UnicodeEncodeError:
        raise UserError(f'{name}: not valid YAML: bytes that are no text.') from None


class Twice(NamedTuple):
    """A key that a mapping has twice, and where."""

    key: str
    first: Origin
    again: Origin

    def __str__(self) -> str:
        return f'{self.again}: the key `{self.key}` is here twice, first in {self.first}.'


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, text: str, name: str, word: str | None, twice: list[Twice] | None) -> None:
        self.parser = _PARSER(text)
        self.name, self.word, self.twice = name, word, twice
        self.anchors: dict[str, Node | None] = {}  # None: still being read
        self.count = 0  # of the values read so far

    def document(self) -> Node:
        """The only document of the stream."""
        self.parser.get_event()
        start = self.parser.get_event()
        if isinstance(start, yaml.StreamEndEvent):
            return Scalar(self.origin(start), None)
        node = self.node(self.parser.get_event(), 0)
        self.parser.get_event()
        after = self.parser.get_event()
        if not isinstance(after, yaml.StreamEndEvent):
            raise UserError(f'{self.origin(after)}: a second document starts here; a file holds one.')
        return node

    def origin(self, event: Event) -> Origin:
        """Where an event stands."""
        return Origin(self.name, None if self.word else event.start_mark.line + 1, self.word)

    def node(self, event: Event, depth: int) -> Node:
        """The node that starts with `event`."""
        origin = self.origin(event)
        if depth > MAX_DEPTH:
            raise UserError(f'{origin}: nested more than {MAX_DEPTH} deep.')
        self.count += 1
        if self.count > MAX_NODES:
            raise UserError(f'{origin}: more than {MAX_NODES} values; so many may be.')
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), origin)
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, origin)
        elif isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event.tag, 'seq', origin)
            node = limited(List(origin, self.items(depth)))
        else:
            _check_tag(event.tag, 'map', origin)
            node = limited(self.mapping(origin, depth))
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def alias(self, anchor: str, origin: Origin) -> Node:
        """What an alias stands for."""
        if anchor not in self.anchors:
            hint = did_you_mean(anchor, self.anchors) or '; text that starts with * needs quotes.'
            raise UserError(f'{origin}: *{anchor} has no anchor &{anchor} before it{hint}')
        node = self.anchors[anchor]
        if node is None:
            raise UserError(f'{origin}: *{anchor} stands inside its own anchor.')
        return node

    def items(self, depth: int) -> tuple[Node, ...]:
        """The items of a sequence, up to its end."""
        items = []
        while not isinstance(event := self.parser.get_event(), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return tuple(items)

    def mapping(self, origin: Origin, depth: int) -> Map:
        """The mapping up to its end: what `<<` brings, then the keys written in it."""
        inherited: dict[str, Node] | None = None
        own: dict[str, Node] = {}
        while not isinstance(event := self.parser.get_event(), yaml.MappingEndEvent):
            where = self.origin(event)
            key = self.key(event, where)
            value = self.node(self.parser.get_event(), depth + 1)
            if key is not None:
                _put(own, key, value.at(where), self.twice)
            elif inherited is None:
                inherited = _inherited(value, where)
            else:
                raise UserError(f'{where}: the key `<<` is here twice; `<<: [*first, *second]` takes more.')
        items = inherited or {}
        for name, node in own.items():
            reaches_in = isinstance(node, Map) and node.dotted
            items[name] = merge(items.get(name), node, (name,)) if reaches_in else node
        return Map(origin, items)

    def key(self, event: Event, origin: Origin) -> Path | None:
        """The parts of a key; None for `<<`."""
        if not isinstance(event, yaml.ScalarEvent):
            raise UserError(f'{origin}: a key is text, not a list, a mapping or an alias.')
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            raise UserError(f'{origin}: {_tag_name(event.tag)} on the key `{event.value}`; a key is text.')
        if event.value == '<<' and event.implicit[0]:
            return None
        path = split_key(event.value)
        check_key(path, event.value, origin)
        return path


def check_key(path: Path, key: str, origin: Origin | str) -> None:
    """Refuse keys with an empty part, too many parts, or a reference."""
    if len(path) > MAX_DEPTH:
        raise UserError(f'{origin}: a key of {len(path)} parts, at most {MAX_DEPTH} may be.')
    if not all(path):
        raise UserError(f'{origin}: `{key}`: a key needs a name before and after each dot; \\. is a dot in a name.')
    if '$(' in key:
        raise UserError(f'{origin}: `{key}`: references stand in values, not in keys.')


def _put(own: dict[str, Node], path: Path, value: Node, twice: list[Twice] | None) -> None:
    first, rest = path[0], path[1:]
    node = nest(rest, value)
    if first in own:
        again = clash(own[first], node)
        if again is not None:
            before = own[first]
            for part in again:
                assert isinstance(before, Map)
                before = before.items[part]
            clashing = Twice(join_key((first, *again)), before.origin, value.origin)
            if twice is None:
                raise UserError(str(clashing))
            twice.append(clashing)
        node = node if again == () else merge(own[first], node, (first,))
    own[first] = node


def _inherited(value: Node, origin: Origin) -> dict[str, Node]:
    """What `<<: *mapping` brings, or `<<: [*first, *second]`, where the first one wins."""
    items: dict[str, Node] = {}
    sources = value.items if isinstance(value, List) else (value,)
    for source in sources:
        if not isinstance(source, Map):
            raise UserError(f'{origin}: `<<` takes a mapping or a list of mappings, such as *anchor.')
        for key, node in source.items.items():
            items.setdefault(key, node)
    return items


def _scalar(event: Event, origin: Origin) -> Node:
    text, tag = event.value, event.tag
    if tag == _ARITH:
        return text_node(text, origin, arith=True)
    if tag == TEXT:
        return Scalar(origin, text)
    if tag in _PLAIN_TAGS:
        return Scalar(origin, _forced(text, _PLAIN_TAGS[tag], origin))
    if tag is not None and tag not in _TEXT_TAGS:
        _check_tag(tag, 'str', origin)
    value = _typed(text, origin) if tag is None and event.implicit[0] else text
    return text_node(value, origin) if isinstance(value, str) else Scalar(origin, value)


def _typed(text: str, origin: Origin) -> bool | int | float | str | None:
    try:
        return typed(text)
    except ValueError as error:
        raise UserError(f'{origin}: {error}.') from None


def _forced(text: str, kind: str, origin: Origin) -> bool | int | float | str | None:
    """The value of text with a tag such as !!int."""
    value = _typed(text, origin)
    if kind == 'float' and type(value) is int and abs(value) < 2**1000:
        value = float(value)
    expected = {'int': int, 'float': float, 'bool': bool, 'null': type(None)}[kind]
    if type(value) is not expected:
        raise UserError(f'{origin}: !!{kind} on `{text}`, which is none.')
    return value


def _check_tag(tag: str | None, kind: str, origin: Origin) -> None:
    if tag is None or tag in ('!', _YAML + kind):
        return
    name = _tag_name(tag)
    if 'python' in name or name in ('!exec', '!eval'):
        raise UserError(
            f'{origin}: the tag {name} would run code, and configurations never do; '
            'arithmetic is !arith, other values are $(key).'
        )
    if tag in (_ARITH, TEXT):
        raise UserError(f'{origin}: {tag} takes {"an expression as text" if tag == _ARITH else "text"}.')
    hint = did_you_mean(name, [_ARITH, TEXT]) or f'; there are {_ARITH} and {TEXT}.'
    raise UserError(f'{origin}: unknown tag {name}{hint}')


def _tag_name(tag: str) -> str:
    return '!!' + tag.removeprefix(_YAML) if tag.startswith(_YAML) else tag
