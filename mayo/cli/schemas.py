"""What `--json` prints, as JSON Schema and as text for people: both from what the actions declare."""

import textwrap
from collections.abc import Iterator
from typing import Any

from mayo.actions import actions
from mayo.cli.output import document, result
from mayo.util.schema import Schema, record, text

_WIDTH = 100
HELP = record('what `help` told', text=text('as a terminal shows it'))
COMPLETION = record('a script of a shell, or candidates', text=text('as a shell reads it'))
_KINDS = {'integer': 'whole number', 'string': 'text', 'boolean': 'true or false', 'array': 'list', 'object': 'mapping'}


def answers() -> dict[str, Schema]:
    """The schema of each action's answer, by its name, and those of `help` and `completion`."""
    return {**{name: actions[name].result for name in actions}, 'help': HELP, 'completion': COMPLETION}


def schema() -> Schema:
    """JSON Schema of the whole document: https://json-schema.org/draft/2020-12/schema."""
    every = [result({'const': name}, answer) for name, answer in answers().items()]
    return {'$schema': 'https://json-schema.org/draft/2020-12/schema', **document({'oneOf': every})}


def outline() -> str:
    """The document, then the answer of each action: a line a key, with what it holds and what that means."""
    answer = result(text('its name'), record('what the action answers: below, by action'))
    parts = [_outlined('the document', document(answer))]
    parts += [_outlined(f'result of {name}', answer) for name, answer in answers().items()]
    return '\n\n'.join(parts)


def _outlined(title: str, schema: Schema) -> str:
    return '\n'.join([f'{title}: {schema["description"]}', *_below(schema, '  ')])


def _below(schema: Schema, indent: str) -> Iterator[str]:
    """The keys of a mapping, or of the elements of a list."""
    if 'items' in schema:
        yield from _below(schema['items'], indent)
        return
    required = schema.get('required', ())
    for name, inner in schema.get('properties', {}).items():
        yield from _line(f'{name}{"" if name in required else "?"}', inner, indent)
    rest = schema.get('additionalProperties')
    if isinstance(rest, dict):
        yield from _line('NAME', rest, indent)


def _line(name: str, schema: Schema, indent: str) -> Iterator[str]:
    head = f'{indent}{name}: {_kind(schema)}'
    text = f'{head}; {schema["description"]}'
    yield textwrap.fill(text, _WIDTH, subsequent_indent=f'{indent}    ', break_long_words=False, break_on_hyphens=False)
    yield from _below(schema, f'{indent}  ')


def _kind(schema: Schema) -> str:
    kinds: Any = schema.get('type', 'anything')
    names = [kinds] if isinstance(kinds, str) else kinds
    told = ' or '.join(_KINDS.get(name, name) for name in names)
    items = schema.get('items')
    return f'{told} of {_kind(items)}, each {items["description"]}' if items else told
