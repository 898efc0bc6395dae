"""Channels silenced by their scale in batch norm."""

import numpy as np
import pytest

from mayo.override import Around, Rival
from mayo.override.slimmer import NetworkSlimmer
from tests.override.conftest import gradients, make, run

MASK = 'NetworkSlimmer.mask'
FIRST, SECOND = np.array([0.5, 0.1, -0.2, 0.9]), np.array([0.3, 0.05, 0.7])


def around(own: np.ndarray, *others: np.ndarray, masks: tuple[list[bool], ...] = ()) -> Around:
    scales = (own, *others)
    on = masks or tuple([True] * len(scale) for scale in scales)
    rivals = tuple(Rival(scale, np.array(mask)) for scale, mask in zip(scales, on, strict=True))
    return Around(rivals[0], rivals)


def updated(own: np.ndarray, about: Around, **arguments: object) -> list[bool]:
    slimmer = make('NetworkSlimmer', **arguments)
    assert about.own is not None
    state = slimmer.initial((8, 8, len(own))) | {MASK: about.own.mask}
    mask: list[bool] = slimmer.updated(np.zeros((1, 8, 8, len(own))), state, about)[MASK].tolist()
    return mask


def test_the_channels_of_all_layers_compete() -> None:
    # 7 scales, 4 kept: .9 .7 .5 .3; the next is .1
    assert updated(FIRST, around(FIRST, SECOND), density=0.5) == [True, False, False, True]
    assert updated(SECOND, around(SECOND, FIRST), density=0.5) == [True, False, True]


def test_or_those_of_each_layer_by_themselves() -> None:
    assert updated(SECOND, around(SECOND, FIRST), density=0.3, global_threshold=False) == [False, False, True]


def test_density_1_silences_scales_that_are_not_above_zero() -> None:
    assert updated(FIRST, around(FIRST, SECOND), density=1.0) == [True, True, False, True]


def test_incremental_slimming_never_turns_a_channel_on_again() -> None:
    about = around(FIRST, masks=([False, True, True, True],))
    # of .1 -.2 .9 two are kept
    assert updated(FIRST, about, density=0.6, incremental=True) == [False, True, False, True]


def test_the_mask_silences_channels_and_the_loss_shrinks_scales() -> None:
    slimmer = make('NetworkSlimmer', density=0.5, weight=0.1)
    assert isinstance(slimmer, NetworkSlimmer)
    state = slimmer.initial((2, 2, 3)) | {MASK: np.array([True, False, True])}
    value = np.ones((1, 2, 2, 3), np.float32)
    assert run(slimmer, value, state)[0, 0].tolist() == [[1, 0, 1], [1, 0, 1]]
    assert gradients(slimmer, value, state)[0, 0].tolist() == [[1, 0, 1], [1, 0, 1]]
    scale = np.array([0.5, -1.0, 2.0], np.float32)
    assert slimmer.shrinkage(scale).numpy() == pytest.approx(0.35)
