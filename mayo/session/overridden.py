"""What a configuration overrides, as it says it, without TensorFlow: the rows of `info` before anything is loaded."""

import math

from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.net.graph import Graph
from mayo.override import of_layer, table
from mayo.override.parse import ACTIVATION, ERROR, GRADIENT, KEY
from mayo.override.place import require_fit, tell_absent


def rows(graph: Graph, input_shape: Shape) -> list[table.Row]:
    """A row for each overridden value of a layer that has it, with the states that the configuration gives."""
    outputs = shapes(graph, input_shape)
    entries, absent = [], []
    for node in graph:
        dims = {tensor.name: tensor.dims for tensor in node.params.tensors(outputs[node.inputs[0]].channels)}
        dims |= dict.fromkeys((ACTIVATION, ERROR), outputs[node.name].dims)
        for target, chain in of_layer(node.overriders, str(node)).items():
            shape = dims.get(target.removeprefix(f'{GRADIENT}/'))
            if shape is None:
                absent.append((target, node.name))
                continue
            require_fit(chain, target, shape, dims, f'{node}.{KEY}.{target}')
            entries.append(table.row(node.name, target, chain, math.prod(shape), chain.initial(shape)))
    tell_absent(absent)
    return entries
