"""Which channels go together and which scale decides, by hand, for every layer type."""

from typing import Any

import numpy as np
import pytest

from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.slim import channels_of
from mayo.util.errors import UserError

INF = np.inf
NORMED = {'kernel_size': 1, 'normalizer_fn': 'keras.layers.BatchNormalization'}
CONV = {'type': 'convolution', 'num_outputs': 3, **NORMED}
HEAD = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 2}


def channels(layers: Any, entries: Any, size: int = 4, **gammas: Any) -> Any:
    graph = build_graph({'head': HEAD, **layers}, entries)
    tensors = {f'{name}/BatchNorm/gamma': np.array(values) for name, values in gammas.items()}
    return channels_of(graph, shapes(graph, Shape((size, size, 2))), tensors)


def chain(*names: Any) -> dict[str, Any]:
    return {'from': 'input', 'with': [*names, 'head'], 'to': 'output'}


def scale_of(channel_set: Any, layer: str) -> Any:
    return channel_set.scale[channel_set.sets[layer]].tolist()


def test_in_a_gated_network_uses_count_and_the_scales_of_batch_norm_do_not() -> None:
    layers = {
        'head': HEAD,
        'plain': CONV,
        'gated': {**CONV, 'type': 'gated_convolution'},
        'norm': {'type': 'batch_normalization'},
    }
    graph = build_graph(layers, chain('plain', 'gated', 'norm'))
    tensors = {f'{name}/BatchNorm/gamma': np.array([0.1, 0.2, 0.3]) for name in ('plain', 'norm')}
    channel_set = channels_of(graph, shapes(graph, Shape((4, 4, 2))), tensors, {'gated': np.array([0, 0.7, 1])})
    assert scale_of(channel_set, 'plain') == [INF, INF, INF]
    assert scale_of(channel_set, 'norm') == scale_of(channel_set, 'gated') == [0, 0.7, 1]
    assert channel_set.counted[channel_set.sets['gated']].tolist() == [1, 1, 1]


@pytest.mark.parametrize('layer', [{'type': 'depthwise_convolution', **NORMED}, {'type': 'batch_normalization'}])
def test_a_scale_on_the_way_frees_neither_the_input_nor_what_a_convolution_in_groups_makes(layer: Any) -> None:
    layers = {'first': layer, 'grouped': {**CONV, 'num_groups': 2, 'num_outputs': 4}, 'second': layer, 'conv': CONV}
    channel_set = channels(
        layers, chain('first', 'grouped', 'second', 'conv'), first=[1, 2], second=[1, 2, 3, 4], conv=[1, 2, 3]
    )
    assert scale_of(channel_set, 'first') == [INF] * 2
    assert scale_of(channel_set, 'second') == [INF] * 4
    assert scale_of(channel_set, 'conv') == [1, 2, 3]


def test_a_channel_counts_what_its_scale_is_without_the_sign() -> None:
    channel_set = channels({'conv': CONV}, chain('conv'), conv=[0.5, -2, 0])
    assert scale_of(channel_set, 'conv') == [0.5, 2, 0]
    assert channel_set.counted[channel_set.sets['conv']].tolist() == [1, 1, 1]


def test_the_input_and_the_output_stay() -> None:
    channel_set = channels({'conv': CONV}, chain('conv'), conv=[1, 2, 3])
    assert scale_of(channel_set, 'input') == [INF, INF]
    assert scale_of(channel_set, 'head') == [INF, INF]


@pytest.mark.parametrize(
    'layer',
    [
        {'type': 'average_pool', 'kernel_size': 2},
        {'type': 'max_pool'},
        {'type': 'activation', 'mode': 'sigmoid'},
        {'type': 'dropout'},
        {'type': 'identity'},
        {'type': 'crop', 'sides': 1},
        {'type': 'pad', 'sides': 1},
    ],
)
def test_a_channel_passes_layers_that_leave_channels_apart(layer: dict[str, Any]) -> None:
    channel_set = channels({'conv': CONV, 'layer': layer}, chain('conv', 'layer'), conv=[1, 2, 3])
    assert channel_set.sets['layer'].tolist() == channel_set.sets['conv'].tolist()
    assert scale_of(channel_set, 'layer') == [1, 2, 3]


@pytest.mark.parametrize(
    'layer',
    [
        {'type': 'softmax'},
        {'type': 'activation', 'mode': 'softmax'},
        {'type': 'local_response_normalization'},
        {'type': 'reduce_mean', 'axis': 3, 'keepdims': True},
        {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3, 'num_groups': 3},
    ],
)
def test_every_channel_stays_that_a_layer_over_several_reads(layer: dict[str, Any]) -> None:
    more = {'other': CONV, 'conv': CONV, 'layer': layer}
    channel_set = channels(more, chain('other', 'conv', 'layer'), conv=[1, 2, 3], other=[1, 2, 3])
    assert scale_of(channel_set, 'conv') == [INF, INF, INF]
    assert scale_of(channel_set, 'other') == [1, 2, 3]


