"""int8 and bfloat16: their formulas against NumPy, and the engines against each other."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mayo.net.tf.compact import CompactNetwork
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.narrow import as_bfloat16, multiplying, narrow_of, narrowed, weights_as_bytes
from mayo.net.tf.compact.native import NativeNetwork, instruction_sets
from mayo.net.tf.compact.program import Narrow, Program, Value

from .conftest import Pair

SETS = instruction_sets()
built = pytest.mark.skipif(not SETS, reason='the native engine was not built: there is no C compiler')
GATED: dict[str, Any] = {
    'type': 'gated_convolution',
    'kernel_size': 3,
    'num_outputs': 72,
    'gate_params': {'density': 0.5},
    'normalizer_fn': 'keras.layers.BatchNormalization',
}
LAYERS: dict[str, Any] = {
    'one': GATED,
    'two': {**GATED, 'stride': 2, 'gate_params': {'density': 0.5, 'policy': 'squeeze'}},
    'pixel': {**GATED, 'kernel_size': 1, 'num_outputs': 40},
    'plain': {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 20, 'activation_fn': 'keras.activations.tanh'},
    'own': {**GATED, 'gate_params': {'density': 0.5, 'norm': 'channel'}, 'num_outputs': 24},
    'flatten': {'type': 'flatten'},
    'fc': {'type': 'fully_connected', 'num_outputs': 9, 'activation_fn': None},
}


def ranges_of(networks: Pair, images: Any) -> dict[str, tuple[float, float]]:
    """The least and largest number of each source."""
    program = networks.program()
    sources = sorted({operation.source for operation in multiplying(program)})
    values, _ = CompactNetwork(dataclasses.replace(program, outputs=tuple(sources)), xla=False)(images)
    spans = {name: (float(np.min(value)), float(np.max(value))) for name, value in zip(sources, values, strict=True)}
    return {operation.output: spans[operation.source] for operation in multiplying(program)}


def integers(x: np.ndarray, conv: ops.Conv) -> np.ndarray:
    """The sums of products of bytes, [H, W, C], by the formula of narrow.py."""
    narrow = conv.narrow
    assert narrow is not None
    steps = np.rint(x * np.float32(1 / narrow.scale)) + narrow.zero
    bytes_ = np.clip(steps, 0, 255).astype(np.int64) - narrow.zero
    weights, _ = weights_as_bytes(conv.weights, 0)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(bytes_, (*conv.pads, (0, 0))), conv.kernel, (0, 1))
    windows = windows[:: conv.stride[0], :: conv.stride[1]]
    return np.tensordot(windows, weights.astype(np.int64), ([2, 3, 4], [1, 2, 3]))


def pairs(least: int, most: int) -> Any:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@built
@settings(max_examples=30)
@given(st.data())
def test_a_convolution_of_bytes_is_exact_in_every_instruction_set(data: Any) -> None:
    draw = data.draw
    kernel, stride, pads = draw(pairs(1, 5)), draw(pairs(1, 3)), draw(st.tuples(pairs(0, 2), pairs(0, 2)))
    size = [draw(st.integers(max(side - sum(pad), 1), 40)) for side, pad in zip(kernel, pads, strict=True)]
    ins, outs, threads = draw(st.integers(1, 200)), draw(st.integers(1, 50)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    x = random.normal(size=(*size, ins)).astype(np.float32)
    narrow = narrow_of('int8', draw(st.sampled_from([(0.0, 3.0), (-2.5, 2.0), (-1.0, 0.0), (0.0, 1e-3)])))
    weights, bias = random.normal(size=(outs, ins, *kernel)).astype(np.float32), np.zeros(outs, np.float32)
    conv = ops.Conv(output='y', source='x', weights=weights, bias=bias, stride=stride, pads=pads, narrow=narrow)
    sums = integers(x, conv)
    unit = (narrow.scale * weights_as_bytes(weights, 0)[1]).astype(np.float32)
    program = Program((conv,), {'x': Value(x.shape, ins), 'y': Value(sums.shape, outs)}, ('x',), ('y',))
    for most in SETS:
        outputs, _ = NativeNetwork(program, threads, most).run(x[None])
        np.testing.assert_array_equal(outputs[0], sums.astype(np.float32) * unit)


@built
@pytest.mark.parametrize('count, outs', [(1, 1), (7, 33), (130, 16), (1000, 50)])
def test_a_fully_connected_layer_of_bytes_is_exact(count: int, outs: int) -> None:
    random = np.random.default_rng(count)
    x, weights = random.normal(size=count).astype(np.float32), random.normal(size=(count, outs)).astype(np.float32)
    narrow = narrow_of('int8', (-2.0, 2.5))
    dense = ops.Dense(output='y', source='x', weights=weights, bias=np.zeros(outs, np.float32), narrow=narrow)
    steps = np.clip(np.rint(x * np.float32(1 / narrow.scale)), -narrow.zero, 255 - narrow.zero).astype(np.int64)
    numbers, scales = weights_as_bytes(weights, 1)
    expected = (steps @ numbers.astype(np.int64)).astype(np.float32) * (narrow.scale * scales).astype(np.float32)
    program = Program((dense,), {'x': Value((count,), count), 'y': Value((outs,), outs)}, ('x',), ('y',))
    for most in SETS:
        engine = NativeNetwork(program, 2, most)
        np.testing.assert_array_equal(engine.run(x[None])[0][0], expected)
        assert engine.macs == np.count_nonzero(steps) * outs


@pytest.mark.parametrize(
    'precision, density, tolerance', [('int8', 1.0, 0.1), ('int8', 0.5, 0.25), ('int8', 0.25, 0.25), ('bfloat16', 0.5, 0.15)]
)
def test_engines_agree_in_every_precision(pair: Callable[..., Pair], density: float, precision: str, tolerance: float) -> None:
    networks = pair(LAYERS, list(LAYERS), shape=(24, 24, 3))
    networks.set_density(density)
    images = networks.images(3)
    quantized = narrowed(networks.program(), precision, ranges_of(networks, images))
    expected, masks = CompactNetwork(networks.program(), xla=False)(images)
    makers: list[Callable[[], Any]] = [functools.partial(CompactNetwork, quantized, xla=False)]
    makers += [functools.partial(NativeNetwork, quantized, 2, most) for most in SETS]
    for make in makers:
        outputs, won = make()(images)
        assert np.linalg.norm(outputs - expected) < tolerance * np.linalg.norm(expected)
        same = [np.mean(won[name].numpy() == mask.numpy()) for name, mask in masks.items()]
        assert min(same) > 0.95
    single = [NativeNetwork(quantized, 1, most).run(images.numpy()) for most in SETS if most in ('amx', 'vnni', 'avx512')]
    for outputs, won in single[1:] if precision == 'int8' else ():
        np.testing.assert_array_equal(outputs, single[0][0])
        np.testing.assert_array_equal(won, single[0][1])


@built
@pytest.mark.parametrize('precision', ['int8', 'bfloat16'])
def test_a_network_none_of_whose_channels_win_computes_what_is_left(pair: Callable[..., Pair], precision: str) -> None:
    networks = pair(LAYERS, list(LAYERS), shape=(24, 24, 3))
    for name, variable in networks.network.named_variables().items():
        if name.startswith('two/gate/'):
            variable.assign(np.zeros(variable.shape))  # all saliencies tie
    images = networks.images(2)
    quantized = narrowed(networks.program(), precision, ranges_of(networks, images))
    for most in SETS:
        outputs, won = NativeNetwork(quantized, 2, most)(images)
        assert not won['two'].numpy().any()
        np.testing.assert_allclose(outputs, CompactNetwork(quantized, xla=False)(images)[0], atol=0.05)


@built
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_shows_in_int8(pair: Callable[..., Pair], value: float) -> None:
    networks = pair(LAYERS, list(LAYERS), shape=(24, 24, 3))
    images = networks.images(3).numpy()
    quantized = narrowed(networks.program(), 'int8', ranges_of(networks, images))
    images[1, 3, 4, 1] = value
    for threads in (1, 4):
        outputs, _ = NativeNetwork(quantized, threads).run(images)
        assert np.isnan(outputs).all(1).tolist() == [False, True, False]


@built
def test_narrow_networks_count_the_multiply_accumulates_of_wide_ones() -> None:
    x = np.ones((1, 9, 9, 5), np.float32)
    conv = ops.Conv(output='y', source='x', weights=np.ones((7, 5, 3, 3), np.float32), bias=np.zeros(7, np.float32))
    counts = []
    for narrow in (None, Narrow('bfloat16'), narrow_of('int8', (0, 1))):
        program = Program(
            (dataclasses.replace(conv, narrow=narrow),), {'x': Value((9, 9, 5), 5), 'y': Value((7, 7, 7), 7)}, ('x',), ('y',)
        )
        engine = NativeNetwork(program)
        engine.run(x)
        counts.append(engine.macs)
    assert counts == [7 * 7 * 7 * 5 * 9] * 3


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_zero_is_a_byte_and_bytes_reach_from_end_to_end(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assume(max(abs(low), abs(high)) > 1e-20)
    narrow = narrow_of('int8', (low, high))
    assert 0 <= narrow.zero <= 255
    reach = (0 - narrow.zero) * narrow.scale, (255 - narrow.zero) * narrow.scale
    np.testing.assert_allclose(reach, (min(low, 0), max(high, 0)), atol=0.51 * narrow.scale)


@pytest.mark.parametrize('span', [(0.0, 0.0), (0.0, 1e-40), (-1e-300, 0.0)])
def test_a_range_of_nothing_but_zeros_has_a_scale_all_the_same(span: tuple[float, float]) -> None:
    assert narrow_of('int8', span).scale == 1


def test_weights_of_each_channel_have_a_scale_of_their_own() -> None:
    weights = np.array([[1.0, -2.0], [0.0, 0.0], [0.25, 0.0625]], np.float32)
    numbers, scales = weights_as_bytes(weights, 0)
    np.testing.assert_array_equal(numbers, [[64, -127], [0, 0], [127, 32]])
    np.testing.assert_allclose(scales, [2 / 127, 1 / 127, 0.25 / 127])


def test_bfloat16_is_rounded_to_the_nearest_of_two_to_the_even_one() -> None:
    tensorflow = pytest.importorskip('tensorflow')
    numbers = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    numbers[:4] = [1.00390625, 1.01171875, 3e38, -0.0]  # ties, large, a zero with a sign
    expected = tensorflow.cast(numbers, tensorflow.bfloat16)
    np.testing.assert_array_equal(as_bfloat16(numbers), tensorflow.bitcast(expected, tensorflow.uint16))


def test_int8_needs_a_range_for_every_layer(pair: Callable[..., Pair]) -> None:
    program = pair(LAYERS, list(LAYERS), shape=(24, 24, 3)).program()
    with pytest.raises(ValueError, match=r'no ranges to compute two, plain in int8; `quantize` measures them'):
        narrowed(program, 'int8', dict.fromkeys(('one', 'pixel', 'own', 'fc'), (0.0, 1.0)))


def test_layers_may_keep_a_precision_of_their_own(pair: Callable[..., Pair]) -> None:
    quantized = narrowed(pair(LAYERS, list(LAYERS), shape=(24, 24, 3)).program(), 'bfloat16', {}, {'one': 'float32'})
    kept = {operation.output: operation.narrow and operation.narrow.precision for operation in multiplying(quantized)}
    assert kept == {**dict.fromkeys(('two', 'pixel', 'plain', 'own', 'fc'), 'bfloat16'), 'one': None}


def test_convolutions_in_groups_stay_wide() -> None:
    conv = ops.Conv(output='y', source='x', weights=np.ones((4, 2, 1, 1), np.float32), bias=np.zeros(4, np.float32), groups=2)
    program = Program((conv,), {'x': Value((2, 2, 4), 4), 'y': Value((2, 2, 4), 4)}, ('x',), ('y',))
    assert narrowed(program, 'int8', {}) == program
