"""Costs of whole graphs: published and executed accounting, measured counts, and how sparsity travels."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.estimate import estimate, shapes
from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.util.errors import UserError

BN = 'keras.layers.BatchNormalization'


def conv(outputs: Any, **more: Any) -> dict[str, Any]:
    return {'type': 'convolution', 'kernel_size': 3, 'num_outputs': outputs, 'normalizer_fn': BN, **more}


def gated(outputs: Any, density: float = 0.5, **more: Any) -> Any:
    gate = {key: more.pop(key) for key in ('policy', 'factor', 'granularity', 'parametric_beta') if key in more}
    return conv(outputs, type='gated_convolution', gate_params={'density': density, **gate}, **more)


def chain(layers: dict[str, Any], **more: Any) -> Any:
    return build_graph(layers, {'from': 'input', 'with': list(layers), 'to': 'output'}, **more)


def costs(graph: Any, shape: tuple[int, int, int] = (8, 8, 4), counts: Any = None) -> dict[Any, Any]:
    return {cost.name: cost for cost in estimate(graph, Shape(shape), counts)}


def test_dense_layers_cost_the_same_however_counted() -> None:
    estimated = costs(chain({'a': conv(6), 'b': conv(8, stride=2)}))
    assert [(c.dense, c.macs, c.executed, c.density) for c in estimated.values()] == [
        (64 * 36 * 6, 64 * 36 * 6, 64 * 36 * 6, None),
        (16 * 54 * 8, 16 * 54 * 8, 16 * 54 * 8, None),
    ]


@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from(['0.1', '0.28', '0.5', '0.7', '1.0']))
def test_two_gated_layers_cost_what_the_formulas_say(first: Any, second: Any, density: float) -> None:
    estimated = costs(chain({'a': gated(first, float(density)), 'b': gated(second, float(density))}))
    fewer, two = (math.ceil(Fraction(density) * channels) for channels in (first, second))
    dense = 64 * 9 * first * second
    b = estimated['b']
    assert b.dense == dense
    assert abs(b.macs - (dense * Fraction(fewer, first) * Fraction(two, second) + fewer * second + 64 * second)) <= 1
    assert b.executed == 64 * 9 * fewer * two + fewer * second + 64 * two
    assert b.gate_macs == fewer * second + 64 * two
    assert b.density == two / second
    assert estimated['a'].executed == 64 * 9 * 4 * fewer + 4 * first + 64 * fewer


def test_only_a_layer_directly_after_a_gated_one_sees_its_sparsity_as_published() -> None:
    estimated = costs(chain({'a': gated(8), 'b': conv(6)}))
    apart = costs(chain({'a': gated(8), 'd': {'type': 'dropout'}, 'b': conv(6)}))
    assert estimated['b'].macs == estimated['b'].dense // 2
    assert apart['b'].macs == apart['b'].dense
    assert estimated['b'].executed == apart['b'].executed == estimated['b'].dense // 2


def test_sparsity_reaches_a_fully_connected_layer_through_pool_and_flatten() -> None:
    estimated = costs(
        chain(
            {
                'a': gated(8),
                'p': {'type': 'max_pool', 'kernel_size': 2},
                'f': {'type': 'flatten'},
                'fc': {'type': 'fully_connected', 'num_outputs': 10},
            }
        )
    )
    assert (estimated['fc'].dense, estimated['fc'].executed) == (4 * 4 * 8 * 10, 4 * 4 * 4 * 10)


def test_an_addition_ends_sparsity_and_a_concatenation_gathers_it() -> None:
    layers = {'a': gated(8), 'b': gated(8, 0.25), 'join': {'type': 'add'}, 'c': conv(6)}
    graph: list[Any] = [
        {'from': 'input', 'with': 'a', 'to': 'x'},
        {'from': 'input', 'with': 'b', 'to': 'y'},
        {'from': ['x', 'y'], 'with': ['join', 'c'], 'to': 'output'},
    ]
    added = costs(build_graph(layers, graph))
    joined = costs(build_graph({**layers, 'join': {'type': 'concat'}}, graph))
    assert added['c'].executed == added['c'].dense
    assert joined['c'].executed == 64 * 9 * (4 + 2) * 6


def test_a_depthwise_layer_computes_only_the_channels_that_are_there() -> None:
    depthwise = {'type': 'depthwise_convolution', 'kernel_size': 3, 'biases_initializer': None}
    estimated = costs(chain({'a': gated(8), 'd': depthwise, 'b': conv(6)}))
    assert estimated['d'].executed == 64 * 9 * 4
    assert estimated['b'].executed == 64 * 9 * 4 * 6


def test_groups_read_all_channels() -> None:
    estimated = costs(chain({'a': gated(8), 'b': gated(8, num_groups=4), 'c': conv(6), 'd': conv(6, num_groups=2)}))
    assert estimated['b'].executed == estimated['b'].dense // 2 + 4 * 8 + 64 * 4  # the winners, of all channels; saliency
    assert estimated['b'].dense == 64 * 9 * 8 * 8 // 4
    assert estimated['c'].executed == estimated['c'].dense // 2
    assert estimated['d'].executed == estimated['d'].dense


def test_a_gate_that_is_not_enabled_is_a_convolution() -> None:
    off = gated(8)
    off['gate_params']['enable'] = False
    assert vars(costs(chain({'a': off}))['a']) | {'type': ''} == vars(costs(chain({'a': conv(8)}))['a']) | {'type': ''}


@pytest.mark.parametrize(
    ('gate', 'saliency', 'scaling'),
    [
        ({}, 4 * 8, 64 * 4),
        ({'policy': 'squeeze'}, 4 * 8, 64 * 4),
        ({'policy': 'naive'}, 4 * 8, 0),
        ({'factor': 2}, 4 * 4 + 4 * 8, 64 * 4),
        ({'parametric_beta': True}, 2 * 4 * 8, 64 * 4),
        ({'granularity': 'vector'}, 8 * 4 * 8, 64 * 4),
    ],
)
def test_the_gate_adds_its_saliency_and_its_scaling(gate: dict[str, Any], saliency: int, scaling: int) -> None:
    cost = costs(chain({'a': gated(8, **gate)}))['a']
    assert cost.gate_macs == saliency + scaling
    assert cost.executed == 64 * 9 * 4 * 4 + cost.gate_macs
    assert cost.macs == cost.dense // 2 + saliency + 64 * 8


def test_memory_is_that_of_32_bit_floats() -> None:
    cost = costs(chain({'a': gated(8)}))['a']
    assert cost.activation_bytes == 4 * 64 * 8
    assert cost.weight_bytes == 4 * (9 * 4 * 8 + 4 * 8 + 2 * 8 + 2 * 8)
    assert (cost.gate_parameters, cost.trainable, cost.state) == (4 * 8 + 2 * 8, 9 * 4 * 8 + 4 * 8 + 2 * 8, 16)


def test_measured_counts_give_the_mean_over_images() -> None:
    graph = chain(
        {
            'a': gated(8),
            'd': {'type': 'dropout'},
            'b': gated(6),
            'fl': {'type': 'flatten'},
            'fc': {'type': 'fully_connected', 'num_outputs': 10},
        }
    )
    first, second = np.array([0, 3, 8, 5]), np.array([1, 6, 0, 2])
    estimated = costs(graph, counts={'a': first, 'b': second})
    executed = [64 * 9 * fewer * two + fewer * 6 + 64 * two for fewer, two in zip(first, second, strict=True)]
    assert estimated['b'].executed == round(np.mean(executed))
    assert estimated['b'].density == np.mean(second) / 6
    assert estimated['fc'].executed == round(np.mean(64 * second * 10))
    published = [int(64 * 9 * 8 * 6 * two / 6) + 8 * 6 + 64 * 6 for two in second]
    assert estimated['b'].macs == round(np.mean(published))
    assert all(isinstance(value, int) for value in (estimated['b'].macs, estimated['b'].executed, estimated['b'].gate_macs))


def test_counts_equal_to_the_configured_ones_change_nothing() -> None:
    graph = chain({'a': gated(8), 'b': gated(6)})
    assert costs(graph, counts={'a': np.full(100, 4), 'b': np.full(100, 3)}) == costs(graph)


def test_ten_thousand_images_whose_masks_all_differ_are_counted_one_by_one() -> None:
    graph = chain({f'c{index}': gated(512) for index in range(16)}, inputs=['input'])
    random = np.random.default_rng(0)
    counts = {f'c{index}': random.integers(0, 513, 10_000) for index in range(16)}
    estimated = costs(graph, (224, 224, 512), counts)
    pairs = counts['c0'].astype(object) * counts['c1']
    expected = 224 * 224 * 9 * pairs + counts['c0'].astype(object) * 512 + 224 * 224 * counts['c1'].astype(object)
    assert estimated['c1'].executed == pytest.approx(expected.mean(), abs=1)


def test_shapes_are_those_of_the_costs() -> None:
    graph = chain({'a': conv(6, stride=2), 'f': {'type': 'flatten'}})
    assert shapes(graph, Shape((8, 8, 4))) == {'input': Shape((8, 8, 4)), 'a': Shape((4, 4, 6)), 'f': Shape((96,))}
    assert costs(graph)['f'].source == Shape((4, 4, 6))


def test_a_layer_whose_input_does_not_fit_is_told_with_its_place() -> None:
    graph = chain({'f': {'type': 'flatten'}, 'a': conv(6)}, where=lambda key: 'm.yaml:7')
    with pytest.raises(UserError) as error:
        estimate(graph, Shape((8, 8, 4)))
    assert str(error.value) == 'm.yaml:7: a: needs a map of height, width and channels, gets a vector of 256.'
