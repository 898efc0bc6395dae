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
from mayo.session import data
from mayo.session.base import Session
from mayo.training import fit as fitting
from mayo.training.fit import Fitted, fit, fit_choice, fit_gates, gated_values, norms_of

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
        ('conv1.gate_params={policy: naive, granularity: vector}', 'conv1', 'gate_params.granularity is vector'),
        ('conv1.gate_params={policy: select, factor: 2}', 'conv1', 'gate_params.factor is set'),
        ('conv1.gate_params.pool=l2', 'conv1', 'gate_params.pool is l2'),
        ('conv1.num_groups=2', 'conv0', 'conv1 does not read its channels one by one'),
    ],
)
def test_a_gate_that_cannot_be_fitted_says_why(
    session_of: Any, word: str, gate: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = session_of(f'model.layers.{word}', 'system.checkpoint.load=null')
    variables = session.network.named_variables()
    phi = variables.get(f'{gate}/gate/factor/weights', variables[f'{gate}/gate/weights'])
    phi.assign(np.zeros(phi.shape))
    assert gate not in fit_gates(session, 32)
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


@pytest.mark.parametrize('policy', ['select', 'naive'])
def test_a_gate_that_scales_nothing_foresees_strengths_and_leaves_the_network_as_it_was(session_of: Any, policy: str) -> None:
    words = [f'model.layers.{name}.gate_params.policy={policy}' for name in ('conv0', 'conv1')]
    session = session_of(*words)
    before = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    fitted = fit_gates(session, 64)
    changed = {name for name, variable in session.network.named_variables().items() if (variable.numpy() != before[name]).any()}
    assert changed == {f'{name}/gate/{part}' for name in fitted for part in ('weights', 'biases')}
    np.testing.assert_allclose(session.network(IMAGES)[0], session_of.dense.network(IMAGES)[0], rtol=1e-4, atol=1e-5)
    assert fitted['conv0'] == Fitted(6, 6, 1.0, 1.0)


@pytest.mark.parametrize('policy', ['select', 'naive', 'parametric'])
def test_agreement_is_the_share_of_an_images_best_channels_that_the_gate_picks(
    session_of: Any, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = session_of(f'model.layers.conv0.gate_params.policy={policy}', density=0.5)
    fitted = fit_gates(session, 96)['conv0']
    variables = session.network.named_variables()
    config = session.config.copy()
    config.merge_word('dataset.task.preprocess.train=$(dataset.task.preprocess.validate)')
    shared: list[float] = []
    bests: list[set[int]] = []
    for images, _ in data.epoch_of(config, 'train', batch_size=16):
        _, layer, source, outputs = next(gated_values(session, images, 'conv0'))
        strength = outputs.numpy().mean((1, 2)) if policy != 'parametric' else np.sqrt((outputs.numpy() ** 2).mean((1, 2)))
        if policy == 'parametric':
            strength = strength * np.sqrt(norms_of('conv1', session.graph['conv1'].params, variables))
        g = layer.gate.predict(layer.gate.summarize(source)).numpy()
        bests += [set(row) for row in np.argsort(-strength, 1)[:, :3].tolist()]
        picked = np.argsort(-g, 1)[:, :3].tolist()
        shared += [len({*row} & best) / 3 for row, best in zip(picked, bests[-len(picked) :], strict=True)]
    counts = np.bincount([channel for best in bests for channel in best], minlength=6)
    most = set(np.argsort(-counts, kind='stable')[:3].tolist())
    fixed = [len(best & most) / 3 for best in bests]
    assert (fitted.picked, fitted.channels) == (3, 6)
    assert fitted.agreement == pytest.approx(np.mean(shared), abs=0.02)
    assert fitted.fixed == pytest.approx(np.mean(fixed), abs=0.02)
    assert f'share of the best channels of an image that they pick: conv0 {fitted.agreement:.3f}, conv1 ' in caplog.messages[-1]


def test_a_choice_is_a_ridge_regression_of_strength_whose_order_counts() -> None:
    random = np.random.default_rng(0)
    summary = random.uniform(0, 1, (400, 3))
    strength = summary @ random.normal(size=(3, 5)) + random.normal(size=5)
    phi, rho = fit_choice(summary, strength, as_it_is=True)
    predicted = summary @ phi + rho
    x = (summary - summary.mean(0)) / summary.std(0)
    slope = np.linalg.solve(x.T @ x + fitting.RIDGE * len(x) * np.eye(3), x.T @ (strength - strength.mean(0)))
    np.testing.assert_allclose(predicted, x @ slope + strength.mean(0), rtol=1e-4, atol=1e-5)
    phi, rho = fit_choice(summary, strength, as_it_is=False)
    ranked = summary @ phi + rho
    np.testing.assert_allclose((ranked.std(), ranked.min()), (1.0, fitting.ROOM), rtol=1e-6)
    np.testing.assert_array_equal(np.argsort(ranked, 1), np.argsort(predicted, 1))


def test_a_choice_that_has_learned_is_left_alone(session_of: Any) -> None:
    session = session_of('model.layers.conv0.gate_params.policy=select')
    assert list(fit_gates(session, 32)) == ['conv0', 'conv1']
    assert list(fit_gates(session, 32)) == []
