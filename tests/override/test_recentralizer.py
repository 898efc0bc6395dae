"""Focused quantization, by the formula, one value at a time."""

from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run
from tests.override.test_fixed import quantized

FIXED = {'type': 'mayo.override.FixedPointQuantizer', 'width': 4, 'point': 0}
MEANS = {'type': 'mayo.override.FixedPointQuantizer', 'width': 6, 'point': 1}


@pytest.fixture
def sparse(values: Any) -> Any:
    return np.where(abs(values) < 0.3, 0, values).astype(np.float32)


@pytest.mark.parametrize('mean_quantizer', [None, MEANS])
def test_values_are_quantized_around_the_mean_of_their_sign(sparse: Any, mean_quantizer: Any) -> None:
    recentralizer = make('Recentralizer', quantizer=FIXED, mean_quantizer=mean_quantizer)
    state = recentralizer.updated(sparse, recentralizer.initial(sparse.shape))
    up, down = float(sparse[sparse > 0].mean()), float(sparse[sparse < 0].mean())
    assert state['Recentralizer.positives_mean'] == pytest.approx(up)
    assert state['Recentralizer.negatives_mean'] == pytest.approx(down)
    if mean_quantizer:
        up, down = quantized(up, 6, 1), quantized(down, 6, 1)
    expected = []
    for value in map(float, sparse.ravel()):
        mean = up if value > 0 else down
        expected.append(quantized(value - mean, 4, 0) + mean if value else 0.0)
    np.testing.assert_allclose(run(recentralizer, sparse, state).ravel(), expected, atol=1e-6)


def test_the_states_of_the_means_lie_in_their_folders(sparse: Any) -> None:
    names = set(make('Recentralizer', quantizer=FIXED, mean_quantizer=MEANS).initial(sparse.shape))
    assert {
        'Recentralizer/FixedPointQuantizer.width',
        'Recentralizer/positives_mean/FixedPointQuantizer.width',
        'Recentralizer/negatives_mean/FixedPointQuantizer.point',
    } <= names


def test_an_update_fits_the_quantizer_to_what_is_left_around_the_means(sparse: Any) -> None:
    recentralizer = make('Recentralizer', quantizer={'type': 'DGQuantizer', 'width': 4, 'overflow_rate': 0.0})
    state = recentralizer.updated(sparse, recentralizer.initial(sparse.shape))
    means = np.where(sparse > 0, sparse[sparse > 0].mean(), sparse[sparse < 0].mean())
    alone = make('DGQuantizer', width=4, overflow_rate=0.0)
    around = np.where(sparse == 0, 0, sparse - means)
    assert state['Recentralizer/DGQuantizer.point'] == alone.updated(around, alone.initial((1,)))['DGQuantizer.point']


def test_zero_stays_zero_and_passes_no_gradient() -> None:
    recentralizer = make('Recentralizer', quantizer=FIXED)
    value = np.array([0.0, 0.9, -1.2, 2.0], np.float32)
    state = recentralizer.updated(value, recentralizer.initial((4,))) | {'Recentralizer.positives_mean': np.float32(1.0)}
    assert run(recentralizer, value, state)[0] == 0
    assert gradients(recentralizer, value, state).tolist() == [0, 1, 1, 0]  # 2 - 1 is out of the range of the quantizer


def test_the_loss_is_what_changes(sparse: Any) -> None:
    recentralizer = make('Recentralizer', quantizer=FIXED, reg=0.001)
    state = recentralizer.updated(sparse, recentralizer.initial(sparse.shape))
    expected = 0.001 * np.abs(sparse - run(recentralizer, sparse, state)).sum()
    assert recentralizer.penalized(sparse, state).numpy() == pytest.approx(expected, rel=1e-5)
    assert make('Recentralizer', quantizer=FIXED, reg=False).penalized(sparse, state) is None


def test_one_bit_more_says_which_mean() -> None:
    recentralizer = make('Recentralizer', quantizer=FIXED)
    assert recentralizer.bits_of(recentralizer.initial((3,))) == 5


def test_an_activation_has_one_sign_for_each_place_from_the_means_over_a_batch() -> None:
    batch = np.random.default_rng(3).normal(0.1, 1, size=(4, 5, 5, 3)).astype(np.float32)
    quantizer = make('Recentralizer', quantizer={'type': 'EmptyOverrider'})
    state = quantizer.updated(batch, quantizer.initial((5, 5, 3)))
    assert state['Recentralizer.positives'].tolist() == (batch.sum(0) > 0).tolist()
    assert state['Recentralizer.positives_mean'] == pytest.approx(batch[batch > 0].mean(), rel=1e-5)
    assert state['Recentralizer.negatives_mean'] == pytest.approx(batch[batch < 0].mean(), rel=1e-5)
