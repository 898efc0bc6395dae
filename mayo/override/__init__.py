"""Overriders: quantizers, pruners and gaters that YAML puts on weights, biases, activations and gradients of a network."""

from mayo.override import (
    filters,
    fixed,
    floating,
    gater,
    incremental,
    logarithm,
    low_rank,
    mixed,
    pruner,
    recentralizer,
    slimmer,
    ternary,
)
from mayo.override.base import Around, Overrider, Rival, overriders
from mayo.override.parse import of_layer, parse

__all__ = [
    'Around',
    'Overrider',
    'Rival',
    'filters',
    'fixed',
    'floating',
    'gater',
    'incremental',
    'logarithm',
    'low_rank',
    'mixed',
    'of_layer',
    'overriders',
    'parse',
    'pruner',
    'recentralizer',
    'slimmer',
    'ternary',
]
