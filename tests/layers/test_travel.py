"""Which channels may be non-zero after a layer, and which of its input it reads."""

import numpy as np
import pytest

from mayo.config.names import KNOWN, Spec
from mayo.layers.functions import keeps_scale, keeps_zero
from mayo.layers.shape import Shape
from mayo.layers.travel import (
    Apart,
    Flow,
    Joined,
    Mixed,
    Padded,
    Tied,
    Travel,
    Whole,
    active_after,
    flow_after,
    read_of,
    reads_all,
)

MAP = Shape((4, 4, 8))
PRODUCT = Tied(product=True)
PER_IMAGE = np.array([3, 5])


def test_a_layer_that_mixes_channels_leaves_none_zero() -> None:
    assert active_after(Mixed(), [3], [MAP], Shape((4, 4, 6))) == 6


def test_flattening_repeats_each_active_channel_for_each_position() -> None:
    assert active_after(Apart(), [3], [MAP], Shape((128,))) == 48
    assert active_after(Apart(), [PER_IMAGE], [MAP], Shape((2, 2, 32))).tolist() == [12, 20]


def test_concatenation_adds_the_active_channels_up() -> None:
    assert active_after(Joined(), [3, 8, 2], [MAP, MAP, MAP], Shape((4, 4, 24))) == 13
    assert active_after(Joined(), [PER_IMAGE, 8], [MAP, MAP], Shape((4, 4, 16))).tolist() == [11, 13]


def test_a_product_has_no_more_active_channels_than_either_input() -> None:
    assert active_after(PRODUCT, [3, 8], [MAP, Shape((1, 1, 8))], MAP) == 3
    assert active_after(PRODUCT, [PER_IMAGE, np.array([4, 4])], [MAP, MAP], MAP).tolist() == [3, 4]


def test_one_channel_that_multiplies_all_limits_nothing() -> None:
    assert active_after(PRODUCT, [3, 1], [MAP, Shape((4, 4, 1))], MAP) == 3


DEPTHWISE = Apart(weighs=True, shifts=True, adjacent=True, borders=True)
POINT = Mixed(takes_constants=True)


@pytest.mark.parametrize(
    'travels, held, shifted',
    [
        ([DEPTHWISE], 3, True),
        ([DEPTHWISE, Apart()], 3, True),  # a pooling
        ([DEPTHWISE, Apart(borders=True)], 8, False),  # zeros around it
        ([DEPTHWISE, DEPTHWISE], 8, True),
        ([Apart(function=Spec('keras.activations.softmax'))], 8, False),
        ([DEPTHWISE, Whole(zero_stays=True)], 8, False),
        ([DEPTHWISE, POINT], 8, False),
    ],
)
def test_a_shift_makes_constants_of_the_channels_that_are_not_held(travels: list[Travel], held: int, shifted: bool) -> None:
    flow = Flow(3)
    for travel in travels:
        flow = flow_after(travel, [flow], [MAP], MAP)
    assert (flow.held, flow.shifted or flow.held == 8) == (held, shifted or held == 8)
    assert flow.active(8) == (8 if shifted else held)


def test_a_layer_that_takes_constants_multiplies_what_is_held_only() -> None:
    constants, zeros = Flow(3, shifted=True), Flow(3)
    assert [read_of(POINT, flow, 8) for flow in (constants, zeros)] == [3, 3]
    assert [read_of(Mixed(), flow, 8) for flow in (constants, zeros)] == [8, 3]
    assert [read_of(Mixed(needs_all=True, takes_constants=True), flow, 8) for flow in (constants, zeros)] == [8, 8]


ACTIVATIONS = [name for name in KNOWN if name.startswith('keras.activations.')]


@pytest.mark.parametrize('name', ACTIVATIONS)
def test_whether_an_activation_keeps_scales_is_what_keras_computes(name: str) -> None:
    import keras

    function = getattr(keras.activations, name.rsplit('.', 1)[1])
    values = np.linspace(-9, 9, 40, dtype=np.float32).reshape(1, -1)
    once, thrice = (keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(a * values))) for a in (1, 3))
    assert keeps_scale(Spec(name)) == np.allclose(3 * once, thrice)


@pytest.mark.parametrize(
    'arguments, zero, scale',
    [
        ({'max_value': 6.0}, True, False),
        ({'threshold': 1.0}, True, False),
        ({'threshold': 1.0, 'negative_slope': 0.1}, False, False),
        ({'negative_slope': 0.1}, True, True),
    ],
)
def test_the_arguments_of_relu_say_what_becomes_of_zero_and_of_scales(
    arguments: dict[str, float], zero: bool, scale: bool
) -> None:
    spec = Spec('keras.activations.relu', arguments)
    assert (keeps_zero(spec), keeps_scale(spec)) == (zero, scale)


@pytest.mark.parametrize(
    'travel, everything',
    [
        (Mixed(), False),
        (Mixed(needs_all=True), True),
        (Whole(zero_stays=True), True),
        (Joined(), False),
        (Tied(product=True), False),
        (Tied(product=False), True),
        (Padded(1, 0), True),
        (Apart(shifts=True), False),
    ],
)
def test_a_layer_reads_all_channels_where_it_looks_at_several_or_adds_them(travel: Travel, everything: bool) -> None:
    assert reads_all(travel) == everything


@pytest.mark.parametrize('name', ACTIVATIONS)
def test_whether_an_activation_is_zero_at_zero_is_what_keras_computes(name: str) -> None:
    import keras

    value = keras.ops.convert_to_numpy(getattr(keras.activations, name.rsplit('.', 1)[1])(keras.ops.zeros((1, 2))))
    assert keeps_zero(Spec(name)) == (not value.any())


def test_no_activation_keeps_zero() -> None:
    assert keeps_zero(None)
