"""Mapping files: whose layer is which of ours, by name or in order; and what becomes of their variables."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint.mapping import by_layer, expanded, read_map, translated
from mayo.util.errors import UserError

SHIPPED = sorted((pathlib.Path(__file__).parents[2] / 'models' / 'import').glob('*.yaml'))


@pytest.fixture
def layer_map(tmp_path: pathlib.Path) -> Callable[..., Any]:
    """layer_map(text): the map that a file with that text is."""

    def make(text: Any) -> Any:
        (tmp_path / 'map.yaml').write_text(text)
        return read_map(tmp_path / 'map.yaml')

    return make


def test_the_first_rule_that_matches_the_whole_name_holds(layer_map: Callable[..., Any]) -> None:
    named = layer_map(r"""
layers:
    block_(\d+)_(\w+?)(_BN)?: b{1+1}/{2}
    block_.*: never
    fc(\d): fc{1-1}
    extra: null
""").renamed(['block_15_expand_BN', 'block_x', 'fc8', 'extra', 'a_block_1_x', 'fc12'])
    assert named == {'block_15_expand_BN': 'b16/expand', 'block_x': 'never', 'fc8': 'fc7', 'extra': None}


def test_layers_with_a_number_alone_are_taken_in_order_whatever_the_first_is(layer_map: Callable[..., Any]) -> None:
    order = layer_map(r"""
layers:
    (conv2d|bn)(_\d+)?:
        - stem
        - b{1,2}/{x,y}
""")
    assert order.renamed(['conv2d_12', 'bn', 'conv2d_9', 'conv2d_10', 'bn_1']) == {
        'conv2d_9': 'stem',
        'conv2d_10': 'b1/x',
        'conv2d_12': 'b1/y',
        'bn': 'stem',
        'bn_1': 'b1/x',
    }
    assert order.renamed(['conv2d', 'conv2d_1'])['conv2d'] == 'stem'
    assert 'conv2d_5' not in order.renamed([f'conv2d_{index}' for index in range(6)])  # there are only five of ours


@pytest.mark.parametrize(
    'text, expected', [('a', ['a']), ('{a,b}', ['a', 'b']), ('x{1}y', ['x1y']), ('{1,2}-{a,b}', ['1-a', '1-b', '2-a', '2-b'])]
)
def test_braces_expand_as_in_a_shell(text: str, expected: list[str]) -> None:
    assert expanded(text) == expected


LAYERS = {
    'c': {'kernel': np.arange(6.0).reshape(1, 1, 3, 2), 'bias': np.array([1.0, 2])},
    'c_bn': {'gamma': np.ones(2), 'beta': np.zeros(2), 'moving_mean': np.array([5.0, 6]), 'moving_variance': np.ones(2)},
    'd': {'kernel': np.ones((3, 3, 2, 1))},
    'e': {'depthwise_kernel': np.ones((3, 3, 2, 1))},
    'count': {'mean': np.ones(3)},
    'fc': {'kernel': np.ones((2, 4)), 'bias': np.ones(4)},
}
MAP = """layers: {'c(_bn)?': conv, d: deep, e: deeper, count: null}
reverse_input_channels: [conv, none]
"""
WANTED = ['net/conv/weights', 'net/deep/depthwise_weights', 'net/deeper/depthwise_weights', 'net/conv/BatchNorm/moving_mean']


def test_their_variables_get_our_names(layer_map: Callable[..., Any]) -> None:
    tensors = translated(LAYERS, layer_map(MAP), 'net', WANTED)
    assert sorted(tensors) == [
        'fc/bias',
        'fc/kernel',
        'net/conv/BatchNorm/beta',
        'net/conv/BatchNorm/gamma',
        'net/conv/BatchNorm/moving_mean',
        'net/conv/BatchNorm/moving_variance',
        'net/conv/weights',
        'net/deep/depthwise_weights',
        'net/deeper/depthwise_weights',
    ]
    np.testing.assert_array_equal(tensors['net/conv/weights'][0, 0], [[4, 5], [2, 3], [0, 1]])  # for RGB rather than BGR


def test_a_bias_before_batch_norm_goes_into_the_moving_mean_unless_the_network_has_it(layer_map: Callable[..., Any]) -> None:
    tensors = translated(LAYERS, layer_map(MAP), 'net', WANTED)
    np.testing.assert_array_equal(tensors['net/conv/BatchNorm/moving_mean'], [4, 4])
    kept = translated(LAYERS, layer_map(MAP), 'net', [*WANTED, 'net/conv/biases'])
    np.testing.assert_array_equal(kept['net/conv/biases'], [1, 2])
    np.testing.assert_array_equal(kept['net/conv/BatchNorm/moving_mean'], [5, 6])
    alone = translated({'c': LAYERS['c']}, layer_map(MAP), 'net', WANTED)
    np.testing.assert_array_equal(alone['net/conv/biases'], [1, 2])


def test_two_layers_that_become_one_are_said(layer_map: Callable[..., Any], tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'map\.yaml: d and e are both deep\.'):
        translated(LAYERS, layer_map('layers: {"[de]": deep}'), 'net', WANTED)


def test_the_tensors_of_a_bundle_are_split_into_layers() -> None:
    names = ['vgg_16/conv1/weights', 'vgg_16/conv1/BatchNorm/gamma', 'vgg_16/conv1/gate/beta/weights', 'global_step']
    assert {layer: list(variables) for layer, variables in by_layer(dict.fromkeys(names, np.ones(1))).items()} == {
        'vgg_16/conv1': ['weights', 'BatchNorm/gamma', 'gate/beta/weights'],
        '': ['global_step'],
    }


@pytest.mark.parametrize(
    'text, message',
    [
        ('layer: {}', 'no mapping of layers, expected `layers:`'),
        ('[a]', 'no mapping of layers, expected `layers:`'),
        ('layers: {a: b', 'not valid YAML: while parsing'),
        (
            'layers: {a: b}\nreverse_input_channel: [a]',
            'unknown key `reverse_input_channel`; did you mean reverse_input_channels?',
        ),
        ('layers: {a: b}\nzzz: 1', 'unknown key `zzz`; known: layers, reverse_input_channels, application.'),
        ('layers: {"a(": b}', 'layers.a(: no regular expression: missing ), unterminated subpattern at position 1.'),
        ('layers: {a: 3}', 'layers.a is 3, expected the name of a layer of ours, a list of them, or null.'),
        ('layers: {a: [b, 3]}', "layers.a is ['b', 3], expected the name of a layer of ours, a list of them, or null."),
        ('layers: {"(a)": "{1}{2}"}', 'layers.(a): {1}{2} names group 2, but the expression has 1.'),
        ('layers: {a: b}\nreverse_input_channels: c', "reverse_input_channels is 'c', expected a list of our layers."),
        ('layers: {a: b}\napplication: 3', 'application is 3, expected a name in keras.applications.'),
    ],
)
def test_what_is_wrong_with_a_mapping_file_is_said(layer_map: Callable[..., Any], text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        layer_map(text)
    assert f'map.yaml: {message}' in str(error.value)


def test_all_that_is_wrong_is_said_at_once(layer_map: Callable[..., Any]) -> None:
    with pytest.raises(UserError) as error:
        layer_map('layers: {"a(": b, c: 3}\nx: 1')
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_mapping_is_of_a_model_and_opens_with_what_it_is(path: Any) -> None:
    assert (path.parents[1] / path.name).is_file()
    assert path.read_text().startswith("# Keras Applications' ")
    assert read_map(path).rules
