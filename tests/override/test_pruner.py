"""Pruners: which values are silenced, and when they come back."""

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.override.conftest import gradients, make, run


def cut(values: Any, alpha: float) -> float:
    sizes = [abs(float(value)) for value in values.ravel()]
    return statistics.fmean(sizes) + alpha * statistics.pstdev(sizes)


@pytest.mark.parametrize('alpha', [-2.0, -0.3, 0.0, 1.0])
def test_mean_and_deviation_decide_what_is_small(values: Any, alpha: float) -> None:
    pruner = make('MeanStdPruner', alpha=alpha)
    assert run(pruner, values).tolist() == values.tolist()
    state = pruner.updated(values, pruner.initial(values.shape))
    kept = np.abs(values) > cut(values, alpha)
    assert state['MeanStdPruner.mask'].tolist() == kept.tolist()
    assert run(pruner, values, state).tolist() == np.where(kept, values, 0).tolist()
    assert gradients(pruner, values, state).tolist() == kept.astype(float).tolist()


def test_surgery_leaves_alone_what_is_near_the_threshold(values: Any) -> None:
    pruner = make('DynamicNetworkSurgeryPruner', alpha=0.2)
    before = np.random.default_rng(1).random(values.shape) < 0.5
    name = 'DynamicNetworkSurgeryPruner.mask'
    mask = pruner.updated(values, pruner.initial(values.shape) | {name: before})[name]
    threshold = cut(values, 0.2)
    for size, was, now in zip(np.abs(values).ravel(), before.ravel(), mask.ravel(), strict=True):
        assert now == (True if size > 1.1 * threshold else was and size > 0.9 * threshold)


def test_surgery_takes_back_a_value_that_has_grown() -> None:
    pruner = make('DynamicNetworkSurgeryPruner', alpha=0.0, on_factor=1.5, off_factor=0.5)
    state = pruner.updated(np.array([0.1, 1.0, 1.0, 1.0]), pruner.initial((4,)))
    assert state['DynamicNetworkSurgeryPruner.mask'].tolist() == [False, True, True, True]
    state = pruner.updated(np.array([1.0, 1.0, 1.0, 1.0]), state)
    assert state['DynamicNetworkSurgeryPruner.mask'].tolist() == [False, True, True, True]
    state = pruner.updated(np.array([2.0, 1.0, 1.0, 0.9]), state)
    assert state['DynamicNetworkSurgeryPruner.mask'].tolist() == [True, True, True, True]


@given(st.floats(-2, 2))
def test_the_density_is_the_share_of_the_mask(alpha: float) -> None:
    values = np.random.default_rng(2).normal(size=(5, 7)).astype(np.float32)
    pruner = make('MeanStdPruner', alpha=alpha)
    state = pruner.updated(values, pruner.initial(values.shape))
    from mayo.override.base import State

    assert pruner.kept(State(state, pruner.name)) == pytest.approx(
        np.mean(np.abs(values) > cut(values, float(np.float32(alpha))))
    )


@pytest.mark.parametrize(('name', 'factors'), [('MeanStdPruner', (1, 1)), ('DynamicNetworkSurgeryPruner', (1.1, 0.9))])
def test_an_activation_has_one_mask_from_the_means_over_a_batch(name: str, factors: tuple[float, float]) -> None:
    batch = np.random.default_rng(3).normal(size=(4, 5, 5, 3)).astype(np.float32)
    pruner = make(name, alpha=0.5)
    before = np.random.default_rng(4).random((5, 5, 3)) < 0.5
    mask = pruner.updated(batch, pruner.initial((5, 5, 3)) | {f'{name}.mask': before})[f'{name}.mask']
    means = np.abs(batch).sum(0) / 4
    on, off = (factor * (means.mean() + 0.5 * means.std()) for factor in factors)
    stays = before if name.startswith('Dynamic') else means > on
    assert mask.tolist() == ((stays | (means > on)) & (means > off)).tolist()
    assert 0 < mask.mean() < 1
