"""A resolved tree as YAML that `mayo.config.load` reads back as the same values."""

import re
from collections.abc import Iterator

from mayo.config.arith import Deferred
from mayo.config.load import TEXT
from mayo.config.node import List, Map, Node, Origin, Scalar
from mayo.config.scalar import text_of, typed

_INDENT = 4
_PLAIN = re.compile(r'[A-Za-z0-9_/^(.+-][A-Za-z0-9_/^().+=@-]*( [A-Za-z0-9_/^().+=@-]+)*')
_ESCAPES = {'"': '\\"', '\\': '\\\\', '\n': '\\n', '\t': '\\t'}


def dump(node: Node, origin: bool = False) -> str:
    """YAML text of a resolved tree; with `origin`, a comment on each leaf says who set it."""
    return ''.join(f'{line}\n' for line in _lines(node, origin))


def _lines(node: Node, origin: bool) -> Iterator[str]:
    if _fits_a_line(node, origin):
        yield _flow(node) + (f'  # {_one_line(node.origin)}' if origin else '')
    elif isinstance(node, Map):
        for key, child in node.items.items():
            yield from _entry(f'{_quoted(key.replace(".", chr(92) + "."))}:', child, origin)
    elif isinstance(node, List):
        for child in node.items:
            yield from _entry('-', child, origin)


def _entry(head: str, child: Node, origin: bool) -> Iterator[str]:
    lines = _lines(child, origin)
    if _fits_a_line(child, origin):
        yield f'{head} {next(lines)}'
        return
    if head == '-':
        yield f'-{" " * (_INDENT - 1)}{next(lines)}'
    else:
        yield head
    yield from (' ' * _INDENT + line for line in lines)


def _fits_a_line(node: Node, origin: bool) -> bool:
    """Scalars, empty collections, and lists of scalars; with origins, only those set in one place."""
    if isinstance(node, List):
        return all(isinstance(child, Scalar) and (child.origin == node.origin or not origin) for child in node.items)
    return isinstance(node, Scalar) or not node.size > 1


def _flow(node: Node) -> str:
    if isinstance(node, List):
        return f'[{", ".join(map(_flow, node.items))}]'
    if isinstance(node, Scalar):
        if isinstance(node.value, Deferred):
            return f'!arith {_quoted(node.value)}'
        if isinstance(node.value, str):
            return f'{TEXT} {_quoted(node.value)}' if '$(' in node.value else _quoted(node.value)
        return text_of(node.value)
    return '{}'


def _quoted(text: str) -> str:
    """`text` as it stands if it reads back as itself, else in double quotes."""
    if _PLAIN.fullmatch(text) and not text.startswith(('- ', '---')) and text != '-' and _is_text(text):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    return _ESCAPES.get(character) or (character if character.isprintable() else f'\\U{ord(character):08X}')


def _is_text(text: str) -> bool:
    try:
        return isinstance(typed(text), str)
    except ValueError:
        return False


def _one_line(origin: Origin) -> str:
    return ' '.join(origin.detail.split())
