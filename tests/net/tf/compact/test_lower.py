"""From a graph and weights to a program: what folds, what is followed, what cannot be served. No network is built."""

from typing import Any

import numpy as np
import pytest

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.compact import lower_graph, unsupported
from mayo.net.tf.compact import program as ops

GATE: dict[str, Any] = {'type': 'gated_convolution', 'kernel_size': 1, 'num_outputs': 4, 'gate_params': {'density': 0.5}}
FC: dict[str, Any] = {'type': 'fully_connected', 'num_outputs': 2}


def chain(**layers: Any) -> Any:
    return build_graph(
        layers, {'from': 'input', 'with': list(layers), 'to': 'output'}, where=lambda key: f'net.yaml:{len(key)}'
    )


def gate_weights(name: str, inside: int = 3, outside: int = 4) -> dict[Any, Any]:
    random = np.random.default_rng(0)
    shapes = {
        'weights': (1, 1, inside, outside),
        'gate/weights': (inside, outside),
        'gate/biases': (outside,),
        'gate/shift': (outside,),
    }
    return {f'{name}/{part}': random.normal(size=shape).astype(np.float32) for part, shape in shapes.items()}


def test_batch_norm_folds_into_weights_and_bias() -> None:
    random = np.random.default_rng(0)
    weights = {
        'a/weights': random.normal(size=(3, 3, 2, 5)),
        'a/BatchNorm/gamma': random.normal(size=5),
        'a/BatchNorm/beta': random.normal(size=5),
        'a/BatchNorm/moving_mean': random.normal(size=5),
        'a/BatchNorm/moving_variance': random.uniform(1, 2, 5),
    }
    conv = {
        'type': 'convolution',
        'kernel_size': 3,
        'num_outputs': 5,
        'normalizer_fn': 'keras.layers.BatchNormalization',
        'normalizer_params': {'epsilon': 0.1},
    }
    operation: Any = lower_graph(chain(a=conv), Shape((8, 8, 2)), weights).operations[0]
    scale = weights['a/BatchNorm/gamma'] / np.sqrt(weights['a/BatchNorm/moving_variance'] + 0.1)
    np.testing.assert_allclose(operation.weights, (weights['a/weights'] * scale).transpose(3, 2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(
        operation.bias, weights['a/BatchNorm/beta'] - weights['a/BatchNorm/moving_mean'] * scale, rtol=1e-6
    )
    assert operation.pads == ((1, 1), (1, 1))
    assert operation.function == ops.Function('relu')


@pytest.mark.parametrize(
    ('size', 'kernel', 'stride', 'pads'), [(8, 3, 1, (1, 1)), (8, 3, 2, (0, 1)), (7, 2, 1, (0, 1)), (9, 5, 3, (1, 1))]
)
def test_same_padding_puts_the_smaller_half_first(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    conv = {'type': 'convolution', 'kernel_size': kernel, 'stride': stride, 'num_outputs': 1}
    operation: Any = lower_graph(
        chain(a=conv), Shape((size, size, 1)), {'a/weights': np.zeros((kernel, kernel, 1, 1))}
    ).operations[0]
    assert operation.pads == (pads, pads)


def test_a_slice_is_followed_to_the_weights_that_read_it() -> None:
    pool = {'type': 'max_pool', 'kernel_size': 2}
    graph = chain(a=GATE, drop={'type': 'dropout'}, pool=pool, flatten={'type': 'flatten'}, fc=FC)
    program = lower_graph(graph, Shape((8, 8, 3)), {**gate_weights('a'), 'fc/weights': np.zeros((64, 2))})
    assert program.values['a'] == ops.Value((8, 8, 2), 4, 'a/index')
    assert program.values['pool'] == ops.Value((4, 4, 2), 4, 'a/index')
    assert program.values['flatten'] == ops.Value((32,), 64, 'flatten/index')
    assert program.values['fc'] == ops.Value((2,), 2)
    spread = program.operations[2]
    assert spread == ops.Index(output='flatten/index', parts=(('a/index', 2, tuple(range(0, 64, 4))),))
    assert [type(operation).__name__ for operation in program.operations] == ['Conv', 'Pool', 'Index', 'Reshape', 'Dense']
    assert list(program.gated) == ['a']


def test_a_gate_that_keeps_everything_makes_no_slice() -> None:
    graph = chain(a={**GATE, 'gate_params': {'density': 1.0}})
    program = lower_graph(graph, Shape((8, 8, 3)), gate_weights('a'))
    assert program.values['a'] == ops.Value((8, 8, 4), 4)


def test_outputs_have_all_channels() -> None:
    program = lower_graph(chain(a=GATE), Shape((8, 8, 3)), gate_weights('a'))
    assert program.outputs == ('a/full',)
    assert program.values['a/full'] == ops.Value((8, 8, 4), 4)


def test_a_shift_fills_the_channels_that_a_slice_leaves_out() -> None:
    norm = {'type': 'batch_normalization', 'scale': False, 'activation_fn': 'relu'}
    statistics = {
        'bn/BatchNorm/beta': np.array([-1.0, 1, 2, 3]),
        'bn/BatchNorm/moving_mean': np.zeros(4),
        'bn/BatchNorm/moving_variance': np.ones(4),
    }
    program = lower_graph(chain(a=GATE, bn=norm), Shape((8, 8, 3)), {**gate_weights('a'), **statistics})
    assert program.values['bn'].index == 'a/index'
    np.testing.assert_array_equal(program.operations[-1].fill, [0, 1, 2, 3])


def test_a_convolution_of_one_pixel_reads_the_active_channels_and_has_the_constants_in_its_bias() -> None:
    random = np.random.default_rng(1)
    depth, conv = (
        {'type': 'depthwise_convolution', 'kernel_size': 3},
        {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 3},
    )
    own = {
        'depth/depthwise_weights': random.normal(size=(3, 3, 4, 1)),
        'depth/biases': np.array([1.0, -1.0, 2.0, 0.5]),
        'conv/weights': random.normal(size=(1, 1, 4, 3)),
        'conv/biases': random.normal(size=3),
    }
    program = lower_graph(chain(a=GATE, depth=depth, conv=conv), Shape((8, 8, 3)), {**gate_weights('a'), **own})
    centred, reader = program.operations[-2:]
    assert isinstance(centred, ops.Scale)
    assert isinstance(reader, ops.Conv)
    constants, weights = np.array([1.0, 0.0, 2.0, 0.5]), own['conv/weights'][0, 0]  # [C', C]
    np.testing.assert_allclose(centred.shift, -constants)
    np.testing.assert_allclose(reader.bias, own['conv/biases'] + constants @ weights, rtol=1e-6)
    assert program.values[reader.source] == ops.Value((8, 8, 2), 4, 'a/index')
    active, x = np.array([1, 3]), random.normal(size=2)  # the bias of an image: all constants less those of active channels
    total, own_share = constants @ weights, constants[active] @ weights[active]
    expected = x @ weights[active] + (total - own_share) + own['conv/biases']
    np.testing.assert_allclose((x + centred.shift[active]) @ weights[active] + reader.bias, expected, rtol=1e-6)


def test_a_dense_network_has_no_gates_and_no_slices() -> None:
    conv = {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 4}
    program = lower_graph(chain(a=conv), Shape((8, 8, 3)), {'a/weights': np.zeros((1, 1, 3, 4))})
    assert not program.gated
    assert program.outputs == ('a',)


ROWS = 'compact execution chooses channels for a whole image; gate_params.granularity `vector` chooses for each row.'


@pytest.mark.parametrize(('params', 'reason'), [({'granularity': 'vector'}, ROWS)])
def test_what_cannot_be_served_is_named_with_its_place(params: dict[str, Any], reason: str) -> None:
    graph = chain(a=GATE, b={**GATE, 'gate_params': params})
    assert unsupported(graph) == [f'net.yaml:14: b: {reason}']
    with pytest.raises(ValueError, match=r'net\.yaml:14: b: compact execution'):
        lower_graph(graph, Shape((8, 8, 3)), {})


@pytest.mark.parametrize('params', [{'threshold': 'local', 'density': 0.5}, {'enable': False, 'granularity': 'vector'}])
def test_what_gates_do_not_do_is_no_obstacle(params: dict[str, Any]) -> None:
    assert unsupported(chain(a={**GATE, 'gate_params': params})) == []
