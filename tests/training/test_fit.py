"""Fitted gates: nearly the dense network at density 1.0, with a choice of channels that depends on the image."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.layers import read_layer
from mayo.layers.linear import Linear
from mayo.session.base import Session
from mayo.training import fit as fitting
from mayo.training.fit import fit, fit_gates, norms_of

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)


@pytest.fixture
def session_of(config_of: Callable[..., Config]) -> Any:
    """A function that makes gated sessions which start warm from a dense network of uneven scales."""
    dense = Session(config_of('system.checkpoint.save=dense'))
    for name, variable in dense.named().items():
        if name.endswith(('gamma', 'beta')):
            variable.assign(np.linspace(0.5, 1.5, variable.shape[0]))
    dense.load(fresh=True)
    dense.save()

    def make(*words: str, density: float = 1.0) -> Session:
        session = Session(config_of('system.checkpoint.load=dense', *words, gated=True), density)
        session.load()
        return session

    make.dense = dense
    return make


@pytest.mark.parametrize(
    'words',
    [
        (),
        ('model.layers.conv0.gate_params.add_beta_first=true',),
        ('model.layers.conv1.gate_params.policy=squeeze',),
        ('model.layers.conv1.gate_params.pool=max',),
    ],
)
def test_at_density_one_the_network_is_the_dense_one_but_for_the_spread(
    session_of: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(fitting, 'SPREAD', 1e-5)
    session = session_of(*words)
    before = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    fit_gates(session, 64)
    changed = {name for name, variable in session.network.named_variables().items() if (variable.numpy() != before[name]).any()}
    assert {'conv0/gate/weights', 'conv1/gate/weights', 'conv1/weights', 'logits/weights'} <= changed
    np.testing.assert_allclose(session.network(IMAGES)[0], session_of.dense.network(IMAGES)[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    'spelling',
    ['relu', 'tf.nn.relu', 'tensorflow.nn.relu', 'keras.activations.relu', '{type: relu}', '{type: leaky_relu}', 'null'],
)
def test_however_an_activation_is_spelled_that_keeps_scales_its_gate_is_fitted(
    session_of: Any, spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fit_gates(session_of(f'model.layers.conv0.activation_fn={spelling}'), 32)
    assert caplog.messages[-1] == 'fitted to 32 images: the gates of conv0, conv1'


@pytest.mark.parametrize(
    'word, gate, reason',
    [
        ('conv1.activation_fn=relu6', 'conv1', 'its activation does not keep scales, as relu does'),
        ('conv1.activation_fn={type: relu, max_value: 6}', 'conv1', 'its activation does not keep scales, as relu does'),
        ('conv1.gate_params.policy=naive', 'conv1', 'its policy adds no b'),
        ('conv1.gate_params.pool=l2', 'conv1', 'gate_params.pool is l2'),
        ('conv1.num_groups=2', 'conv0', 'conv1 does not read its channels one by one'),
    ],
)
def test_a_gate_that_cannot_be_fitted_says_why(
    session_of: Any, word: str, gate: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = session_of(f'model.layers.{word}', 'system.checkpoint.load=null')
    phi = session.network.named_variables()[f'{gate}/gate/weights']
    phi.assign(np.zeros(phi.shape))
    fit_gates(session, 32)
    assert f'the gate of {gate} is not fitted: {reason}' in caplog.messages
    assert not phi.numpy().any()


@pytest.mark.parametrize('epsilon', [0.001, 3.0])
def test_weights_count_in_units_of_what_the_norm_of_their_layer_divides_by(epsilon: float) -> None:
    keys = {'kernel_size': 1, 'num_outputs': 2, 'normalizer_fn': 'keras.layers.BatchNormalization'}
    layer = read_layer('convolution', {**keys, 'normalizer_params': {'epsilon': epsilon}})
    assert isinstance(layer, Linear)
    weights, variance = np.arange(6.0).reshape(1, 1, 3, 2), np.array([1.0, 0.25])
    variables = {'r/weights': tf.Variable(weights), 'r/BatchNorm/moving_variance': tf.Variable(variance)}
    expected = (weights[0, 0] ** 2 / (variance + epsilon)).sum(1)
    np.testing.assert_allclose(norms_of('r', layer, variables), expected)


def test_gates_that_have_learned_and_what_reads_them_are_left_alone(session_of: Any) -> None:
    session = session_of()
    phi = session.network.named_variables()['conv1/gate/weights']
    phi.assign(phi + 0.25)
    before = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    fit_gates(session, 32)
    changed = {name for name, variable in session.network.named_variables().items() if (variable.numpy() != before[name]).any()}
    assert changed == {'conv0/gate/weights', 'conv0/gate/biases', 'conv0/gate/shift', 'conv1/weights'}


def test_channels_that_would_lose_are_fitted_like_the_others(session_of: Any) -> None:
    session = session_of(density=0.5)
    fit_gates(session, 64)
    for name in 'conv0', 'conv1':
        phi, rho = (session.network.named_variables()[f'{name}/gate/{part}'].numpy() for part in ('weights', 'biases'))
        assert phi.any(0).all(), name  # a loser's importance is not the constant that silence would give
        assert len(np.unique(rho)) == len(rho), name


def test_where_channels_are_suppressed_averages_are_taken_anew(session_of: Any) -> None:
    for density, is_new in (1.0, False), (0.5, True):
        session = session_of(density=density)
        average = session.network.named_variables()['conv1/BatchNorm/moving_variance']
        before = average.numpy()
        fit_gates(session, 64)
        assert (average.numpy() != before).all() == is_new
        assert session.network.node_layers['conv1'].norm.momentum == 0.9


def test_saliencies_are_alike_in_the_mean_and_rank_channels_by_their_importance() -> None:
    random = np.random.default_rng(0)
    summary = random.uniform(0, 1, (500, 3))
    importance = np.exp(summary @ random.normal(size=(3, 8)) + random.normal(size=8))
    rho = random.uniform(0.4, 1.5, 8)
    phi, biases, scale = fit(summary, importance, rho)
    saliency = summary @ phi + biases
    np.testing.assert_allclose(saliency.mean(0), scale * rho, rtol=1e-6)  # as it was, in units of a
    np.testing.assert_allclose(saliency / rho.mean(), 1, atol=6 * fitting.SPREAD)
    agreement = [np.corrcoef(of_one, np.log(wanted))[0, 1] for of_one, wanted in zip(saliency, importance, strict=True)]
    assert min(agreement) > 0.8
    assert np.mean(agreement) > 0.95
    assert len(np.unique(saliency.argmax(1))) > 1  # the image decides


def test_a_channel_without_a_scale_never_wins() -> None:
    random = np.random.default_rng(0)
    summary, importance = random.uniform(0, 1, (50, 3)), random.uniform(1, 2, (50, 4))
    phi, biases, scale = fit(summary, importance, np.array([1.0, 0.8, 0.0, 1.2]))
    saliency = summary @ phi + biases
    assert (saliency.argmin(1) == 2).all()
    assert np.isfinite(scale).all()