def test_a_chain_of_scales_is_as_strong_as_its_weakest() -> None:
    layers = {
        'conv': CONV,
        'depthwise': {'type': 'depthwise_convolution', **NORMED, 'depth_multiplier': 2},
        'norm': {'type': 'batch_normalization'},
    }
    channel_set = channels(
        layers, chain('conv', 'depthwise', 'norm'), conv=[1, 5, 3], depthwise=[2, 4, 4, 6, 9, 9], norm=[7, 7, 7, 7, 2, 1]
    )
    assert channel_set.sets['norm'].tolist() == np.repeat(channel_set.sets['conv'], 2).tolist()
    assert scale_of(channel_set, 'conv') == [1, 5, 2]
    assert channel_set.counted[channel_set.sets['conv']].tolist() == [5, 5, 5]


def test_a_batch_norm_of_its_own_gives_a_convolution_its_scale() -> None:
    plain = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3}
    channel_set = channels({'conv': plain, 'norm': {'type': 'batch_normalization'}}, chain('conv', 'norm'), norm=[1, 2, 3])
    assert scale_of(channel_set, 'conv') == [1, 2, 3]


def joined(kind: str) -> list[dict[str, Any]]:
    return [
        {'from': 'input', 'with': 'one', 'to': 'a'},
        {'from': 'input', 'with': 'two', 'to': 'b'},
        {'from': ['a', 'b'], 'with': [kind, 'head'], 'to': 'output'},
    ]


@pytest.mark.parametrize('kind, expected', [('add', [3, 2, 5]), ('mul', [1, 2, 4])])
def test_a_sum_is_as_strong_as_its_strongest_and_a_product_as_its_weakest(kind: str, expected: list[int]) -> None:
    channel_set = channels({'one': CONV, 'two': CONV, kind: {'type': kind}}, joined(kind), one=[1, 2, 5], two=[3, 2, 4])
    assert channel_set.sets['one'].tolist() == channel_set.sets['two'].tolist() == channel_set.sets[kind].tolist()
    assert scale_of(channel_set, 'one') == expected


def test_what_is_concatenated_stays_apart() -> None:
    channel_set = channels(
        {'one': CONV, 'two': CONV, 'concat': {'type': 'concat'}}, joined('concat'), one=[1, 2, 5], two=[3, 2, 4]
    )
    assert channel_set.sets['concat'].tolist() == [*channel_set.sets['one'], *channel_set.sets['two']]
    assert len(set(channel_set.sets['concat'])) == 6


def test_one_channel_that_multiplies_all_stays() -> None:
    narrow = {**CONV, 'num_outputs': 1}
    channel_set = channels({'one': CONV, 'two': narrow, 'mul': {'type': 'mul'}}, joined('mul'), one=[1, 2, 5], two=[3])
    assert (scale_of(channel_set, 'one'), scale_of(channel_set, 'two')) == ([1, 2, 5], [INF])


@pytest.mark.parametrize('kind, more', [('flatten', {}), ('space_to_depth', {'block_size': 2})])
def test_positions_that_become_channels_go_with_the_channel_that_they_are_of(kind: str, more: dict[str, Any]) -> None:
    head = {'type': 'fully_connected', 'num_outputs': 2} if kind == 'flatten' else HEAD
    channel_set = channels(
        {'conv': CONV, kind: {'type': kind, **more}, 'head': head}, chain('conv', kind), size=2, conv=[1, 2, 3]
    )
    assert channel_set.sets[kind].tolist() == np.tile(channel_set.sets['conv'], 4).tolist()


def test_channels_of_zeros_matter_only_through_what_is_added_to_them() -> None:
    layers = {
        'one': CONV,
        'two': {**CONV, 'num_outputs': 6},
        'wide': {'type': 'pad', 'sides': 0, 'channels': [1, 2]},
        'add': {'type': 'add'},
    }
    entries = [
        {'from': 'input', 'with': 'one', 'to': 'a'},
        {'from': 'a', 'with': 'wide', 'to': 'b'},
        {'from': 'a', 'with': 'two', 'to': 'c'},
        {'from': ['b', 'c'], 'with': ['add', 'head'], 'to': 'output'},
    ]
    channel_set = channels(layers, entries, one=[1, 9, 3], two=[4, 4, 4, 4, 4, 4])
    assert scale_of(channel_set, 'add') == [4, 4, 9, 4, 4, 4]
    assert channel_set.sets['wide'][1:4].tolist() == channel_set.sets['one'].tolist()


def test_a_network_without_scales_is_refused() -> None:
    with pytest.raises(UserError, match=r'no batch norm with a scale \(gamma\) whose channels could be dropped'):
        channels({'conv': CONV}, chain('conv'))
