"""`noise`: in training chance decides among channels near the cut, under every policy; evaluation draws nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.layers.gate import GateParams
from mayo.layers.policy import discover, policies
from mayo.net.tf.variables import named_variables
from mayo.util.errors import UserError

discover()


def chances(layer: Any, images: Any, runs: int = 200) -> np.ndarray:
    """[N, C]: how often each channel wins in training."""
    return np.mean([layer(images, training=True)[1].mask for _ in range(runs)], axis=0)


@pytest.mark.parametrize('policy', policies)
def test_as_many_win_and_those_of_higher_saliency_more_often(gated: Callable[..., Any], images: Any, policy: str) -> None:
    layer = gated(gate_params={'policy': policy, 'density': 0.5, 'noise': 1.0})
    outputs, stats = layer(images, training=True)
    assert (stats.mask.numpy().sum(1) == 2).all()
    assert (outputs.numpy()[np.broadcast_to(stats.mask.numpy()[:, None, None] == 0, outputs.shape)] == 0).all()
    won = chances(layer, images)
    assert ((won > 0.01) & (won < 0.99)).mean() > 0.5
    saliency = stats.saliency.numpy()
    rows = np.arange(len(saliency))
    assert (won[rows, saliency.argmax(1)] > won[rows, saliency.argmin(1)]).all()


def test_the_noise_is_in_deviations_of_the_saliency(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5, 'noise': 0.25})
    variables = dict(named_variables(layer))
    variables['gate/weights'].assign(np.zeros((3, 4)))
    variables['gate/biases'].assign([1.0, 2.0, 3.0, 4.0])
    saliency = layer(images, training=True)[1].saliency
    drawn = np.stack([layer.gate.chance(saliency) for _ in range(500)])
    np.testing.assert_allclose(drawn.std(), 0.25 * np.std([1, 2, 3, 4]), rtol=0.05)
    np.testing.assert_allclose(drawn.mean(), 0, atol=0.02)


@pytest.mark.parametrize('policy', policies)
def test_evaluation_is_that_without_noise(gated: Callable[..., Any], images: Any, policy: str) -> None:
    noisy, plain = (gated(gate_params={'policy': policy, 'density': 0.5, 'noise': noise}) for noise in (1.0, 0.0))
    np.testing.assert_array_equal(noisy(images)[0], plain(images)[0])


def test_a_resumed_training_draws_what_it_would_have(gated: Callable[..., Any], images: Any) -> None:
    first, second = (gated(gate_params={'density': 0.5, 'noise': 1.0}) for _ in range(2))
    for _ in range(3):
        first(images, training=True)
    second.gate.seed_generator.state.assign(first.gate.seed_generator.state.numpy())
    np.testing.assert_array_equal(first(images, training=True)[1].mask, second(images, training=True)[1].mask)


@pytest.mark.parametrize('threshold', ['local', 'global'])
def test_a_moving_average_of_noisy_cuts_is_refused(threshold: str) -> None:
    with pytest.raises(UserError) as error:
        GateParams(noise=0.1, threshold=threshold)
    assert str(error.value) == (
        f'noise: threshold {threshold} averages what it adds to saliencies; set threshold to online or learned.'
    )
