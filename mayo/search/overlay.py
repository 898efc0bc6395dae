"""What `search` found, as a YAML file to merge over the model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from mayo.layers import GateParams
from mayo.net.gates import as_layers


def overlay(gates: Mapping[str, GateParams], densities: Mapping[str, float], comments: Sequence[str]) -> str:
    """YAML text. gates: of each layer, kept but for the density; a layer of a module is called MODULE/LAYER."""
    layers = as_layers({name: replace(gates[name], density=density) for name, density in densities.items()})
    lines = [f'# {comment}' for comment in comments]
    body = yaml.safe_dump(_escaped(layers), sort_keys=False, default_flow_style=None, width=120, indent=4)
    return '\n'.join([*lines, body])


def _escaped(value: Any) -> Any:
    """`value` with a backslash before each dot of its keys, so that YAML does not read a dot as a level."""
    if not isinstance(value, Mapping):
        return value
    return {key.replace('.', r'\.'): _escaped(inner) for key, inner in value.items()}
