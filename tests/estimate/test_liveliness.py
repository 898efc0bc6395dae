"""Liveliness, on masks made by hand and against its definition, pair by pair."""

import itertools

import numpy as np
import pytest

from mayo.estimate.liveliness import Liveliness, liveliness, mean_liveliness


def test_channels_that_are_the_same_for_every_image_have_no_turnover() -> None:
    masks = np.tile([True, True, False, False, False], (10, 1))
    assert liveliness(masks) == Liveliness(turnover=0, always=0.4, sometimes=0, never=0.6)


def test_images_without_a_channel_in_common_have_turnover_one() -> None:
    assert liveliness(np.eye(3)) == Liveliness(turnover=1, always=0, sometimes=1, never=0)


def test_shared_and_routed_channels_count_by_their_share() -> None:
    """One channel for all, one of two by image: images of the two kinds differ in half of their channels, 2 of 3 pairs do."""
    masks = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0]])
    measured = liveliness(masks)
    assert measured.turnover == pytest.approx(2 / 3 / 2)
    assert (measured.always, measured.sometimes, measured.never) == (0.25, 0.5, 0.25)


def test_always_and_never_allow_a_few_exceptions() -> None:
    masks = np.zeros((100, 4), bool)
    masks[:96, 0], masks[:95, 1], masks[:5, 2], masks[:4, 3] = True, True, True, True
    measured = liveliness(masks)
    assert (measured.always, measured.sometimes, measured.never) == (0.25, 0.5, 0.25)


@pytest.mark.parametrize('seed', range(3))
def test_turnover_is_its_definition_over_all_pairs(seed: int) -> None:
    masks = np.random.default_rng(seed).random((7, 12)) < 0.4
    masks[0] = False  # an image without active channels
    each = [(a & ~b).sum() / max(a.sum(), 1) for a, b in itertools.permutations(masks, 2)]
    assert liveliness(masks).turnover == pytest.approx(np.mean(each))


def test_random_channels_have_a_turnover_of_one_minus_the_density() -> None:
    order = np.random.default_rng(0).random((1000, 64)).argsort(1)
    assert liveliness(order < 16).turnover == pytest.approx(0.75, abs=0.005)


def test_one_image_has_no_turnover() -> None:
    assert liveliness(np.array([[1, 1, 0]])).turnover == 0


def test_the_mean_counts_each_layer_the_same() -> None:
    layers = [liveliness(np.eye(2)), liveliness(np.ones((2, 8)))]
    assert mean_liveliness(layers) == Liveliness(turnover=0.5, always=0.5, sometimes=0.5, never=0)
