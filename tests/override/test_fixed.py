"""Fixed point, one value at a time in Python's numbers, and the updates of the dynamic kinds by trial of every point."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.override.conftest import gradients, make, run


def quantized(value: float, width: int, point: int) -> float:
    """Whole steps of 2^(point - width), at most `width` bits with the sign."""
    step = 2.0 ** (point - width)
    whole = round(value / step)
    limit = 2.0 ** (width - 1)
    return max(-limit, min(limit - 1, whole)) * step


@pytest.mark.parametrize('width, point', [(4, 1), (8, 2), (3, 3), (2, 0), (1, 1), (8, -2)])
def test_fixed_point_rounds_to_steps_and_clips(values: Any, width: int, point: int) -> None:
    expected = [quantized(float(value), width, point) for value in values.ravel()]
    assert run(make('FixedPointQuantizer', width=width, point=point), values).ravel().tolist() == expected


def test_halves_round_to_even() -> None:
    assert run(make('FixedPointQuantizer', width=8, point=8), [0.5, 1.5, 2.5, -0.5, -1.5]).tolist() == [0, 2, 2, 0, -2]


def test_a_state_that_nothing_set_changes_next_to_nothing(values: Any) -> None:
    np.testing.assert_allclose(run(make('FixedPointQuantizer'), values), values, atol=1e-7)


@given(st.floats(-8, 8, width=32).filter(lambda value: abs(value) > 1e-6 or value == 0), st.integers(2, 16), st.integers(-3, 8))
def test_a_value_in_range_moves_by_half_a_step_at_most_and_a_second_time_not_at_all(
    value: float, width: int, point: int
) -> None:
    quantizer = make('FixedPointQuantizer', width=width, point=point)
    result = quantizer.overridden(np.float32(value), quantizer.initial(())).numpy()
    step, limit = 2.0 ** (point - width), 2.0 ** (point - 1)
    assert -limit <= result <= limit - step
    if -limit <= value <= limit - step:
        assert abs(result - value) <= step / 2
    assert quantizer.overridden(result, quantizer.initial(())).numpy() == result


def test_the_gradient_passes_where_the_value_is_in_range_and_nowhere_else() -> None:
    quantizer = make('FixedPointQuantizer', width=4, point=1)
    assert gradients(quantizer, [0.3, -1.0, 0.875, 1.2, -1.4], upstream=[1.0, 2.0, 3.0, 4.0, 5.0]).tolist() == [1, 2, 3, 0, 0]


@pytest.mark.parametrize('stochastic, share', [('naive', 0.5), ('ulp', 0.25)])
def test_stochastic_rounding_goes_up_as_often_as_it_should(stochastic: str, share: float) -> None:
    quantizer = make('FixedPointQuantizer', width=8, point=8, stochastic=stochastic)
    result = run(quantizer, np.full(20000, 3.25))
    assert set(result.tolist()) == {3.0, 4.0}
    assert abs(np.mean(result == 4) - share) < 0.02
    assert run(quantizer, np.full(100, 3.0)).tolist() == [3.0] * 100
    assert quantizer.is_random()
    assert not make('FixedPointQuantizer', stochastic=False).is_random()


def overflow_share(values: Any, width: int, point: int) -> float:
    whole = [round(float(value) * 2.0 ** (width - point)) for value in values.ravel()]
    nonzero = [value for value in whole if value != 0]
    return sum(not -(2 ** (width - 1)) <= value <= 2 ** (width - 1) - 1 for value in nonzero) / max(len(nonzero), 1)


@pytest.mark.parametrize('width, rate', [(4, 0.0), (4, 0.1), (8, 0.0), (16, 0.01)])
def test_dynamic_fixed_point_takes_the_least_point_with_little_overflow(values: Any, width: int, rate: float) -> None:
    quantizer = make('DGQuantizer', width=width, overflow_rate=rate)
    state = quantizer.updated(values * 3, quantizer.initial(values.shape))
    point = next(point for point in range(-width, width + 1) if overflow_share(values * 3, width, point) <= rate)
    assert state['DGQuantizer.point'] == point
    assert run(quantizer, values, state).ravel().tolist() == [quantized(float(value), width, point) for value in values.ravel()]


def test_dynamic_fixed_point_of_values_too_large_for_any_point_takes_the_width() -> None:
    quantizer = make('DGQuantizer', width=2, overflow_rate=0.0)
    assert quantizer.updated(np.array([100.0]), quantizer.initial((1,)))['DGQuantizer.point'] == 2


@pytest.mark.parametrize('rate', [0.02, 0.4])
def test_courbariaux_moves_the_point_by_one_towards_the_rate(values: Any, rate: float) -> None:
    quantizer = make('CourbariauxQuantizer', width=6, overflow_rate=rate)
    state, point = quantizer.initial(values.shape), 8
    for _ in range(14):
        state = quantizer.updated(values, state)
        share = overflow_share(values, 6, point)
        point += 1 if share > rate else -1 if 2 * share <= rate else 0
        assert state['CourbariauxQuantizer.point'] == point
    assert point in {0.02: (0, 1), 0.4: (0, -1)}[rate]


def test_a_trainable_width_learns_from_what_rounding_loses(values: Any) -> None:
    quantizer = make('DGTrainableQuantizer', overflow_rate=0.0)
    state = quantizer.updated(values, quantizer.initial(values.shape)) | {'DGTrainableQuantizer.width': np.float32(4.3)}
    assert quantizer.trained() == {'DGTrainableQuantizer.width'}
    state = quantizer.updated(values, state)
    point = int(state['DGTrainableQuantizer.point'])
    assert point == next(point for point in range(-4, 5) if overflow_share(values, 4, point) == 0)
    expected = [quantized(float(value), 4, point) for value in values.ravel()]
    assert run(quantizer, values, state).ravel().tolist() == expected
    lost = math.log(2) * sum(float(value) - result for value, result in zip(values.ravel(), expected, strict=True))
    assert gradients(quantizer, values, state, of='DGTrainableQuantizer.width') == pytest.approx(lost, rel=1e-3, abs=1e-4)


def test_bits_are_the_width() -> None:
    for quantizer in make('FixedPointQuantizer', width=6), make('DGQuantizer', width=6, overflow_rate=0):
        assert quantizer.bits_of(quantizer.initial((3,))) == 6
