"""Floor 2: the layer types. A file of a family says everything about each: keys, shape, weights, MACs, how channels travel.

Every file of this folder is imported here, so that adding a layer type is adding a file. docs/layers.md tells how.
"""

import importlib
import pkgutil

from mayo.layers.base import Layer, declared_keys, layer_types, parameters, read_layer
from mayo.layers.gate import GateParams
from mayo.layers.shape import Shape
from mayo.layers.tensor import Tensor

__all__ = ['GateParams', 'Layer', 'Shape', 'Tensor', 'declared_keys', 'discover', 'layer_types', 'parameters', 'read_layer']


def discover() -> None:
    """Import every file of this folder, which enters its layer types."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f'{__name__}.{module.name}')


discover()
