"""Every policy and parameter against the formulas in NumPy: what goes forward, and every gradient by finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.net.tf.variables import named_variables

GATES = [
    {'density': 0.5},
    {'density': 1.0},
    {'density': 0.5, 'add_beta_first': True},
    {'density': 0.75, 'factor': 2},
    {'density': 0.5, 'parametric_beta': True},
    {'density': 0.5, 'parametric_beta': True, 'add_beta_first': True},
    {'density': 0.5, 'pool': 'l1'},
    {'density': 0.5, 'pool': 'l2'},
    {'density': 0.5, 'pool': 'max'},
    {'density': 0.5, 'granularity': 'vector'},
    {'density': 0.5, 'granularity': 'vector', 'pool': 'max', 'parametric_beta': True},
    {'density': 0.5, 'norm': 'channel', 'epsilon': 0.1},
    {'density': 0.5, 'policy': 'squeeze'},
    {'density': 0.5, 'policy': 'squeeze', 'parametric_beta': True, 'granularity': 'vector'},
    {'density': 0.5, 'policy': 'naive'},
    {'density': 0.5, 'policy': 'naive', 'granularity': 'vector', 'pool': 'l2'},
    {'density': 1.0, 'policy': 'select'},
]
SLOPED = [  # whose mask has a slope: test_select.py has their gradients
    {'density': 0.5, 'policy': 'select'},
    {'density': 0.5, 'policy': 'select', 'granularity': 'vector', 'pool': 'max', 'factor': 2},
]


def name_of(gate: dict[str, Any]) -> str:
    """How pytest shows it."""
    return ' '.join(f'{key}={value}' for key, value in gate.items())


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('gate', GATES + SLOPED, ids=name_of)
def test_a_gate_computes_its_formula(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any, gate: dict[str, Any], training: bool
) -> None:
    layer = gated(gate_params=gate)
    expected = reference(images.astype('float64'), weights(layer), gate, training)
    outputs, stats = layer(images, training=training)
    np.testing.assert_allclose(outputs, expected['y'], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(stats.saliency, expected['g'], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(stats.mask, expected['mask'])
    np.testing.assert_allclose(stats.penalty, expected['loss'], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('gate', GATES, ids=name_of)
def test_gradients_are_those_of_the_formula_with_the_mask_held_fixed(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any, gate: dict[str, Any]
) -> None:
    layer = gated(gate_params=gate)
    upstream = np.random.default_rng(5).normal(size=layer.compute_output_shape(images.shape))
    source = tf.Variable(images)
    variables = {name: variable for name, variable in named_variables(layer) if variable.trainable}
    with tf.GradientTape() as tape:
        outputs, stats = layer(source, training=True)
        loss = tf.reduce_sum(outputs * upstream) + stats.penalty
    watched = {'x': source} | {name: variable.value for name, variable in variables.items()}
    gradients = tape.gradient(loss, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    values = {'x': images.astype('float64')} | weights(layer)
    fixed = reference(values['x'], values, gate)
    naive = gate.get('policy') == 'naive'

    def reference_loss(at: Any) -> Any:
        result = reference(at['x'], at, gate, mask=fixed['mask'])
        return np.sum(result['y'] * upstream) + (0 if naive else result['loss'])

    for name, gradient in gradients.items():
        if naive and '/' in name and name.startswith('gate'):
            continue  # test_naive: these learn from the loss alone
        np.testing.assert_allclose(gradient, differences(reference_loss, values, name), rtol=2e-3, atol=2e-4, err_msg=name)


def differences(function: Any, at: Any, name: str, step: float = 1e-6) -> Any:
    """Central differences of `function` with respect to at[name]."""
    slopes = np.zeros_like(at[name])
    for index in np.ndindex(slopes.shape):
        sides = []
        for sign in (1, -1):
            moved = at[name].copy()
            moved[index] += sign * step
            sides.append(function(at | {name: moved}))
        slopes[index] = (sides[0] - sides[1]) / (2 * step)
    return slopes


@pytest.mark.parametrize('padding', ['valid', 'same', 1, 2])
@pytest.mark.parametrize('stride', [1, 2])
def test_a_gate_per_row_sees_the_rows_that_the_convolution_reads(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any, padding: str | int, stride: int
) -> None:
    gate = {'density': 0.5, 'granularity': 'vector', 'pool': 'max'}
    layer = gated(gate_params=gate, padding=padding, stride=stride)
    source = np.abs(images)  # so that the zeros around never are the maximum
    outputs, stats = layer(source, training=False)
    expected = reference(source.astype('float64'), weights(layer), gate, False, padding=padding, stride=stride)
    np.testing.assert_allclose(outputs, expected['y'], rtol=1e-4, atol=1e-5)
    assert stats.mask.shape == (*outputs.shape[:2], 4)


def test_the_naive_loss_teaches_the_gate_and_nothing_else(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any
) -> None:
    gate = {'density': 0.5, 'policy': 'naive'}
    layer = gated(gate_params=gate)
    with tf.GradientTape() as tape:
        loss = layer(images, training=True)[1].penalty
    slopes = tape.gradient(loss, {name: variable.value for name, variable in named_variables(layer) if variable.trainable})
    assert {name for name, slope in slopes.items() if slope is not None} == {'gate/weights', 'gate/biases'}
    at = {'x': images.astype('float64')} | weights(layer)
    for name in ('gate/weights', 'gate/biases'):
        numeric = differences(lambda moved: reference(moved['x'], moved, gate)['loss'], at, name)
        np.testing.assert_allclose(slopes[name], numeric, rtol=1e-3, atol=1e-5)
