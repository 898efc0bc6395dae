"""What suppression promises whatever the weights: exact zeros, never too many winners, no gradient to what lost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import read_layer
from mayo.net.tf.layer import Site, builders
from mayo.net.tf.variables import named_variables

POLICIES = ['parametric', 'squeeze', 'naive', 'select']


def slopes_of(layer: Any, images: Any, training: bool = True) -> tuple[Any, Any]:
    """The gradient of the sum of the outputs, by name."""
    with tf.GradientTape() as tape:
        outputs, stats = layer(images, training=training)
        loss = tf.reduce_sum(outputs * outputs)
    return tape.gradient(loss, {name: variable.value for name, variable in named_variables(layer) if variable.trainable}), stats


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('policy', POLICIES)
def test_suppressed_channels_are_exactly_zero_and_never_too_few(
    gated: Callable[..., Any], images: Any, policy: str, training: bool
) -> None:
    layer = gated(gate_params={'policy': policy, 'density': 0.51})  # 3 of 4
    outputs, stats = layer(images, training=training)
    mask = stats.mask.numpy()
    assert set(np.unique(mask)) == {0, 1}
    assert (mask.sum(1) <= 3).all()
    silent = np.abs(outputs.numpy()).max((1, 2)) == 0
    assert silent[mask == 0].all()
    assert not silent[mask == 1].all()


@pytest.mark.parametrize('first', [True, False])
def test_a_channel_that_no_image_needs_gets_no_gradient(gated: Callable[..., Any], images: Any, first: bool) -> None:
    layer = gated(gate_params={'density': 0.5, 'add_beta_first': first})
    variables = dict(named_variables(layer))
    variables['gate/biases'].assign([0.1, 50.0, 60.0, 0.2])  # channels 0 and 3 lose for every image
    slopes, stats = slopes_of(layer, images)
    assert stats.mask.numpy().tolist() == [[0, 1, 1, 0]] * 6
    for name in ('weights', 'gate/weights', 'gate/biases', 'gate/shift'):
        slope = slopes[name].numpy()
        assert not slope[..., [0, 3]].any(), name
        assert np.abs(slope[..., [1, 2]]).max() > 1e-3, name


def test_no_gradient_passes_through_the_mask(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5})
    with tf.GradientTape() as tape:
        mask = layer(images, training=True)[1].mask
    gate = {name: variable.value for name, variable in named_variables(layer) if name.startswith('gate/')}
    assert set(tape.gradient(mask, gate).values()) == {None}


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('policy', POLICIES)
def test_all_zero_saliency_gives_exact_zeros_and_finite_gradients(
    gated: Callable[..., Any], images: Any, policy: str, training: bool
) -> None:
    layer = gated(gate_params={'policy': policy, 'density': 0.5})
    for name, variable in named_variables(layer):
        if name in ('gate/weights', 'gate/biases'):
            variable.assign(tf.zeros(variable.shape) - 1)
    outputs, stats = layer(np.abs(images), training=training)
    assert not stats.saliency.numpy().any()
    assert not stats.mask.numpy().any()
    assert not outputs.numpy().any()
    slopes, _ = slopes_of(layer, np.abs(images), training)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes.values() if slope is not None)


@pytest.mark.parametrize('policy', POLICIES)
def test_density_one_equals_the_network_without_suppression(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any, policy: str
) -> None:
    layer = gated(gate_params={'policy': policy, 'density': 1.0})
    everything = reference(images.astype('float64'), weights(layer), {'policy': policy}, mask=np.ones((6, 4)))
    outputs, stats = layer(images, training=True)
    assert stats.mask.numpy().all()
    np.testing.assert_allclose(outputs, everything['y'], rtol=1e-4, atol=1e-5)


def test_a_frozen_gate_keeps_its_variables_and_the_convolution_learns(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5, 'trainable': False, 'factor': 2, 'parametric_beta': True})
    assert [name for name, variable in named_variables(layer) if variable.trainable] == ['weights']
    assert len(layer.trainable_variables) == 1
    assert slopes_of(layer, images)[0]['weights'].numpy().any()


def test_a_disabled_gate_leaves_the_ordinary_convolution(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'enable': False, 'density': 0.5})
    assert {name for name, _ in named_variables(layer)} == {
        'weights',
        'BatchNorm/gamma',
        'BatchNorm/beta',
        'BatchNorm/moving_mean',
        'BatchNorm/moving_variance',
    }
    assert layer(images).shape == (6, 5, 4, 4)


PHI, RHO = {'gate/weights': (3, 4)}, {'gate/biases': (4,)}
SHIFT = {'gate/shift': (4,)}
HIDDEN = {'gate/factor/weights': (3, 2), 'gate/factor/biases': (2,), 'gate/weights': (2, 4)}


@pytest.mark.parametrize(
    ('gate', 'names'),
    [
        ({}, PHI | RHO | SHIFT),
        ({'factor': 2}, HIDDEN | RHO | SHIFT),
        ({'factor': 3}, HIDDEN | RHO | SHIFT),
        ({'parametric_beta': True}, PHI | RHO | {'gate/beta/weights': (3, 4), 'gate/beta/biases': (4,)}),
        ({'threshold': 'local', 'density': 0.5}, PHI | RHO | SHIFT | {'gate/threshold': ()}),
        ({'policy': 'naive'}, PHI | RHO),
    ],
)
def test_variables_have_their_names_in_checkpoints(gated: Callable[..., Any], gate: dict[str, Any], names: Any) -> None:
    shapes = {name: tuple(variable.shape) for name, variable in named_variables(gated(gate_params=gate))}
    assert {name: shape for name, shape in shapes.items() if name.startswith('gate/')} == names


def test_a_fresh_gate_starts_with_rho_one_b_a_tenth_and_small_phi() -> None:
    params = read_layer('gated_convolution', {'kernel_size': 1, 'num_outputs': 512})
    layer = builders['gated_convolution'](params, [(None, 2, 2, 8)], Site('conv0'))
    layer.build((None, 2, 2, 8))
    variables = {name: variable.numpy() for name, variable in named_variables(layer)}
    assert variables['gate/biases'].tolist() == [1.0] * 512
    np.testing.assert_allclose(variables['gate/shift'], 0.1)
    assert 0.04 < variables['gate/weights'].std() < 0.06
    assert np.abs(variables['gate/weights']).max() < 0.12


def test_without_a_normalizer_b_is_the_bias(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5}, normalizer_fn=None, normalizer_params=None)
    assert {name for name, _ in named_variables(layer)} == {'weights', 'gate/weights', 'gate/biases', 'gate/shift'}
    outputs, stats = layer(images, training=True)
    convolved = layer.linear(images).numpy()
    g, mask, b = stats.saliency.numpy(), stats.mask.numpy(), layer.gate.shift.numpy()
    expected = np.maximum((mask * g)[:, None, None] * convolved + (mask * b)[:, None, None], 0)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_another_activation_takes_the_place_of_relu(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5}, activation_fn='tanh')
    plain = gated(gate_params={'density': 0.5}, activation_fn=None)
    np.testing.assert_allclose(layer(images)[0], np.tanh(plain(images)[0]), rtol=1e-5)


def test_training_moves_the_averages_of_the_norm_as_without_a_gate(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5})
    before = layer.norm.moving_mean.numpy(), layer.norm.moving_variance.numpy()
    convolved = layer.linear(images).numpy()
    layer(images, training=True)
    np.testing.assert_allclose(layer.norm.moving_mean, before[0] * 0.9 + convolved.mean((0, 1, 2)) * 0.1, rtol=1e-4)
    population = convolved.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.norm.moving_variance, before[1] * 0.9 + population * 0.1, rtol=1e-4)


def test_a_frozen_layer_trains_with_the_averages_it_has(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5})
    layer.trainable = False
    before = layer.norm.moving_mean.numpy()
    np.testing.assert_allclose(layer(images, training=True)[0], layer(images, training=False)[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.norm.moving_mean, before)


def test_under_mixed_precision_the_choice_is_made_in_float32(gated: Callable[..., Any], images: Any) -> None:
    mixed, full = (gated(gate_params={'density': 0.5}, dtype=dtype) for dtype in ('mixed_bfloat16', 'float32'))
    for training in (True, False):
        (low, stats), (high, exact) = mixed(images, training=training), full(images, training=training)
        assert (low.dtype, stats.saliency.dtype, stats.mask.dtype) == (tf.bfloat16, tf.float32, tf.float32)
        np.testing.assert_allclose(stats.saliency, exact.saliency, rtol=0.02, atol=0.02)
        np.testing.assert_allclose(tf.cast(low, tf.float32), high, atol=0.1)


@pytest.mark.parametrize('policy', POLICIES)
def test_regularizers_enter_the_loss_with_their_weights(gated: Callable[..., Any], images: Any, policy: str) -> None:
    gate = {'policy': policy, 'density': 0.5}
    bare = gated(gate_params=gate)(images, training=True)[1]
    regular = gated(gate_params=gate | {'regularizer': {'l1': 0.5, 'l2': 0.25}})(images, training=True)[1]
    g = bare.saliency.numpy()
    added = 0.5 * np.abs(g).sum(1).mean() + 0.25 * (g**2).sum(1).mean()
    np.testing.assert_allclose(regular.penalty - bare.penalty, added, rtol=1e-5)
