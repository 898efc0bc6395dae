"""Adding a layer type, or a gate policy, is adding one file: a toy of each is added that way and found complete."""

import importlib
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

import mayo.layers
from mayo.estimate import estimate
from mayo.layers import GateParams, Shape, layer_types, policy, read_layer
from mayo.layers.base import Weightless, layer_type
from mayo.net.graph import Graph, build_graph
from mayo.net.tf import gate as gates
from mayo.net.tf.compact import CompactNetwork, lower, unsupported
from mayo.net.tf.network import Network
from mayo.util.errors import UserError

PAGE = pathlib.Path(__file__).resolve().parents[2] / 'docs/layers.md'
SQUARE = re.findall(r'```python\n(.*?)```', PAGE.read_text(encoding='utf-8'), re.DOTALL)[0]
SCALED = '''
"""y = mask g f(norm(conv(x))), without b."""

from typing import Any

from mayo.layers.policy import Policy, policy


@policy('scaled')
class Scaled(Policy):
    """Scales what the activation lets through."""

    has_shift, boost = False, 'after'

    def apply(self, values) -> Any:
        features = values.gate.activation(values.normalized())
        return features * values.per_channel(values.mask * values.saliency, features), 0.0
'''
GATED = {'type': 'gated_convolution', 'kernel_size': 3, 'num_outputs': 4, 'activation_fn': 'tanh'}


@pytest.fixture
def square(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy layer type, which docs/layers.md shows, in a file that lies among those of mayo/layers."""
    (tmp_path / 'square.py').write_text(SQUARE)
    monkeypatch.setattr(mayo.layers, '__path__', [*mayo.layers.__path__, str(tmp_path)])
    monkeypatch.setattr(layer_types, '_items', dict(layer_types._items))
    mayo.layers.discover()
    yield
    del sys.modules['mayo.layers.square']


@pytest.fixture
def scaled(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy policy, in a file that lies among those of mayo/net/tf/gate."""
    (tmp_path / 'scaled.py').write_text(SCALED)
    policy.discover()
    monkeypatch.setattr(gates, '__path__', [*gates.__path__, str(tmp_path)])
    monkeypatch.setattr(policy.policies, '_items', dict(policy.policies._items))
    policy.discover.cache_clear()
    yield
    policy.discover.cache_clear()
    del sys.modules['mayo.net.tf.gate.scaled']


def chain(**layers: object) -> Graph:
    return build_graph(layers, {'from': 'input', 'with': list(layers), 'to': 'output'})


def test_a_layer_type_is_one_file(square: None) -> None:
    with pytest.raises(UserError, match=r'square: `square` takes no such key; did you mean times\?|time: `square`'):
        read_layer('square', {'time': 2})
    with pytest.raises(UserError, match='times is many, expected a number'):
        read_layer('square', {'times': 'many'})
    graph = chain(gate={**GATED, 'gate_params': {'density': 0.5}}, square={'type': 'square', 'times': 3}, after=GATED)
    costs = {cost.name: cost for cost in estimate(graph, Shape((6, 6, 2)))}
    assert (costs['square'].shape, costs['square'].executed, costs['square'].trainable) == (Shape((6, 6, 4)), 0, 0)
    assert costs['after'].executed == 36 * 9 * 2 * 4 + 2 * 4 + 36 * 4  # two of the channels before it stay zero
    network = Network(graph, Shape((6, 6, 2)), 'toy')
    values = network.activations(tf.constant(np.random.default_rng(0).normal(size=(2, 6, 6, 2)), tf.float32))
    np.testing.assert_allclose(values['square'], 3 * np.square(values['gate']), rtol=1e-6)
    assert unsupported(graph) == ['square: compact execution knows no layer of type `square`.']


def test_a_gate_policy_is_one_file(scaled: None) -> None:
    graph = chain(gate={**GATED, 'gate_params': {'density': 0.5, 'policy': 'scaled'}})
    [cost] = estimate(graph, Shape((6, 6, 2)))
    assert (cost.gate_parameters, cost.gate_macs) == (2 * 4 + 4, 2 * 4 + 36 * 2)
    assert cost.trainable == 9 * 2 * 4 + 4 + 12  # without b the layer keeps its biases
    network = Network(graph, Shape((6, 6, 2)), 'toy')
    assert {name for name in network.named_variables() if '/gate/' in name} == {'gate/gate/weights', 'gate/gate/biases'}
    images = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 6, 2)), tf.float32)
    outputs, stats = network(images)
    layer, stat = network.node_layers['gate'], stats['gate']
    expected = np.tanh(layer.convolved(images)) * (stat.mask * stat.saliency).numpy()[:, None, None]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    assert stat.mask.numpy().sum(1).tolist() == [2, 2]
    assert unsupported(graph) == []
    compact = CompactNetwork(lower(network, Shape((6, 6, 2))))
    np.testing.assert_allclose(compact(images)[0], outputs, rtol=1e-5, atol=1e-6)
    with pytest.raises(
        UserError, match='policy is scale, expected one of naive, parametric, scaled, select, squeeze; did you mean'
    ):
        GateParams(policy='scale')


def test_a_policy_is_known_without_tensorflow() -> None:
    code = "import sys; from mayo.layers import GateParams; GateParams(policy='naive').tensors(2, 3); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == 'False\n'


def test_what_a_layer_type_leaves_out_is_told_when_it_is_registered() -> None:
    class Vague(Weightless):
        """Something."""

    with pytest.raises(TypeError, match='layer type `vague` does not say its shape, travel'):
        layer_type('vague')(Vague)
    with pytest.raises(TypeError, match='gate policy `vague` does not say its has_shift, boost'):
        policy.policy('vague')(type('Vague', (policy.Policy,), {}))


def test_a_layer_type_that_nothing_computes_is_told_with_its_name(square: None) -> None:
    kind = importlib.import_module('mayo.layers.square').Square
    del kind.compute
    with pytest.raises(TypeError, match='layer type `square` has neither `compute` nor a builder in mayo/net/tf/layer'):
        Network(chain(square={'type': 'square'}), Shape((6, 6, 2)), 'toy')
