"""The native engine beyond what the tests of compact networks compare: single operations, batches, threads, masks."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mayo.config.names import KNOWN, Spec
from mayo.estimate import estimate
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.narrow import narrow_of, rounded
from mayo.net.tf.compact.native import NativeNetwork, instruction_sets, network
from mayo.net.tf.compact.native.tables import FUNCTIONS
from mayo.net.tf.compact.program import Function, Program, Value
from mayo.net.tf.objects import instantiate

from ..conftest import Pair

SETS = instruction_sets()
pytestmark = pytest.mark.skipif(not SETS, reason='the native engine was not built: there is no C compiler')
ARGUMENTS: list[Any] = [
    ('relu', {'negative_slope': 0.2}),
    ('relu', {'max_value': 1.5}),
    ('relu', {'threshold': 0.5}),
    ('relu', {'negative_slope': 0.3, 'max_value': 1.0, 'threshold': -0.5}),
    ('elu', {'alpha': 0.4}),
    ('gelu', {'approximate': True}),
    ('leaky_relu', {'negative_slope': 0.4}),
]
GATE: dict[str, Any] = {
    'type': 'gated_convolution',
    'kernel_size': 3,
    'num_outputs': 16,
    'gate_params': {'density': 0.5},
    'normalizer_fn': 'keras.layers.BatchNormalization',
}
LAYERS: dict[str, Any] = {
    'one': GATE,
    'two': GATE,
    'flatten': {'type': 'flatten'},
    'fc': {'type': 'fully_connected', 'num_outputs': 4},
}


def alone(operation: Any, source: Any, target: Any) -> Program:
    """The program of one operation."""
    return Program((operation,), {'x': Value(source, source[-1]), 'y': Value(target, target[-1])}, ('x',), ('y',))


def test_every_function_of_yaml_is_known() -> None:
    known = {name.rpartition('.')[2] for name in KNOWN if name.startswith('keras.activations.')}
    assert known == set(FUNCTIONS)


@pytest.mark.parametrize('most', SETS)
@pytest.mark.parametrize('name, arguments', [*((name, {}) for name in FUNCTIONS if name != 'linear'), *ARGUMENTS])
def test_a_function_is_that_of_keras(name: str, arguments: Any, most: Any) -> None:
    x = np.random.default_rng(0).normal(0, 3, (1, 5, 7, 6)).astype(np.float32)
    x[0, 0, 0] = [-90, 90, 0, -1e-6, 14.9, 15.1]
    operation = ops.Activation(output='y', source='x', function=Function(name, arguments))
    computed, _ = NativeNetwork(alone(operation, x.shape[1:], x.shape[1:]), instructions=most).run(x)
    expected = instantiate(Spec(f'keras.activations.{name}', arguments))(tf.constant(x))
    np.testing.assert_allclose(computed, expected, rtol=2e-6, atol=1e-6)


def pairs(least: int, most: int) -> Any:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@settings(max_examples=60)
@given(st.data())
def test_a_convolution_is_that_of_tensorflow(data: Any) -> None:
    draw = data.draw
    kernel, stride = draw(pairs(1, 5)), draw(pairs(1, 3))
    pads = draw(st.tuples(pairs(0, 2), pairs(0, 2)))
    size = [draw(st.integers(max(side - sum(pad), 1), 40)) for side, pad in zip(kernel, pads, strict=True)]
    ins, outs, threads = draw(st.integers(1, 9)), draw(st.integers(1, 30)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    x = random.normal(size=(1, *size, ins)).astype(np.float32)
    weights, bias = random.normal(size=(outs, ins, *kernel)).astype(np.float32), random.normal(size=outs).astype(np.float32)
    expected = tf.nn.conv2d(x, weights.transpose(2, 3, 1, 0), stride, [(0, 0), *pads, (0, 0)]) + bias
    operation = ops.Conv(output='y', source='x', weights=weights, bias=bias, stride=stride, pads=pads)
    program = alone(operation, x.shape[1:], tuple(expected.shape[1:]))
    for most in SETS:
        computed, _ = NativeNetwork(program, threads, most).run(x)
        np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@settings(max_examples=60)
@given(st.data())
def test_a_depthwise_convolution_is_that_of_numpy(data: Any) -> None:
    draw = data.draw
    kernel, stride = draw(pairs(1, 5)), draw(pairs(1, 3))
    pads = draw(st.tuples(pairs(0, 2), pairs(0, 2)))
    size = [draw(st.integers(max(side - sum(pad), 1), 40)) for side, pad in zip(kernel, pads, strict=True)]
    ins, times, threads = draw(st.integers(1, 9)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    x = random.normal(size=(*size, ins)).astype(np.float32)
    weights = random.normal(size=(ins, times, *kernel)).astype(np.float32)
    bias = random.normal(size=ins * times).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, (*pads, (0, 0))), kernel, (0, 1))
    sums = np.einsum('yxcij,ctij->yxct', windows[:: stride[0], :: stride[1]], weights)
    expected = np.maximum(sums.reshape(*sums.shape[:2], -1) + bias, 0)
    relu = Function('relu')
    operation = ops.Depthwise(output='y', source='x', weights=weights, bias=bias, stride=stride, pads=pads, function=relu)
    program = alone(operation, x.shape, expected.shape)
    for most in SETS:
        computed, _ = NativeNetwork(program, threads, most).run(x[None])
        np.testing.assert_allclose(computed[0], expected, rtol=0, atol=2e-6 * np.abs(sums).max() + 1e-6)


@settings(max_examples=40)
@given(st.data())
def test_a_pooling_leaves_padding_out(data: Any) -> None:
    draw = data.draw
    kernel, stride = draw(pairs(1, 4)), draw(pairs(1, 3))
    pads = tuple((draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1))) for side in kernel)
    size = [draw(st.integers(max(side - sum(pad), 1), 35)) for side, pad in zip(kernel, pads, strict=True)]
    x = np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32)
    kind = draw(st.sampled_from(['max', 'avg']))
    padded = np.pad(x[0], (*pads, (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, (0, 1))[:: stride[0], :: stride[1]]
    assume(not np.isnan(windows).all((-1, -2)).any())  # a window of padding alone has no value
    expected = (np.nanmax if kind == 'max' else np.nanmean)(windows, (-1, -2))
    operation = ops.Pool(output='y', source='x', kind=kind, kernel=kernel, stride=stride, pads=pads)
    for threads in (1, 3):
        computed, _ = NativeNetwork(alone(operation, x.shape[1:], expected.shape), threads).run(x)
        np.testing.assert_allclose(computed[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    'axes, keepdims',  # that leave a map or a vector
    [*((axes, True) for axes in [(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2)]), ((0, 1), False), ((0, 2), False)],
)
def test_a_mean_is_that_of_numpy(axes: Any, keepdims: Any) -> None:
    x = np.random.default_rng(0).normal(size=(1, 5, 4, 3)).astype(np.float32)
    expected = x[0].mean(axes, keepdims=keepdims)
    operation = ops.Mean(output='y', source='x', axes=axes, keepdims=keepdims)
    computed, _ = NativeNetwork(alone(operation, (5, 4, 3), expected.shape)).run(x)
    np.testing.assert_allclose(computed[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('threads', [1, 2, 3, 8])
def test_batches_and_threads_change_nothing(pair: Callable[..., Pair], threads: int) -> None:
    networks = pair(LAYERS, list(LAYERS), shape=(26, 26, 3))
    images = networks.images(5).numpy()
    one_by_one = NativeNetwork(networks.program(), 1)
    expected = [np.concatenate(parts) for parts in zip(*(one_by_one.run(image[None]) for image in images), strict=True)]
    several = NativeNetwork(networks.program(), threads)
    for count in (5, 1, 3, 5):
        outputs, masks = several.run(images[:count])
        np.testing.assert_allclose(outputs, expected[0][:count], rtol=0, atol=1e-5 * np.abs(expected[0]).max())
        np.testing.assert_array_equal(masks, expected[1][:count])


def test_an_engine_reads_nothing_of_the_image_before(pair: Callable[..., Pair]) -> None:
    networks = pair(LAYERS, list(LAYERS))
    images = networks.images(2).numpy()
    engine = NativeNetwork(networks.program(), 1)
    (first, _), _, (again, _) = engine.run(images[:1]), engine.run(images[1:]), engine.run(images[:1])
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize('density', [1.0, 0.5, 0.1])
def test_it_computes_as_many_multiply_accumulates_as_info_says(pair: Callable[..., Pair], density: float) -> None:
    layers: dict[str, Any] = {
        'one': GATE,
        'two': GATE,
        'depth': {'type': 'depthwise_convolution', 'kernel_size': 3},
        'last': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 4},
    }
    networks = pair(layers, list(layers), shape=(12, 12, 3))
    networks.set_density(density)
    engine = NativeNetwork(networks.program())
    engine.run(networks.images(3).numpy())
    assert engine.macs == 3 * sum(cost.executed for cost in estimate(networks.graph, networks.shape))


def counted(program: Any, values: dict[Any, Any]) -> int:
    """Multiply-accumulates of a program for one image, from the values that its operations read and write."""
    total = 0
    for operation in program.operations:
        if isinstance(operation, ops.Dense):
            total += int(np.count_nonzero(values[operation.source])) * operation.bias.size
        elif isinstance(operation, ops.Conv | ops.Depthwise):
            read = values[operation.source].shape[-1] // operation.groups if isinstance(operation, ops.Conv) else 1
            total += values[operation.output].size * math.prod(operation.kernel) * read
        if isinstance(operation, ops.Conv) and operation.gate:
            total += values[operation.output].size + counted_in_gate(operation.gate, values[operation.source].mean((0, 1)))
    return total


def counted_in_gate(gate: Any, summary: Any) -> int:
    total = 0
    for layer in gate.layers:
        total += int(np.count_nonzero(summary)) * layer.bias.size
        if layer is not gate.layers[-1]:  # the source of a gate of two layers has all channels here
            summary = np.maximum(summary @ layer.weights + layer.bias, 0)
    return total


@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('threads', [1, 3])
def test_its_multiply_accumulates_are_those_that_numpy_counts_from_the_values(
    pair: Callable[..., Pair], groups: int, threads: int
) -> None:
    layers = {
        'hidden': {**GATE, 'gate_params': {'density': 0.5, 'factor': 2.0}},
        'groups': {**GATE, 'num_groups': groups},
        'depth': {'type': 'depthwise_convolution', 'kernel_size': [3, 1], 'depth_multiplier': 2, 'stride': 2},
        'plain': {'type': 'convolution', 'kernel_size': 1, 'num_outputs': 6, 'num_groups': groups},
        'flatten': {'type': 'flatten'},
        'dense': {'type': 'fully_connected', 'num_outputs': 5},
    }
    networks = pair(layers, list(layers), shape=(24, 24, 4))
    program = networks.program()
    shown = dataclasses.replace(program, outputs=tuple(program.values))  # every value is an output
    images, total = networks.images(2).numpy(), 0
    for image in images:
        *values, _ = NativeNetwork(shown).run(image[None])
        total += counted(program, {name: value[0] for name, value in zip(program.values, values, strict=True)})
    engine = NativeNetwork(program, threads)
    engine.run(images)
    assert engine.macs == total


@pytest.mark.parametrize('span', [None, (-1.0, 2.0)])
def test_a_convolution_of_one_pixel_is_a_product_that_leaves_out_what_meets_a_zero(span: tuple[float, float] | None) -> None:
    random = np.random.default_rng(0)
    x = np.maximum(random.normal(size=(1, 1, 37)), 0).astype(np.float32)
    weights, bias = random.normal(size=(21, 37, 1, 1)).astype(np.float32), random.normal(size=21).astype(np.float32)
    narrow = span and narrow_of('int8', span)
    function = Function('relu6')
    operation = ops.Conv(output='y', source='x', weights=weights, bias=bias, stride=(2, 2), function=function, narrow=narrow)
    numbers = rounded(operation).weights[:, :, 0, 0]
    steps = x if narrow is None else np.clip(np.rint(x / np.float32(narrow.scale)) + narrow.zero, 0, 255) - narrow.zero
    read = steps * (1 if narrow is None else narrow.scale)
    expected = np.clip(numbers @ read[0, 0] + bias, 0, 6)
    for most in SETS:
        engine = NativeNetwork(alone(operation, x.shape, (1, 1, 21)), 2, most)
        np.testing.assert_allclose(engine.run(x[None])[0][0, 0, 0], expected, rtol=0, atol=1e-5)
        assert engine.macs == np.count_nonzero(steps) * 21


def test_a_fully_connected_layer_leaves_out_what_meets_a_zero() -> None:
    weights, x = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32), np.arange(40, dtype=np.float32)[None]
    x[0, 3::2] = 0
    operation = ops.Dense(output='y', source='x', weights=weights, bias=np.ones(7, np.float32))
    engine = NativeNetwork(alone(operation, (40,), (7,)))
    np.testing.assert_allclose(engine.run(x)[0], x @ weights + 1, rtol=1e-5)
    assert engine.macs == np.count_nonzero(x) * 7


def test_winners_that_tie_at_the_cut_lose_and_are_not_computed(pair: Callable[..., Pair]) -> None:
    networks = pair({'gate': GATE, 'more': GATE}, ['gate', 'more'])
    variables = networks.network.named_variables()
    for name in ('gate/gate/weights', 'gate/gate/biases'):
        variables[name].assign(tf.zeros_like(variables[name]))
    variables['gate/gate/biases'].assign([1.0] * 5 + [0.5] * 11)  # eight may win, five do
    engine = NativeNetwork(networks.program())
    _, masks = engine.run(networks.images(2).numpy())
    assert masks[:, :16].tolist() == 2 * [[True] * 5 + [False] * 11]
    first, second = 8 * 8 * 5 * (9 * 3 + 1) + 3 * 16, 8 * 8 * masks[0, 16:].sum() * (9 * 5 + 1) + 5 * 16
    assert engine.macs == 2 * (first + second)


@pytest.mark.parametrize('most', SETS)
@pytest.mark.parametrize('density', [1.0, 0.5])
def test_what_is_no_number_shows_in_the_outputs(pair: Callable[..., Pair], density: float, most: Any) -> None:
    networks = pair({'one': GATE, 'two': GATE}, ['one', 'two'])
    networks.set_density(density)
    engine = NativeNetwork(networks.program(), instructions=most)
    images = networks.images(1).numpy()
    assert np.isfinite(engine.run(images)[0]).all()
    images[0, 4, 4] = np.nan
    outputs, masks = engine.run(images)
    assert np.isnan(outputs).any()
    assert (masks.reshape(2, 16).sum(1) <= 16 * density).all()


@pytest.mark.parametrize('name', ['relu', 'relu6', 'leaky_relu', 'sigmoid', 'silu', 'hard_silu', 'elu'])
def test_a_function_of_what_is_no_number_is_none(name: str) -> None:
    operation = ops.Activation(output='y', source='x', function=Function(name))
    computed, _ = NativeNetwork(alone(operation, (20,), (20,))).run(np.full((1, 20), np.nan, np.float32))
    assert np.isnan(computed).all()


def test_images_of_another_size_are_refused(pair: Callable[..., Pair]) -> None:
    networks = pair({'gate': GATE}, ['gate'])
    with pytest.raises(ValueError, match=r'images are \(1, 9, 8, 3\), expected \[N, 8, 8, 3\]'):
        NativeNetwork(networks.program()).run(np.zeros((1, 9, 8, 3), np.float32))


def test_it_runs_inside_a_function_of_tensorflow(pair: Callable[..., Pair]) -> None:
    networks = pair({'gate': GATE}, ['gate'])
    engine, images = NativeNetwork(networks.program()), networks.images(2)
    outputs, masks = tf.function(engine)(images)
    assert outputs.shape == (2, 8, 8, 16)
    assert masks['gate'].shape == (2, 16)
    np.testing.assert_array_equal(outputs, engine(images)[0])


def test_an_engine_that_was_not_built_is_said_so(pair: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, 'library', lambda: None)
    with pytest.raises(ValueError, match='the native engine was not built'):
        NativeNetwork(pair({'gate': GATE}, ['gate']).program())


def test_exponentials_are_exact_over_their_whole_range() -> None:
    x = np.linspace(-86, 88, 4001, dtype=np.float32)[None, None, None].repeat(2, -1)
    operation = ops.Activation(output='y', source='x', function=Function('elu'))
    computed, _ = NativeNetwork(alone(operation, x.shape[1:], x.shape[1:])).run(-np.abs(x))
    expected = np.expm1(-np.abs(x.astype(np.float64)))
    assert np.abs(computed - expected).max() < 2e-7
    assert math.isclose(computed.min(), -1)


def test_a_process_that_is_forked_after_the_engine_ran_computes_the_same() -> None:
    code = """
import os, signal, sys
import numpy as np
from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.compact import lower
from mayo.net.tf.compact.native import NativeNetwork
from mayo.net.tf.network import Network
layers = {'one': {'type': 'gated_convolution', 'kernel_size': 3, 'num_outputs': 16, 'gate_params': {'density': 0.5}}}
graph = build_graph(layers, {'from': 'input', 'with': 'one', 'to': 'output'})
shape = Shape((8, 8, 3))
engine = NativeNetwork(lower(Network(graph, shape, 'net', seed=0), shape), threads=2)
images = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
before = [engine(images), engine(images[:1])]
child = os.fork()
if not child:
    signal.alarm(20)
    after = [engine(images), engine(images[:1])]
    same = all(np.array_equal(x, y) for one, other in zip(before, after) for x, y in zip(one[0], other[0]))
    os._exit(0 if same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
