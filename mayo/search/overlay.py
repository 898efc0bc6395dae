"""What `search` found, as a YAML file to merge over the model."""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mayo.net.gates import as_layers

DIGITS = 4


def density_of(keep: int, channels: int) -> float:
    """A short decimal d with ceil(d C) = k: k / C rounded down.

    >>> density_of(32, 64), density_of(43, 192), density_of(192, 192)
    (0.5, 0.2239, 1.0)
    """
    return math.floor(round(keep * 10 ** DIGITS / channels, 6)) / 10 ** DIGITS


def overlay(gates: Mapping[str, Mapping[str, Any]], densities: Mapping[str, float], comments: Sequence[str]) -> str:
    """YAML text. gates: the gate_params of each layer, kept but for the density; a layer of a module is called MODULE/LAYER."""
    layers = as_layers({name: {**gates[name], 'density': density} for name, density in densities.items()})
    lines = [f'# {comment}' for comment in comments]
    body = yaml.safe_dump(layers, sort_keys=False, default_flow_style=None, width=120, indent=4)
    return '\n'.join([*lines, body])
