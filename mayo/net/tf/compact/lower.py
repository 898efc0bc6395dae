"""From a network to the operations that compute it compactly: batch norm folded, gates read, channel slices followed.

One walk over the graph. What a layer passes on is the name of a value of the program; a gated convolution starts a slice, and
how channels travel through a layer (mayo.layers.travel) says whether it passes on, as it does for costs. Where all channels are
needed, the slice is expanded first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mayo.layers import Shape
from mayo.layers.convolution import GatedConvolution
from mayo.layers.functions import RELU
from mayo.layers.linear import Linear
from mayo.net.graph import Graph, Node
from mayo.net.tf.compact.lowering import Lowering, rules
from mayo.net.tf.compact.program import Program
from mayo.override import of_layer
from mayo.override.parse import ACTIVATION, GRADIENT

BATCH_NORM = 'keras.layers.BatchNormalization'


def lower(network: Any, input_shape: Shape) -> Program:
    """The program of `network` (mayo.net.tf.network.Network) with the weights it has now."""
    weights = {name: np.asarray(value, np.float32) for name, value in network.effective_weights().items()}
    return lower_graph(network.graph, input_shape, weights)


def lower_graph(graph: Graph, input_shape: Shape, weights: Mapping[str, np.ndarray]) -> Program:
    """The program of `graph`; weights: by their names in checkpoints, without the model's ('conv0/BatchNorm/gamma').

    Errors: ValueError for what `unsupported` names.
    """
    if problems := unsupported(graph):
        raise ValueError('\n'.join(problems))
    lowering = Lowering(weights)
    start = {name: lowering.take_in(name, input_shape) for name in graph.inputs}
    names = graph.walk(start, lowering.visit)
    outputs = tuple(lowering.full(names[name]) for name in graph.outputs)
    return Program(tuple(lowering.operations), lowering.values, graph.inputs, outputs)


def unsupported(graph: Graph) -> list[str]:
    """Why compact execution cannot serve `graph`, a reason for each layer; empty if it can."""
    return [f'{node}: {reason}' for node in graph.nodes for reason in _reasons(node)]


def _reasons(node: Node) -> list[str]:
    layer, reasons = node.params, []
    if node.type not in rules:
        reasons.append(f'compact execution knows no layer of type `{node.type}`.')
    if isinstance(layer, Linear) and layer.normalizer_fn and layer.normalizer_fn.name != BATCH_NORM:
        reasons.append(f'compact execution folds batch norm only, not {layer.normalizer_fn.name}.')
    reasons += _overridden(node)
    if not isinstance(layer, GatedConvolution) or not layer.gate:
        return reasons
    gate = layer.gate
    if gate.rule.boost is None:
        reasons.append(f'compact execution has no formula for gate_params.policy `{gate.policy}`.')
    if gate.original and (layer.activation_fn is None or layer.activation_fn != RELU):
        reasons.append('compact execution predicts saliency with relu alone, and this gate with the activation of its layer.')
    if gate.granularity == 'vector':
        reasons.append(
            'compact execution chooses channels for a whole image; gate_params.granularity `vector` chooses for each row.'
        )
    return reasons


def _overridden(node: Node) -> Iterator[str]:
    for target, chain in of_layer(node.overriders, str(node)).items():
        names = ', '.join(member.name for member in chain.members())
        if target == ACTIVATION:
            yield f'compact execution computes no overridden activations ({names}).'
        elif chain.is_random() and not target.startswith(GRADIENT):
            yield f'compact execution draws no weights at random ({names}).'
