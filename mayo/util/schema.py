"""What data an action answers with: JSON Schema, made of few words, and any data as JSON holds it.

    EVALUATION = record('how good the network is', top1=number('share of the images, 0 to 1'), images=whole('how many'))

Each function gives a schema of draft 2020-12 (https://json-schema.org) as plain mappings, so that docs/json.md, a test with any
validator, and whoever reads `--json` know the same.
"""

import math
import os
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def number(meaning: str, null: bool = False) -> Schema:
    """A number. null: or null, where there is none."""
    return _typed('number', meaning, null)


def whole(meaning: str, null: bool = False) -> Schema:
    """A whole number."""
    return _typed('integer', meaning, null)


def text(meaning: str, null: bool = False) -> Schema:
    """Text."""
    return _typed('string', meaning, null)


def flag(meaning: str, null: bool = False) -> Schema:
    """Either true or false."""
    return _typed('boolean', meaning, null)


def anything(meaning: str) -> Schema:
    """Whatever JSON holds."""
    return {'description': meaning}


def listed(meaning: str, item: Schema, null: bool = False) -> Schema:
    """A list."""
    return {**_typed('array', meaning, null), 'items': item}


def named(meaning: str, value: Schema) -> Schema:
    """A mapping of any names to values of a kind."""
    return {**_typed('object', meaning, False), 'additionalProperties': value}


def record(meaning: str, /, *, optional: Any = (), **fields: Schema) -> Schema:
    """A mapping with these keys and no other. optional: the names of those that may lack."""
    required = [name for name in fields if name not in optional]
    return {**_typed('object', meaning, False), 'properties': fields, 'required': required, 'additionalProperties': False}


def _typed(kind: str, meaning: str, null: bool) -> Schema:
    return {'type': [kind, 'null'] if null else kind, 'description': meaning}


NOTHING = record('nothing beyond that it is done')


def plain(value: Any) -> Any:
    """`value` as JSON holds it: tuples are lists, numbers of NumPy those of Python, paths text; what is not finite is null.

    >>> plain({'a': (1, float('nan')), 2: None})
    {'a': [1, None], '2': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, 'tolist'):  # of NumPy
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
