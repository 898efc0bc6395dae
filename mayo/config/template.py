"""The grammar of references: `$(name)` anywhere in text, references within names included.

text      := (characters | reference)*
reference := '$(' name ')'          model.layers   .sibling   a.$(b).c   env:HOME   env:SHARDS,8
"""

from mayo.config.node import MAX_DEPTH, Node, Origin, Reference, Scalar, Template
from mayo.util.errors import UserError


def text_node(text: str, origin: Origin, arith: bool = False) -> Node:
    """A Template if references stand in `text` or it is an expression, else a Scalar.

    UserError: a `$(` without its `)`.

    >>> text_node('x$(a.$(b))', Origin('f', 1)).parts
    ('x', Reference(name=('a.', Reference(name=('b',)))))
    """
    if '$(' not in text:
        return Template(origin, (text,), arith=True) if arith else Scalar(origin, text)
    parts, end = _parts(text, 0, 0, origin)
    assert end == len(text)
    return Template(origin, parts, arith)


def _parts(text: str, start: int, depth: int, origin: Origin) -> tuple[tuple[str | Reference, ...], int]:
    """Read parts from `start` to the `)` that closes this depth (depth 0: to the end); also where that is."""
    if depth > MAX_DEPTH:
        raise UserError(f'{origin}: $(...) nested more than {MAX_DEPTH} deep.')
    parts: list[str | Reference] = []
    plain_from = position = start
    parentheses = 0
    while position < len(text):
        if text.startswith('$(', position):
            name, end = _parts(text, position + 2, depth + 1, origin)
            parts += [text[plain_from:position], Reference(name)]
            plain_from = position = end + 1
            continue
        if depth and text[position] == ')' and not parentheses:
            break
        parentheses += {'(': 1, ')': -1}.get(text[position], 0)
        position += 1
    else:
        if depth:
            raise UserError(f'{origin}: `{_shortened(text)}`: a `$(` without its `)`.')
    parts.append(text[plain_from:position])
    return tuple(part for part in parts if part), position


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f'{text[:77]}...'
