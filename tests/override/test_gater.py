"""Gaters: which channels of which image pass."""

from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run

MAPS = np.random.default_rng(3).normal(size=(4, 3, 3, 5)).astype(np.float32)


def summary(policy: str, map: Any) -> float:
    positive = [max(float(value), 0.0) for value in map.ravel()]
    mean, most = sum(positive) / len(positive), max(positive)
    return {'avg': mean, 'max': most, 'mix': most - mean}[policy]


@pytest.mark.parametrize('policy, threshold', [('avg', 0.4), ('max', 1.5), ('mix', 1.0)])
def test_channels_whose_summary_reaches_the_threshold_pass(policy: str, threshold: float) -> None:
    gater = make('ChannelGater', policy=policy, threshold=threshold)
    passes = np.array([[summary(policy, image[..., c]) >= threshold for c in range(5)] for image in MAPS])
    assert 0 < passes.mean() < 1
    state = gater.initial((3, 3, 5))
    assert run(gater, MAPS, state).tolist() == np.where(passes[:, None, None], MAPS, 0).tolist()
    expected = np.broadcast_to(passes[:, None, None], MAPS.shape).astype(float)
    assert gradients(gater, MAPS, state).tolist() == expected.tolist()


def test_without_arguments_the_mean_has_to_reach_1() -> None:
    gater = make('ChannelGater', threshold=None, policy=None)
    maps = np.stack([np.full((2, 2), 0.99), np.full((2, 2), 1.0)], -1)[None]
    assert run(gater, maps, gater.initial((2, 2, 2)))[0, 0, 0].tolist() == [0, 1]


def test_random_channels_pass_whole_and_as_often_as_the_ratio_says() -> None:
    gater = make('RandomChannelGater', ratio=0.3)
    result = run(gater, np.ones((200, 2, 2, 50)), gater.initial((2, 2, 50)))
    assert set(result.mean((1, 2)).ravel().tolist()) == {0.0, 1.0}
    assert abs(result.mean() - 0.3) < 0.02
    assert 0.2 < (result[:, 0, 0] != result[:1, 0, 0]).mean() < 0.6  # one image's channels are not another's
    assert gater.is_random()


def test_other_than_maps_are_refused() -> None:
    assert 'channels of maps' in str(make('ChannelGater').shape_problem((10,)))
