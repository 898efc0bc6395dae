"""Gates with a threshold, whose number of winners varies from image to image: the native engine computes as the masked network does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.estimate import estimate
from mayo.net.tf.compact import CompactNetwork, static
from mayo.net.tf.compact.native import NativeNetwork, instruction_sets
from mayo.net.tf.compact.onnx import onnx_model

from ..conftest import Pair, assert_same
from ..test_network import AFTER, GATE, POLICIES, chain

SETS = instruction_sets()
pytestmark = pytest.mark.skipif(not SETS, reason='the native engine was not built: there is no C compiler')
IMAGES = 6
REST = [name for name in POLICIES if 'threshold' not in name and name != 'disabled']
KINDS = ('local', 'global')


@pytest.fixture(autouse=True)
def _eager(eager: Any) -> None:
    """Small networks are not worth tracing."""


def gate(threshold: str, **more: Any) -> dict[str, Any]:
    return {**GATE, 'gate_params': {'density': 0.5, 'threshold': threshold, **more}}


def set_cuts(networks: Pair, images: tf.Tensor, part: float = 0.5) -> None:
    """Every threshold where `part` of the layer's saliencies are below it, or with `global` of the first layer's.

    It is halfway between two of them: no rounding decides.
    """
    cuts = {name: variable for name, variable in networks.network.named_variables().items() if name.endswith('gate/threshold')}
    assert cuts
    for name, variable in cuts.items():
        stats = networks.network(images)[1]
        layer = name.removesuffix('/gate/threshold') if '/' in name.removesuffix('gate/threshold') else next(iter(stats))
        values = np.unique(stats[layer].saliency.numpy().round(3))
        middle = (np.concatenate([values[:1] - 1, values]) + np.concatenate([values, values[-1:] + 1])) / 2
        variable.assign(middle[round(part * len(values))])


def assert_equal(networks: Pair, images: tf.Tensor, lively: bool = True) -> list[int]:
    """Native equals masked with all instructions, alone and in a team; how many numbers of winners each gate has."""
    expected = networks.network(images)
    for most in SETS:
        network = NativeNetwork(networks.program(), 3, most)
        assert_same(network(images), expected, lively)
        assert_same(network(images[:1]), networks.network(images[:1]), lively=False)
    return [len(np.unique(stat.mask.numpy().sum(-1))) for stat in expected[1].values()]


@pytest.mark.parametrize('position, after', list(enumerate(AFTER)))
def test_a_slice_of_any_length_passes_or_expands(pair: Callable[..., Pair], position: int, after: str) -> None:
    kind = KINDS[position % 2]
    networks = pair(*chain(gate(kind), *AFTER[after], {**gate(kind), 'kernel_size': 1}))
    images = networks.images(IMAGES)
    set_cuts(networks, images)
    assert assert_equal(networks, images)[0] > 1


@pytest.mark.parametrize('policy', REST)
def test_every_policy_and_summary(pair: Callable[..., Pair], policy: str) -> None:
    layer = gate('local', **POLICIES[policy])
    networks = pair(*chain(layer, {**layer, 'num_outputs': 5, 'padding': 1}, {'type': 'flatten'}, FC))
    images = networks.images(IMAGES)
    set_cuts(networks, images)
    assert_equal(networks, images)


FC = {'type': 'fully_connected', 'num_outputs': 4, 'activation_fn': None}
LAYERS = {
    'one': gate('local'),
    'two': {**gate('local'), 'padding': 1},
    'three': {**gate('local'), 'padding': 1},
    'add': {'type': 'add'},
    'concat': {'type': 'concat'},
    'mul': {'type': 'mul'},
    'groups': {**gate('local'), 'num_groups': 4},
    'flatten': {'type': 'flatten'},
    'fc': FC,
}


@pytest.mark.parametrize('join', ['add', 'concat', 'mul'])
@pytest.mark.parametrize('part', [0.0, 0.3, 0.9, 1.0])
def test_slices_of_different_length_meet(pair: Callable[..., Pair], join: str, part: float) -> None:
    graph = [
        {'from': 'input', 'with': 'one', 'to': 'a'},
        {'from': 'a', 'with': 'two', 'to': 'b'},
        {'from': 'a', 'with': 'three', 'to': 'c'},
        {'from': ['b', 'c'], 'with': [join, 'groups', 'flatten', 'fc'], 'to': 'output'},
    ]
    networks = pair(LAYERS, graph)
    images = networks.images(IMAGES)
    set_cuts(networks, images, part)
    assert_equal(networks, images)


def test_an_image_for_which_nothing_wins_is_computed_from_what_is_left(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(gate('local'), gate('local'), {'type': 'flatten'}, FC))
    for name, variable in networks.network.named_variables().items():
        if name.endswith('gate/threshold'):
            variable.assign(1e9)
    images = networks.images(IMAGES)
    assert_equal(networks, images)
    assert not np.any(NativeNetwork(networks.program()).run(images.numpy())[-1])


def test_what_is_multiplied_is_what_the_estimate_says_image_by_image(pair: Callable[..., Pair]) -> None:
    networks = pair(*chain(gate('local'), {**gate('local'), 'padding': 1}, {'type': 'flatten'}, FC))
    images = networks.images(IMAGES)
    set_cuts(networks, images)
    for image in images.numpy():
        network = NativeNetwork(networks.program(), 1)
        network.run(image[None])
        counts = {name: stat.mask.numpy().sum(-1) for name, stat in networks.network(image[None])[1].items()}
        costs = estimate(networks.graph, networks.shape, counts)
        skipped = 64 * int(counts['layer1'][0]) * 4 - int(np.count_nonzero(flat(networks, image))) * 4
        assert network.macs == sum(cost.executed for cost in costs) - skipped


def flat(networks: Pair, image: np.ndarray) -> np.ndarray:
    """What the fully connected layer reads, of which it leaves out zeros."""
    return np.asarray(networks.network.activations(image[None])['layer2'])


@pytest.mark.parametrize('make', [CompactNetwork, onnx_model, static])
def test_what_has_fixed_shapes_says_that_it_cannot(pair: Callable[..., Pair], make: Callable[[Any], Any]) -> None:
    program = pair(*chain(GATE, gate('global'))).program()
    assert program.varying == ['layer1']
    with pytest.raises(ValueError, match=r'layer1: .* computes a fixed number of channels; with gate_params.threshold'):
        make(program)
