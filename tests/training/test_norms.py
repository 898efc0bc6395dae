"""Batch norm's averages anew: those of the batches, whatever the momentum, without dropout."""

from collections.abc import Callable

import numpy as np
import pytest

from mayo.config import Config
from mayo.session.base import Session
from mayo.training.norms import take_averages
from mayo.training.trainer import train

MEAN = 'conv1/BatchNorm/moving_mean'
VARIANCE = 'conv1/BatchNorm/moving_variance'


def batches() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.uniform(-1, 1, (16, 8, 8, 1)).astype(np.float32) for _ in range(3)]


def moments(outputs: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a convolution of 3 x 3 weights [3, 3, 6, 6]: its mean and variance by channel, the latter of the population."""
    padded = np.pad(outputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = outputs.shape[1:3]
    windows = np.stack([padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)], -2)
    values = np.einsum('nhwkc,kco->nhwo', windows, weights.reshape(9, 6, 6)).reshape(-1, 6)
    return values.mean(0), values.var(0, ddof=1)


@pytest.mark.parametrize('overrider', [None, 'model.overrider={weights: {q: {type: FixedPointQuantizer, width: 3, point: 1}}}'])
def test_averages_are_the_means_over_batches_of_the_overridden_network(
    config_of: Callable[..., Config], overrider: str | None
) -> None:
    network = Session(config_of(*([overrider] if overrider else []))).network
    drop, norm = network.node_layers['drop'], network.node_layers['conv1'].norm
    before, weights, expected = (drop.rate, norm.momentum), network.effective_weights(), []
    drop.rate = 0
    for images in batches():
        expected.append(moments(network.activations(images, training=True)['conv0'].numpy(), weights['conv1/weights']))
    drop.rate = before[0]
    take_averages(network, iter(batches()))
    assert (drop.rate, norm.momentum) == before
    means, variances = (np.mean(values, 0) for values in zip(*expected, strict=True))
    learned = network.named_variables()
    np.testing.assert_allclose(learned[MEAN].numpy(), means, atol=1e-5)
    np.testing.assert_allclose(learned[VARIANCE].numpy(), variances, rtol=1e-3)


@pytest.mark.parametrize('average', [None, 0.9])
def test_training_ends_with_averages_anew_for_the_weights_that_are_saved(
    config_of: Callable[..., Config], average: float | None
) -> None:
    words = ['train.max_epochs=1', 'train.validate=false', f'train.average={average or "null"}']
    saved = {}
    for images in (0, 96):
        config = config_of(*words, f'train.norm_images={images}', f'system.checkpoint.save=norm{images}')
        train(Session(config))
        again = Session(config_of(f'system.checkpoint.load=norm{images}-epoch-1'))
        again.load()
        saved[images] = {name: variable.numpy() for name, variable in again.network.named_variables().items()}
    changed = {name for name in saved[0] if not np.array_equal(saved[0][name], saved[96][name])}
    assert changed == {f'conv{layer}/BatchNorm/moving_{what}' for layer in (0, 1) for what in ('mean', 'variance')}
