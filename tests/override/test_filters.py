"""Whole kernels silenced by the sum of their magnitudes."""

from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run


@pytest.mark.parametrize('density', [0.0, 0.25, 0.5, 0.9])
def test_the_kernels_of_least_magnitude_are_silenced(values: Any, density: float) -> None:
    pruner = make('FilterPruner', density=density)
    state = pruner.updated(values, pruner.initial(values.shape))
    sums = {(i, o): sum(abs(float(value)) for value in values[:, :, i, o].ravel()) for i in range(4) for o in range(6)}
    limit = sorted(sums.values())[int(24 * density)]
    kept = np.array([[sums[i, o] > limit + 1e-6 for o in range(6)] for i in range(4)])
    assert state['FilterPruner.mask'].tolist() == kept.tolist()
    assert run(pruner, values, state).tolist() == (values * kept).tolist()
    assert gradients(pruner, values, state).tolist() == np.broadcast_to(kept, values.shape).astype(float).tolist()


def test_other_than_kernels_are_refused() -> None:
    assert make('FilterPruner').shape_problem((3, 4)) == 'silences kernels of convolutions, but the value is [3, 4]'
    assert make('FilterPruner').shape_problem((3, 3, 4, 5)) is None
