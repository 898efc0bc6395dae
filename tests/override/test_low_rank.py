"""Weights of low rank."""

from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run


@pytest.mark.parametrize('ranks', [0, 1, 5, 11])
def test_the_least_singular_values_are_dropped(values: Any, ranks: int) -> None:
    approximation = make('LowRankApproximation', ranks=ranks)
    state = approximation.initial(values.shape)
    assert run(approximation, values, state).tolist() == values.tolist()
    state = approximation.updated(values, state)
    result = run(approximation, values, state).reshape(12, 18)
    assert np.linalg.matrix_rank(result, tol=1e-4) == 12 - ranks
    spectrum = np.sqrt(np.clip(np.sort(np.linalg.eigvalsh(values.reshape(12, 18) @ values.reshape(12, 18).T)), 0, None))
    lost = np.sqrt((spectrum[:ranks] ** 2).sum())  # no matrix of that rank is nearer
    assert np.linalg.norm(result - values.reshape(12, 18)) == pytest.approx(lost, abs=1e-4)
    assert (gradients(approximation, values, state) == 1).all()


def test_a_fully_connected_layer_is_its_own_matrix() -> None:
    value = np.random.default_rng(4).normal(size=(6, 4)).astype(np.float32)
    approximation = make('LowRankApproximation', ranks=2)
    assert (
        np.linalg.matrix_rank(run(approximation, value, approximation.updated(value, approximation.initial((6, 4)))), tol=1e-4)
        == 2
    )


def test_as_many_ranks_as_there_are_are_too_many() -> None:
    approximation = make('LowRankApproximation', ranks=4)
    assert approximation.shape_problem((6, 4)) == 'drops 4 ranks, but the value [6, 4] has 4'
    assert approximation.shape_problem((6,)) == 'approximates weights of two or four axes, but the value is [6]'
