"""Winners: above the best loser of the image, of the layer in the mean, or of the network in the mean."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mayo.net.tf.gate.threshold import Threshold, best_loser, best_loser_of_all
from mayo.net.tf.variables import named_variables


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 1.5, 2.0]), min_size=7, max_size=7), min_size=1, max_size=4),
    st.integers(0, 6),
)
def test_never_more_than_k_win_and_ties_at_the_cut_lose(rows: Any, keep: Any) -> None:
    saliency = np.array(rows, 'float32')
    wins = saliency > best_loser(tf.constant(saliency), keep).numpy()
    assert (wins.sum(1) <= keep).all()
    for row, won in zip(saliency, wins, strict=True):
        assert set(row[won]).isdisjoint(row[~won])  # equals share their fate
        assert sum(row > min(row[won], default=math.inf)) < max(keep, 1)
        if len(set(row)) == len(row):
            assert won.sum() == keep


def test_rows_of_a_map_have_cuts_of_their_own() -> None:
    saliency = tf.constant([[[1.0, 2.0, 3.0], [9.0, 8.0, 7.0]]])
    assert best_loser(saliency, 1).numpy().tolist() == [[[2.0], [8.0]]]


def test_the_average_starts_at_zero_and_moves_in_training_only() -> None:
    threshold = Threshold(decay=0.75)
    cuts = tf.constant([[1.0], [3.0]])
    assert float(threshold.of(cuts, training=False)) == 0
    assert float(threshold.of(cuts, training=True)) == 2  # the batch's own
    assert float(threshold.of(cuts, training=False)) == 2  # nothing is left of the 0 that it started at
    threshold.of(2 * cuts, training=True)
    assert float(threshold.of(cuts, training=False)) == 2.5  # 0.75 * 2 + 0.25 * 4
    assert not threshold.trainable_variables


def test_a_local_threshold_gives_images_what_they_need_with_the_density_in_the_mean(
    gated: Callable[..., Any], images: Any
) -> None:
    layer = gated(gate_params={'density': 0.5, 'threshold': 'local', 'decay': 0.0})
    _, trained = layer(images, training=True)
    g = trained.saliency.numpy()
    cut = np.sort(g, 1)[:, 1].mean()  # the third largest of four
    np.testing.assert_array_equal(trained.mask, g > cut)
    np.testing.assert_allclose(dict(named_variables(layer))['gate/threshold'], cut, rtol=1e-6)
    alone = layer(images[:1], training=False)[1]  # at evaluation the batch does not matter
    np.testing.assert_array_equal(alone.mask, trained.mask[:1])


def test_a_global_threshold_is_that_of_the_network(gated: Callable[..., Any], images: Any) -> None:
    shared = Threshold(decay=0.5)
    layer = gated(gate_params={'density': 0.5, 'threshold': 'global'}, threshold=shared)
    shared.average.assign(0.8)
    for training in (True, False):
        _, stats = layer(images, training=training)
        np.testing.assert_array_equal(stats.mask, stats.saliency.numpy() > np.float32(0.8))
    assert float(shared.average) == np.float32(0.8)  # the network moves it
    assert 'gate/threshold' not in dict(named_variables(layer))


def test_with_a_global_threshold_layers_share_the_sum_of_their_k() -> None:
    first, two = tf.constant([[5.0, 6.0, 7.0]]), tf.constant([[1.0, 2.0, 3.0, 4.0]])
    assert best_loser_of_all([first, two], [1, 2]).numpy().tolist() == [[4.0]]  # 5, 6 and 7 win
    rows = tf.constant([[[8.0, 9.0], [0.0, 0.0]]])
    assert best_loser_of_all([first, rows], [1, 1]).numpy().tolist() == [[6.0]]  # 7, 8, 9: one per row counts twice
    assert best_loser_of_all([first], [3]).numpy().tolist() == [[5.0]]


@pytest.mark.parametrize('threshold', ['online', 'local', 'global'])
def test_at_density_one_no_threshold_suppresses(gated: Callable[..., Any], images: Any, threshold: str) -> None:
    layer = gated(gate_params={'density': 1.0, 'threshold': threshold})
    assert layer(images, training=True)[1].mask.numpy().all()
    assert 'gate/threshold' not in dict(named_variables(layer))
