"""One list of layer types: each gives shape, parameters and MACs, and refuses what does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.layers import GateParams, Shape, declared_keys, layer_types, parameters, read_layer
from mayo.layers.keys import as_yaml
from mayo.layers.pool import MaxPool
from mayo.layers.travel import Travel, active_after
from mayo.util.errors import UserError
from mayo.util.registry import Registry

TYPES = {  # DESIGN 3, without module, which is a graph and no layer
    'convolution',
    'depthwise_convolution',
    'gated_convolution',
    'fully_connected',
    'average_pool',
    'max_pool',
    'reduce_mean',
    'softmax',
    'dropout',
    'local_response_normalization',
    'batch_normalization',
    'squeeze',
    'flatten',
    'concat',
    'add',
    'mul',
    'space_to_depth',
    'activation',
    'identity',
    'pad',
    'crop',
    'hadamard',
    'hadamard_convolution',
    'depthwise_separable_convolution',
    'zipf',
}
JOINS = {'concat', 'add', 'mul'}
BN = 'keras.layers.BatchNormalization'
CONV = {'kernel_size': 3, 'num_outputs': 6}
MAP = Shape((8, 6, 4))


@dataclass(frozen=True)
class Facts:
    """What a layer says of itself."""

    shape: Shape
    trainable: int
    state: int
    dense: int
    travel: Travel

    def active_after(self, active: list[int], sources: list[Shape]) -> int:
        return active_after(self.travel, active, sources, self.shape)


def rule(kind: str, params: Mapping[str, Any], *sources: Shape) -> Facts:
    layer, given = read_layer(kind, params), list(sources or [MAP])
    shape = layer.output(given)
    return Facts(shape, *parameters(layer, given[0].channels), layer.macs(given), layer.travel)


def error_of(kind: str, params: dict[str, Any], *sources: Any) -> str:
    with pytest.raises(UserError) as error:
        rule(kind, params, *sources)
    return str(error.value)


def test_the_layer_types_are_those_of_the_design() -> None:
    assert isinstance(layer_types, Registry)
    assert set(layer_types) == TYPES


@pytest.mark.parametrize('kind', sorted(TYPES))
def test_every_layer_type_says_what_it_is(kind: Any) -> None:
    assert layer_types[kind].__doc__


@pytest.mark.parametrize(
    ('kind', 'params', 'dims'),
    [
        ('convolution', CONV, (8, 6, 6)),
        ('convolution', {**CONV, 'stride': 2}, (4, 3, 6)),
        ('convolution', {**CONV, 'padding': 'valid'}, (6, 4, 6)),
        ('convolution', {**CONV, 'padding': 2}, (10, 8, 6)),
        ('gated_convolution', {**CONV, 'padding': [0, 1]}, (6, 6, 6)),
        ('depthwise_convolution', {'kernel_size': 3, 'depth_multiplier': 2}, (8, 6, 8)),
        ('average_pool', {}, (1, 1, 4)),
        ('average_pool', {'kernel_size': 'global'}, (1, 1, 4)),
        ('max_pool', {'kernel_size': 2}, (4, 3, 4)),
        ('max_pool', {'kernel_size': 3, 'padding': 'same'}, (4, 3, 4)),
        ('max_pool', {'kernel_size': 7, 'stride': 1}, (2, 1, 4)),
        ('max_pool', {'kernel_size': 99}, (1, 1, 4)),
        ('max_pool', {'kernel_size': [None, 2]}, (1, 3, 4)),
        ('average_pool', {'kernel_size': [3, None], 'stride': 1}, (6, 1, 4)),
        ('reduce_mean', {}, (4,)),
        ('reduce_mean', {'keepdims': True}, (1, 1, 4)),
        ('reduce_mean', {'axis': -1, 'keepdims': True}, (8, 6, 1)),
        ('reduce_mean', {'axis': 1, 'keepdims': True}, (1, 6, 4)),
        ('softmax', {}, (8, 6, 4)),
        ('dropout', {}, (8, 6, 4)),
        ('identity', {}, (8, 6, 4)),
        ('local_response_normalization', {}, (8, 6, 4)),
        ('batch_normalization', {}, (8, 6, 4)),
        ('activation', {'mode': 'tanh'}, (8, 6, 4)),
        ('flatten', {}, (192,)),
        ('space_to_depth', {'block_size': 2}, (4, 3, 16)),
        ('pad', {'sides': 1}, (10, 8, 4)),
        ('pad', {'sides': [[0, 1], [2, 3]]}, (9, 11, 4)),
        ('pad', {'sides': 0, 'channels': [1, 2]}, (8, 6, 7)),
        ('crop', {'sides': [1, 2]}, (6, 2, 4)),
    ],
)
def test_a_layer_gives_the_shape_that_follows_from_its_input(kind: str, params: dict[str, Any], dims: tuple[Any, ...]) -> None:
    assert rule(kind, params).shape == Shape(dims)


def test_squeeze_drops_height_and_width_of_one() -> None:
    assert rule('squeeze', {}, Shape((1, 1, 9))).shape == Shape((9,))


def test_a_vector_stays_a_vector_and_is_fully_connected() -> None:
    assert rule('fully_connected', {'num_outputs': 5}, Shape((9,))).shape == Shape((5,))
    assert rule('softmax', {}, Shape((9,))).shape == Shape((9,))


@pytest.mark.parametrize(
    ('kind', 'others', 'dims'),
    [
        ('concat', [Shape((8, 6, 2)), MAP], (8, 6, 10)),
        ('add', [MAP], (8, 6, 4)),
        ('add', [Shape((1, 1, 4))], (8, 6, 4)),
        ('mul', [Shape((4,))], (8, 6, 4)),
        ('mul', [Shape((8, 6, 1))], (8, 6, 4)),
        ('concat', [MAP, MAP], (8, 6, 12)),
    ],
)
def test_a_join_gives_the_shape_of_all_its_inputs(kind: str, others: list[Shape], dims: tuple[int, int, int]) -> None:
    assert rule(kind, {}, MAP, *others).shape == Shape(dims)


@pytest.mark.parametrize(
    ('params', 'trainable', 'state'),
    [
        (CONV, 9 * 4 * 6 + 6, 0),
        ({**CONV, 'biases_initializer': None}, 9 * 4 * 6, 0),
        ({**CONV, 'num_groups': 2}, 9 * 2 * 6 + 6, 0),
        ({**CONV, 'normalizer_fn': BN}, 9 * 4 * 6 + 12, 12),
        ({**CONV, 'normalizer_fn': BN, 'normalizer_params': {'scale': False}}, 9 * 4 * 6 + 6, 12),
        ({**CONV, 'normalizer_fn': 'tensorflow.contrib.slim.batch_norm'}, 9 * 4 * 6 + 6, 12),  # slim: no scale
        ({**CONV, 'normalizer_fn': BN, 'trainable': False}, 0, 9 * 4 * 6 + 24),
    ],
)
def test_a_convolution_has_weights_and_a_bias_or_a_norm(params: dict[str, Any], trainable: int, state: int) -> None:
    layer = rule('convolution', params)
    assert (layer.trainable, layer.state) == (trainable, state)


@pytest.mark.parametrize(
    ('gate', 'trainable', 'state'),
    [
        ({}, 9 * 4 * 6 + 4 * 6 + 2 * 6, 12),  # phi, rho, b
        ({'trainable': False}, 9 * 4 * 6, 12 + 4 * 6 + 2 * 6),
        ({'factor': 2}, 9 * 4 * 6 + (4 * 3 + 3) + (3 * 6 + 6) + 6, 12),  # 3 hidden units
        ({'parametric_beta': True}, 9 * 4 * 6 + 2 * (4 * 6 + 6), 12),
        ({'policy': 'naive'}, 9 * 4 * 6 + 4 * 6 + 6 + 12, 12),  # phi, rho; its norm has scale and shift
        ({'norm': 'channel'}, 9 * 4 * 6 + 4 * 6 + 2 * 6, 0),
        ({'threshold': 'local', 'density': 0.5}, 9 * 4 * 6 + 4 * 6 + 2 * 6, 12 + 1),
        ({'threshold': 'local', 'density': 1.0}, 9 * 4 * 6 + 4 * 6 + 2 * 6, 12),
        ({'enable': False}, 9 * 4 * 6 + 12, 12),
    ],
)
def test_a_gated_convolution_has_a_gate_in_place_of_scale_and_shift(gate: dict[str, Any], trainable: int, state: int) -> None:
    layer = rule('gated_convolution', {**CONV, 'normalizer_fn': BN, 'gate_params': gate})
    assert (layer.trainable, layer.state) == (trainable, state)


def test_a_gated_convolution_that_is_not_normalized_has_neither_bias_nor_statistics() -> None:
    layer = rule('gated_convolution', {**CONV, 'normalizer_fn': None})
    assert (layer.trainable, layer.state) == (9 * 4 * 6 + 4 * 6 + 2 * 6, 0)


@pytest.mark.parametrize(
    ('kind', 'params', 'trainable', 'state'),
    [
        ('depthwise_convolution', {'kernel_size': [3, 1], 'depth_multiplier': 2}, 3 * 4 * 2 + 8, 0),
        ('batch_normalization', {}, 8, 8),
        ('batch_normalization', {'scale': False, 'trainable': False}, 0, 12),
    ],
)
def test_other_layers_have_the_parameters_that_they_say(kind: str, params: dict[str, Any], trainable: int, state: int) -> None:
    layer = rule(kind, params)
    assert (layer.trainable, layer.state) == (trainable, state)


def direct_macs(source: Shape, target: Any, kernel: tuple[Any, Any], groups: Any, per_channel: Any = False) -> Any:
    """One for each weight that each output value reads, counted value by value."""
    reads = kernel[0] * kernel[1] * (1 if per_channel else source.channels // groups)
    return sum(reads for _ in range(target.size))


@given(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(1, 2), st.booleans())
def test_macs_are_one_for_each_weight_that_each_output_reads(kernel: Any, groups: Any, stride: Any, is_depthwise: Any) -> None:
    params = {'kernel_size': kernel, 'stride': stride}
    if is_depthwise:
        layer = rule('depthwise_convolution', {**params, 'depth_multiplier': 2})
    else:
        layer = rule('convolution', {**params, 'num_outputs': 8, 'num_groups': groups})
    assert layer.dense == direct_macs(MAP, layer.shape, (kernel, kernel), groups, is_depthwise)


def test_a_fully_connected_layer_costs_its_weights() -> None:
    layer = rule('fully_connected', {'num_outputs': 5}, Shape((9,)))
    assert (layer.dense, layer.trainable) == (45, 50)


@pytest.mark.parametrize(
    'kind', sorted(kind for kind in TYPES - {'fully_connected', 'batch_normalization'} if not kind.endswith('convolution'))
)
def test_a_layer_without_weights_costs_nothing(kind: Any) -> None:
    needed: dict[str, Any] = {
        'activation': {'mode': 'relu'},
        'space_to_depth': {'block_size': 1},
        'pad': {'sides': 1},
        'crop': {'sides': 0},
    }
    sources = [Shape((1, 1, 4))] * (2 if kind in JOINS else 1)
    layer = rule(kind, needed.get(kind, {}), *sources)
    assert (layer.dense, layer.trainable, layer.state) == (0, 0, 0)


@pytest.mark.parametrize(
    ('kind', 'params', 'active'),
    [
        ('dropout', {}, 3),
        ('max_pool', {}, 3),
        ('average_pool', {'kernel_size': 2}, 3),
        ('identity', {}, 3),
        ('pad', {'sides': 1}, 3),
        ('pad', {'sides': 0, 'channels': 2}, 8),  # execution expands
        ('activation', {'mode': 'relu6'}, 3),
        ('activation', {'mode': 'sigmoid'}, 4),
        ('flatten', {}, 144),
        ('reduce_mean', {}, 3),
        ('space_to_depth', {'block_size': 2}, 12),
        ('local_response_normalization', {}, 3),
        ('batch_normalization', {}, 4),
        ('softmax', {}, 4),
        ('convolution', CONV, 6),
        ('reduce_mean', {'axis': 3, 'keepdims': True}, 1),
        ('crop', {'sides': 1}, 3),
        ('depthwise_convolution', {'kernel_size': 3}, 4),
        ('depthwise_convolution', {'kernel_size': 3, 'normalizer_fn': BN}, 4),
        ('depthwise_convolution', {'kernel_size': 3, 'depth_multiplier': 2, 'biases_initializer': None}, 6),
        ('depthwise_convolution', {'kernel_size': 3, 'biases_initializer': None, 'activation_fn': 'sigmoid'}, 4),
    ],
)
def test_sparsity_flows_through_what_keeps_a_zero_channel_zero(kind: str, params: dict[str, Any], active: int) -> None:
    layer = rule(kind, params)
    assert layer.active_after([3], [MAP]) == active


def test_sparsity_flows_through_concat_and_mul_but_not_add() -> None:
    flows = {kind: rule(kind, {}, MAP, MAP) for kind in JOINS}
    assert {kind: layer.active_after([3, 2], [MAP, MAP]) for kind, layer in flows.items()} == {'concat': 5, 'mul': 2, 'add': 4}


# --- reading the keys


def test_defaults_are_filled_in_and_values_take_one_form() -> None:
    assert read_layer('max_pool', {'kernel_size': 2}) == MaxPool(kernel_size=(2, 2), stride=(2, 2), padding='valid')


def test_a_gated_convolution_takes_what_a_convolution_takes_and_its_gate() -> None:
    assert declared_keys('gated_convolution') == {**declared_keys('convolution'), 'gate_params': GateParams()}


@pytest.mark.parametrize('kind', sorted(TYPES))
def test_what_is_written_as_yaml_reads_as_the_same_layer(kind: Any) -> None:
    needed: dict[str, Any] = {
        'kernel_size': 3,
        'num_outputs': 4,
        'mode': 'relu6',
        'block_size': 2,
        'sides': [1, [2, 3]],
        'stride': [2, 1],
    }
    more = {
        'activation_fn': {'type': 'tf.nn.leaky_relu', 'alpha': 0.3},
        'normalizer_fn': BN,
        'normalizer_params': {'epsilon': 0.5, 'beta_initializer': {'type': 'keras.initializers.Constant', 'value': 2}},
        'biases_initializer': None,
        'gate_params': {'density': 0.5, 'regularizer': {'l1': 1.0}},
    }
    layer = read_layer(kind, {key: value for key, value in (needed | more).items() if key in declared_keys(kind)})
    assert read_layer(kind, as_yaml(layer)) == layer


def test_people_read_short_names_and_single_numbers() -> None:
    given = {
        **CONV,
        'kernel_size': [3, 3],
        'activation_fn': 'tf.nn.relu6',
        'normalizer_fn': BN,
        'normalizer_params': {'epsilon': 1},
    }
    written = as_yaml(read_layer('convolution', given))
    assert written == given | {'kernel_size': 3, 'activation_fn': 'relu6'}


def name_of(key: Any) -> str:
    return f'm.yaml:1: a.{key}' if key else 'm.yaml:1: a'


@pytest.mark.parametrize(
    ('kind', 'params', 'message'),
    [
        ('convolutoin', {}, 'm.yaml:1: a.type: unknown layer type `convolutoin`; did you mean convolution?'),
        ('convolution', {**CONV, 'strid': 2}, 'm.yaml:1: a.strid: `convolution` takes no such key; did you mean stride?'),
        ('softmax', {'strid': 2}, 'm.yaml:1: a.strid: `softmax` takes no such key; known: none.'),
        ('convolution', {'kernel_size': 3}, 'm.yaml:1: a: `convolution` needs num_outputs.'),
        ('convolution', {**CONV, 'num_outputs': None}, 'm.yaml:1: a: `convolution` needs num_outputs.'),
        (
            'convolution',
            {**CONV, 'stride': 0},
            'm.yaml:1: a.stride is 0, expected a whole number from 1 up, or [height, width].',
        ),
        ('convolution', {**CONV, 'activation_fn': 'rellu'}, 'm.yaml:1: a.activation_fn: '),
        (
            'convolution',
            {**CONV, 'activation_fn': 'keras.initializers.Zeros'},
            'm.yaml:1: a.activation_fn: keras.initializers.Zeros is none of those in keras.activations.',
        ),
        (
            'convolution',
            {**CONV, 'normalizer_fn': 'relu'},
            'm.yaml:1: a.normalizer_fn: keras.activations.relu is none of those in keras.layers.',
        ),
        ('convolution', {**CONV, 'normalizer_fn': BN, 'normalizer_params': {'momentun': 1}}, 'm.yaml:1: a.normalizer_fn'),
        ('gated_convolution', {**CONV, 'gate_params': {'density': 1.5}}, 'm.yaml:1: a.gate_params.density is 1.5, expected'),
    ],
)
def test_a_wrong_key_is_told_with_its_place_and_the_nearest_known_one(kind: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        read_layer(kind, params, name_of)
    assert str(error.value).startswith(message)


def test_all_wrong_keys_of_a_layer_are_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        read_layer('convolution', {'stride': 0, 'paddin': 1}, name_of)
    assert [line.split(':')[2].split()[0] for line in str(error.value).splitlines()] == ['a.paddin', 'a', 'a', 'a.stride']


# --- inputs that do not fit


@pytest.mark.parametrize(
    ('kind', 'params', 'sources', 'message'),
    [
        ('convolution', CONV, [Shape((9,))], 'needs a map of height, width and channels, gets a vector of 9.'),
        ('convolution', {**CONV, 'num_groups': 3}, [MAP], '3 groups do not divide 4 input and 6 output channels.'),
        (
            'convolution',
            {**CONV, 'kernel_size': 9, 'padding': 'valid'},
            [MAP],
            'a window of 9x9 with padding valid does not fit',
        ),
        ('convolution', CONV, [MAP, MAP], '`convolution` takes one input and gets 2; join them before it.'),
        ('concat', {'axis': 1}, [MAP, MAP], 'axis is 1, expected 3 or -1, the channels.'),
        ('average_pool', {}, [Shape((9,))], 'needs a map of height, width and channels, gets a vector of 9.'),
        ('squeeze', {}, [MAP], '`squeeze` drops a height and width of 1, and 8x6x4 has others on axis [1, 2].'),
        ('squeeze', {'axis': 1}, [Shape((1, 1, 4))], 'height and width stay or go together; name both axes, [1, 2].'),
        ('reduce_mean', {'axis': 0}, [MAP], 'axis [0] is not among those of 8x6x4: 1 to 3, or -1 for the channels.'),
        ('reduce_mean', {'axis': 3}, [MAP], 'a mean over the channels needs `keepdims: true`.'),
        ('space_to_depth', {'block_size': 4}, [MAP], 'blocks of 4 do not divide a map of 8x6.'),
        ('crop', {'sides': 3}, [MAP], '`crop` takes more off than the 8x6 map has.'),
        ('add', {}, [MAP], '`add` joins two inputs or more and gets 1.'),
        ('concat', {}, [MAP, Shape((4, 6, 4))], 'inputs of 8x6x4 and 4x6x4 differ in more than their channels.'),
        ('add', {}, [MAP, Shape((8, 6, 3))], 'inputs of 8x6x4 and 8x6x3 do not fit together.'),
    ],
)
def test_inputs_that_do_not_fit_are_told(kind: str, params: dict[str, Any], sources: list[Shape], message: str) -> None:
    assert message in error_of(kind, params, *sources)
