"""Floor 2: shapes, parameters, multiply-accumulates and sparsity of a network, in plain Python."""

from mayo.estimate import plain, weighted
from mayo.estimate.cost import Cost, estimate, shapes
from mayo.estimate.gate import GateParams
from mayo.estimate.rules import Layer, complete, declared_keys, layer_types, measure
from mayo.estimate.shape import Shape

__all__ = [
    'Cost',
    'GateParams',
    'Layer',
    'Shape',
    'complete',
    'declared_keys',
    'estimate',
    'layer_types',
    'measure',
    'plain',
    'shapes',
    'weighted',
]
