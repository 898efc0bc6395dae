"""A word of the command line that sets, appends to or removes one value: `a.b=1`, `a+=[x]`, `~a`."""

import re

from mayo.config.load import check_key, load
from mayo.config.merge import nest
from mayo.config.node import Append, List, Map, Node, Origin, Path, Remove, Scalar, split_key
from mayo.config.template import text_node
from mayo.util.errors import UserError


def tree_of_word(word: str) -> Map:
    """The tree that, merged, does what `word` says. UserError: it is no override, or its value no YAML."""
    origin = Origin('command line', word=word)
    if word.startswith('~'):
        return _nested(_path(word[1:], origin), Remove(origin))
    key, equals, text = word.partition('=')
    if not equals:
        raise UserError(f'{origin}: `{word}` is no override; those are key=value, key+=[item] and ~key.')
    path = _path(key.removesuffix('+'), origin)
    value = _value(text, origin)
    if key.endswith('+'):
        value = Append(origin, value.items if isinstance(value, List) else (value,))
    return _nested(path, value)


def _nested(path: Path, node: Node) -> Map:
    tree = nest(path, node)
    assert isinstance(tree, Map)  # for a path has a part
    return tree


def _path(key: str, origin: Origin) -> Path:
    path = split_key(key.strip())
    check_key(path, key, origin)
    return path


def _value(text: str, origin: Origin) -> Node:
    """The value as YAML, except that a leading * is text: a word has no anchors, but often a file pattern.

    Mappings and lists are in braces and brackets; what YAML would read as one without them is text.
    """
    if text.lstrip().startswith('*'):
        return Scalar(origin, text.strip())
    if _is_cut(text):
        return text_node(text.strip(), origin)
    try:
        value = load(text, origin.name, origin.word)
    except UserError as error:
        raise UserError(f'{error} In `{origin.word}`.') from None
    is_block = isinstance(value, Map | List) and text.lstrip()[0] not in '{[&!'  # `a: b.png` and `- x` are names of files
    return text_node(text.strip(), origin) if is_block else value


def _is_cut(text: str) -> bool:
    """Whether YAML would take a part of a text that is not quoted for a comment, or join its lines."""
    stripped = text.strip()
    is_plain = stripped != '' and stripped[0] not in '"\'[{!&|>%@`'
    return is_plain and (stripped.startswith('#') or re.search(r'\s#', stripped) is not None or '\n' in stripped)
