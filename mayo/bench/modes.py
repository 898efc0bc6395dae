"""What is measured: a network of one graph and one set of weights, in an engine.

dense       without gates, batch norm folded: what a user would run instead
masked      gates multiply by a mask after everything is computed, as in training
compact     suppressed channels are not computed
static      the compact network with the same channels for every image, known beforehand: no gates, the ceiling
artifact    an exported file or folder
"""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mayo.estimate import estimate
from mayo.layers import Shape
from mayo.net.gates import at_density, gates_of
from mayo.net.graph import Graph
from mayo.net.tf.engines import engines, of_file

NETWORKS = ('dense', 'masked', 'compact', 'static')


@dataclass(frozen=True)
class Subject:
    """A network to measure. weights: by their names in checkpoints, without the model's; source: where they come from."""

    name: str
    graph: Graph
    input_shape: Shape
    weights: Mapping[str, np.ndarray]
    source: str


@dataclass(frozen=True)
class Mode:
    """A network in an engine; `path` is an artifact's. precision: what it multiplies."""

    network: str
    engine: str
    path: str = ''
    precision: str = 'float32'

    @property
    def label(self) -> str:
        """Its name in tables."""
        precision = '' if self.precision == 'float32' else f' {self.precision}'
        return f'{pathlib.Path(self.path).name or self.network} {self.engine}{precision}'


def modes_of(
    networks: Sequence[str], names: Sequence[str], artifacts: Sequence[str], precisions: Sequence[str] = ('float32',)
) -> list[Mode]:
    """Every network in every engine that runs it, in each precision, and the artifacts, each in the engine that runs such files."""

    def runs(network: str, name: str, precision: str) -> bool:
        if precision == 'float32':
            return network != 'masked' or engines[name].masked
        return network in engines[name].narrow.get(precision, ())

    triples = itertools.product(networks, names, precisions)
    modes = [Mode(network, name, precision=precision) for network, name, precision in triples if runs(network, name, precision)]
    return modes + [Mode('artifact', of_file(path), path) for path in artifacts]


def densities_of(graph: Graph) -> set[float]:
    """The densities of the gates that are on; none for a dense network."""
    return {gate.density for gate in gates_of(graph).values() if gate.enable}


def macs_of(graph: Graph, input_shape: Shape) -> dict[str, int]:
    """Multiply-accumulates of each network for one image, as mayo.estimate counts them."""
    costs = estimate(graph, input_shape)
    executed = sum(cost.executed for cost in costs)
    return {
        'dense': sum(cost.dense for cost in costs),
        'masked': sum(cost.executed for cost in estimate(at_density(graph, 1.0), input_shape)),
        'compact': executed,
        'static': executed - sum(cost.gate_macs for cost in costs),
    }
