"""YAML that a program writes, to be merged over other files."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def overlay(values: Mapping[str, Any], comments: Sequence[str]) -> str:
    """The text of a file: comments, a line each, then the values."""
    lines = [f'# {comment}' for comment in comments]
    body = yaml.safe_dump(_escaped(values), sort_keys=False, default_flow_style=None, width=120, indent=4)
    return '\n'.join([*lines, body])


def layers(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What sets keys of layers in a configuration. settings: by layer; one of a module is called MODULE/LAYER.

    >>> layers({'conv0': {'rate': 2}, 'fire/squeeze': {'rate': 1}})['model']['layers']
    {'conv0': {'rate': 2}, 'fire': {'layers': {'squeeze': {'rate': 1}}}}
    """
    nested: dict[str, Any] = {}
    for name, own in settings.items():
        *modules, last = name.split('/')
        inside = nested
        for module in modules:
            inside = inside.setdefault(module, {}).setdefault('layers', {})
        inside[last] = own
    return {'model': {'layers': nested}}


def _escaped(value: Any) -> Any:
    """`value` with a backslash before each dot of its keys, so that YAML does not read a dot as a level."""
    if not isinstance(value, Mapping):
        return value
    return {key.replace('.', r'\.'): _escaped(inner) for key, inner in value.items()}
