"""benchmarks/gates.py: other choices in place of a gate's own, by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import gates
from mayo.config import Config
from mayo.session.base import Session


@pytest.fixture
def session(config_of: Callable[..., Config]) -> Session:
    """A tiny network whose two gates pick 3 of 6 channels, by image."""
    session = Session(config_of(gated=True))
    session.load(fresh=True)
    return session


IMAGES = tf.constant(np.random.default_rng(0).uniform(-1, 1, (32, 8, 8, 1)), tf.float32)


def test_with_its_own_choice_the_network_is_what_it_is(session: Session) -> None:
    logits, masks = gates.forward(session, IMAGES, gates.own)
    outputs, stats = session.network(IMAGES)
    np.testing.assert_allclose(logits, outputs, rtol=1e-5, atol=1e-6)
    assert all((masks[name].numpy() == stat.mask.numpy()).all() for name, stat in stats.items())


@pytest.mark.parametrize('scales', [None, {'conv0': np.arange(6.0), 'conv1': np.ones(6)}])
def test_a_ranking_picks_the_same_channels_for_every_image(session: Session, scales: dict[str, Any] | None) -> None:
    ranks = {'conv0': np.array([1, 5, 2, 5, 0, 9]), 'conv1': np.arange(6)}
    choose = gates.of_one_ranking(ranks, scales)
    saliency = tf.constant(np.random.default_rng(1).uniform(0, 1, (32, 6)), tf.float32)
    scale, mask = choose('conv0', session.network.node_layers['conv0'], IMAGES, saliency)
    assert mask.numpy().tolist() == [[0, 1, 0, 1, 0, 1]] * 32
    np.testing.assert_array_equal(scale, saliency if scales is None else np.tile(np.float32(scales['conv0']), (32, 1)))
    _, masks = gates.forward(session, IMAGES, choose)
    assert masks['conv1'].numpy().tolist() == [[0, 0, 0, 1, 1, 1]] * 32


def test_chance_leaves_channels_that_all_use_and_never_picks_one_that_none_does(session: Session) -> None:
    use = {'conv0': np.array([1.0, 0.5, 0.0, 0.99, 0.1, 0.2])}
    saliency = tf.zeros((32, 6))
    _, mask = gates.by_chance(use)('conv0', session.network.node_layers['conv0'], IMAGES, saliency)
    assert (mask.numpy().sum(1) == 3).all()
    assert mask.numpy()[:, [0, 3]].all()
    assert not mask.numpy()[:, 2].any()
    assert 0 < mask.numpy()[:, 1].mean() < 1


def test_the_oracle_picks_the_channels_that_come_out_strongest(session: Session) -> None:
    layer = session.network.node_layers['conv0']
    _, mask = gates.oracle('conv0', layer, IMAGES, layer.gate.predict(layer.gate.summarize(IMAGES)))
    strength = layer(IMAGES, training=False, keep=tf.constant(6))[0].numpy().mean((1, 2))
    kept = strength > np.sort(strength, 1)[:, 2:3]
    np.testing.assert_array_equal(mask.numpy() > 0, kept)


def test_a_choice_is_measured_on_as_many_held_out_images_as_are_asked_for(session: Session) -> None:
    result = gates.measure(session, gates.of_one_ranking({'conv0': np.arange(6), 'conv1': np.arange(6)}), 16)
    assert round(16 * result.top1, 6) == round(16 * result.top1)
    assert (result.liveliness.turnover, result.liveliness.always, result.liveliness.never) == (0, 0.5, 0.5)
