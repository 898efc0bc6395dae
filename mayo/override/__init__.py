"""Overriders: quantizers, pruners and gaters that YAML puts on weights, biases, activations and gradients of a network.

Every file of this folder is imported here, so that adding an overrider is adding a file: base.py tells how.
"""

import importlib
import pkgutil

from mayo.override.base import Around, Overrider, Rival, overriders
from mayo.override.parse import of_layer, parse

__all__ = ['Around', 'Overrider', 'Rival', 'of_layer', 'overriders', 'parse']

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_module.name}')
