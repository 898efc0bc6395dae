"""Incremental quantization: which values are quantized, after which update."""

from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run
from tests.override.test_fixed import quantized

INNER = {'type': 'mayo.override.FixedPointQuantizer', 'width': 4, 'point': 1}
MASK = 'IncrementalQuantizer.mask'


def test_the_state_of_the_quantizer_lies_in_a_folder_of_its_name() -> None:
    quantizer = make('IncrementalQuantizer', quantizer=INNER, interval=0.5)
    assert set(quantizer.initial((2,))) == {
        'IncrementalQuantizer.enable',
        MASK,
        'IncrementalQuantizer/FixedPointQuantizer.enable',
        'IncrementalQuantizer/FixedPointQuantizer.width',
        'IncrementalQuantizer/FixedPointQuantizer.point',
    }


@pytest.mark.parametrize('interval', [0.25, 0.5, 0.9])
def test_the_values_that_lose_least_are_quantized_first(values: Any, interval: float) -> None:
    quantizer = make('IncrementalQuantizer', quantizer=INNER, interval=interval)
    state = quantizer.initial(values.shape)
    assert run(quantizer, values, state).tolist() == values.tolist()
    state = quantizer.updated(values, state)
    whole = np.array([quantized(float(value), 4, 1) for value in values.ravel()]).reshape(values.shape)
    errors = sorted(abs(whole - values).ravel().tolist())
    chosen = abs(whole - values) < errors[int(values.size * interval)]
    assert state[MASK].tolist() == chosen.tolist()
    assert abs(state[MASK].mean() - interval) < 0.01
    np.testing.assert_array_equal(run(quantizer, values, state), np.where(chosen, whole, values).astype(np.float32))
    assert quantizer.bits_of(state) == pytest.approx(chosen.mean() * 4 + (1 - chosen.mean()) * 32)


def test_a_larger_interval_adds_to_those_quantized_already(values: Any) -> None:
    state = make('IncrementalQuantizer', quantizer=INNER, interval=0.5).initial(values.shape)
    shares = []
    for interval in (0.5, 0.5, 0.75, 1.0):
        before = state[MASK]
        state = make('IncrementalQuantizer', quantizer=INNER, intervals=[interval]).updated(values * 1.01, state)
        assert (state[MASK] | ~before).all()
        shares.append(round(float(state[MASK].mean()), 2))
    assert shares == [0.5, 0.5, 0.75, 1.0]


def test_values_that_are_zero_may_be_left_out_of_the_count(values: Any) -> None:
    sparse = np.where(abs(values) < 0.4, 0, values)
    quantizer = make('IncrementalQuantizer', quantizer=INNER, interval=0.5, count_zero=False)
    mask = quantizer.updated(sparse, quantizer.initial(values.shape))[MASK]
    assert mask[sparse != 0].mean() == pytest.approx(0.5, abs=0.02)
    assert mask[sparse == 0].all()


def test_the_quantizer_updates_first(values: Any) -> None:
    inner = {'type': 'mayo.override.DGQuantizer', 'width': 4, 'overflow_rate': 0.0}
    quantizer = make('IncrementalQuantizer', quantizer=inner, interval=1)
    state = quantizer.updated(values, quantizer.initial(values.shape))
    alone = make('DGQuantizer', width=4, overflow_rate=0.0)
    expected = alone.updated(values, alone.initial(values.shape))['DGQuantizer.point']
    assert state['IncrementalQuantizer/DGQuantizer.point'] == expected != 8


def test_gradients_pass_the_quantizer_where_it_acts() -> None:
    quantizer = make('IncrementalQuantizer', quantizer=INNER, interval=1)
    state = quantizer.initial((4,)) | {MASK: np.array([True, True, False, False])}
    assert gradients(quantizer, [0.3, 5.0, 0.3, 5.0], state).tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize('count_zero', [True, False])
def test_an_activation_has_one_mask_from_the_means_over_a_batch(count_zero: bool) -> None:
    batch = np.random.default_rng(3).normal(size=(4, 5, 5, 3)).astype(np.float32)
    batch[:, :, :2] = 0
    quantizer = make('IncrementalQuantizer', quantizer=INNER, interval=0.25, count_zero=count_zero)
    mask = quantizer.updated(batch, quantizer.initial((5, 5, 3)))[MASK]
    inner = make('IncrementalQuantizer', quantizer=INNER, interval=1)
    quantized = run(inner, batch, inner.initial((5, 5, 3)) | {MASK: np.ones((5, 5, 3), bool)})
    loss = np.abs(quantized - batch).mean(0)
    counted = np.sort(loss.ravel()) if count_zero else np.sort(loss[:, 2:].ravel())
    assert mask.tolist() == (loss < counted[int(counted.size * 0.25)]).tolist()
    assert mask.any() != count_zero  # two fifths are zeros, which lose nothing
