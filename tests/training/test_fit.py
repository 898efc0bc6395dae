"""Fitted gates: nearly the dense network at density 1.0, with a choice of channels that depends on the image."""

import numpy as np
import pytest

from mayo.session.base import Session
from mayo.training import fit as fitting
from mayo.training.fit import fit, fit_gates

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype(np.float32)


@pytest.fixture
def session_of(config_of):
    """A function that makes gated sessions which start warm from a dense network of uneven scales."""
    dense = Session(config_of('system.checkpoint.save=dense'))
    for name, variable in dense.named().items():
        if name.endswith(('gamma', 'beta')):
            variable.assign(np.linspace(0.5, 1.5, variable.shape[0]))
    dense.load(fresh=True)
    dense.save()

    def make(*words, density=1.0):
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
def test_at_density_one_the_network_is_the_dense_one_but_for_the_spread(session_of, monkeypatch, words):
    monkeypatch.setattr(fitting, 'SPREAD', 1e-5)
    session = session_of(*words)
    before = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    fit_gates(session, 64)
    changed = {name for name, variable in session.network.named_variables().items() if (variable.numpy() != before[name]).any()}
    assert {'conv0/gate/weights', 'conv1/gate/weights', 'conv1/weights', 'logits/weights'} <= changed
    np.testing.assert_allclose(session.network(IMAGES)[0], session_of.dense.network(IMAGES)[0], rtol=1e-3, atol=1e-4)


def test_gates_that_have_learned_and_what_reads_them_are_left_alone(session_of):
    session = session_of()
    phi = session.network.named_variables()['conv1/gate/weights']
    phi.assign(phi + 0.25)
    before = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    fit_gates(session, 32)
    changed = {name for name, variable in session.network.named_variables().items() if (variable.numpy() != before[name]).any()}
    assert changed == {'conv0/gate/weights', 'conv0/gate/biases', 'conv0/gate/shift', 'conv1/weights'}


def test_channels_that_would_lose_are_fitted_like_the_others(session_of):
    session = session_of(density=0.5)
    fit_gates(session, 64)
    for name in 'conv0', 'conv1':
        phi, rho = (session.network.named_variables()[f'{name}/gate/{part}'].numpy() for part in ('weights', 'biases'))
        assert phi.any(0).all(), name  # a loser's importance is not the constant that silence would give
        assert len(np.unique(rho)) == len(rho), name


def test_where_channels_are_suppressed_averages_are_taken_anew(session_of):
    for density, is_new in (1.0, False), (0.5, True):
        session = session_of(density=density)
        average = session.network.named_variables()['conv1/BatchNorm/moving_variance']
        before = average.numpy()
        fit_gates(session, 64)
        assert (average.numpy() != before).all() == is_new
        assert session.network.node_layers['conv1'].norm.momentum == 0.9


def test_saliencies_are_alike_in_the_mean_and_rank_channels_by_their_importance():
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


def test_a_channel_without_a_scale_never_wins():
    random = np.random.default_rng(0)
    summary, importance = random.uniform(0, 1, (50, 3)), random.uniform(1, 2, (50, 4))
    phi, biases, scale = fit(summary, importance, np.array([1.0, 0.8, 0.0, 1.2]))
    saliency = summary @ phi + biases
    assert (saliency.argmin(1) == 2).all()
    assert np.isfinite(scale).all()
