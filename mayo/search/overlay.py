"""What `search` found, as a YAML file to merge over the model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mayo.config.overlay import overlay as overlay_of
from mayo.layers import GateParams
from mayo.net.gates import as_layers


def overlay(gates: Mapping[str, GateParams], densities: Mapping[str, float], comments: Sequence[str]) -> str:
    """YAML text. gates: of each layer, kept but for the density; a layer of a module is called MODULE/LAYER."""
    return overlay_of(as_layers({name: replace(gates[name], density=density) for name, density in densities.items()}), comments)
