"""Networks with random weights, batch norm statistics and gates, so that every image of a batch has winners of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.gates import at_density, gates_of
from mayo.net.graph import Graph, build_graph
from mayo.net.tf.compact import CompactNetwork, lower_graph
from mayo.net.tf.compact.native import NativeNetwork, instruction_sets
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.network import Network


class Pair:
    """A masked network and the compact one made from it."""

    def __init__(self, graph: Graph, shape: Shape, seed: int = 0) -> None:
        self.network = Network(graph, shape, 'model', seed)
        self.graph, self.shape, self.random = graph, shape, np.random.default_rng(seed)
        self.onnx = False  # whether the ONNX network is compared as well
        for name, variable in self.network.named_variables().items():
            variable.assign(self._drawn(name, variable.shape))

    def _drawn(self, name: str, shape: Any) -> np.ndarray:
        if name.endswith(('gamma', 'moving_variance')):
            return self.random.uniform(0.5, 1.5, shape)
        if name.endswith('gate/biases'):
            return self.random.normal(1, 0.3, shape)
        if name.endswith(('biases', 'beta', 'moving_mean', 'shift')):
            return self.random.normal(0, 0.3, shape)
        return self.random.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)

    def set_density(self, density: float) -> None:
        """Every gate keeps another fraction of its channels; nothing else changes."""
        self.graph = at_density(self.graph, density)
        for name, params in gates_of(self.graph).items():
            gate = self.network.node_layers[name].gate
            gate.params, gate.keep = params, params.kept(gate.channels)

    def program(self) -> Any:
        variables = self.network.named_variables()
        return lower_graph(self.graph, self.shape, {name: np.asarray(value) for name, value in variables.items()})

    def images(self, count: int) -> tf.Tensor:
        """Images of different strength in each channel."""
        strength = self.random.uniform(0, 3, (count, 1, 1, self.shape.channels))
        return tf.constant(self.random.normal(0.3, strength, (count, *self.shape.dims)), tf.float32)

    def assert_equal(self, images: tf.Tensor, lively: bool = True, **options: Any) -> None:
        """Compact and masked agree on outputs and on active channels. lively: the outputs are no zeros, nor huge."""
        program, expected = self.program(), self.network(images)
        assert_same(CompactNetwork(program, **options)(images), expected, lively)
        for most in instruction_sets():
            assert_same(NativeNetwork(program, instructions=most)(images), expected, lively)
        if self.onnx:
            assert_same(run_onnx(program, images.numpy()), expected, lively)

    def winners(self, images: tf.Tensor) -> list[int]:
        """How many different masks each gate has on `images`."""
        return [len(np.unique(stat.mask, axis=0)) for stat in self.network(images)[1].values()]


def assert_same(got: Any, expected: Any, lively: bool = True) -> None:
    """(outputs, winners) against (outputs, stats): to 1e-4 of the largest output, and the same winners.

    winners: of each gated layer its mask [N, C] or, of ONNX, how many there are [N].
    """
    (outputs, winners), (wanted, stats) = got, expected
    for actual, other in zip(tf.nest.flatten(outputs), tf.nest.flatten(wanted), strict=True):
        assert actual.shape == other.shape
        assert np.isfinite(other).all()
        assert not lively or 0 < np.abs(other).max() < 1e6
        np.testing.assert_allclose(actual, other, rtol=0, atol=1e-4 * np.abs(other).max())
    assert set(winners) == set(stats)
    for name, stat in stats.items():
        mask, won = stat.mask.numpy() > 0, np.asarray(winners[name])
        np.testing.assert_array_equal(won, mask if won.ndim == mask.ndim else mask.sum(-1))


def run_onnx(program: Any, images: np.ndarray) -> tuple[list[Any], dict[Any, Any]]:
    """Outputs and counts of winners of the ONNX network, image by image."""
    model = onnx_model(program, counts=True)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    results = zip(*(session.run(None, {'images': image[None]}) for image in images), strict=True)
    values = {output.name: np.concatenate(parts) for output, parts in zip(session.get_outputs(), results, strict=True)}
    counts = {
        name.removesuffix('/active').removesuffix('/features'): values.pop(name)
        for name in list(values)
        if name.endswith('/active')
    }
    return list(values.values()), counts


@pytest.fixture(scope='session')
def pair() -> Callable[..., Pair]:
    """pair(layers, graph entries, shape): the networks of a small model."""

    def build(layers: Any, graph: Any, shape: tuple[int, int, int] = (8, 8, 3), seed: int = 0, **ends: Any) -> Pair:
        if isinstance(graph[0], str):
            graph = {'from': 'input', 'with': graph, 'to': 'output'}
        networks = Pair(build_graph(layers, graph, **ends), Shape(shape), seed)
        networks.onnx = True
        return networks

    return build


@pytest.fixture
def eager() -> Iterator[None]:
    """Functions run as written, without tracing."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope='session')
def pair_of() -> type[Pair]:
    """pair_of(graph, shape)."""
    return Pair
