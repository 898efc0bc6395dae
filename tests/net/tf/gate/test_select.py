"""The policy `select`: it ranks and scales nothing, and learns from the losers near the cut as from the winners."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.net.tf.gate.kernel import silence
from mayo.net.tf.gate.select import with_slope
from mayo.net.tf.variables import named_variables
from tests.net.tf.gate.test_formulas import differences, name_of

GATES = [
    {'density': 0.5, 'policy': 'select'},
    {'density': 0.75, 'policy': 'select', 'temperature': 2.0},
    {'density': 0.5, 'policy': 'select', 'granularity': 'vector'},
]


@pytest.mark.parametrize('gate', GATES, ids=name_of)
def test_gradients_are_those_of_the_mask_and_its_straight_through_slope(
    gated: Callable[..., Any], images: Any, weights: Any, reference: Any, gate: dict[str, Any]
) -> None:
    layer = gated(gate_params=gate)
    variables = {name: variable for name, variable in named_variables(layer) if variable.trainable}
    source = tf.Variable(images)
    upstream = np.random.default_rng(5).normal(size=layer.compute_output_shape(images.shape))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(source, training=True)[0] * upstream)
    slopes = tape.gradient(loss, {'x': source} | {name: variable.value for name, variable in variables.items()})

    values = {'x': images.astype('float64')} | weights(layer)
    start = reference(values['x'], values, gate)
    g, mask = start['g'], start['mask']
    cut = np.where(mask > 0, -np.inf, g).max(-1, keepdims=True)

    def soft(saliency: Any) -> Any:
        return 1 / (1 + np.exp(-(saliency - cut) / (gate.get('temperature', 0.5) * g.std())))

    def surrogate(at: Any) -> Any:
        whole = reference(at['x'], at, gate, mask=np.ones_like(mask))
        gains = mask + soft(whole['g']) - soft(g)
        spread = gains[:, :, None] if gains.ndim == 3 else gains[:, None, None]
        return np.sum(whole['y'] * spread * upstream)

    for name, slope in slopes.items():
        np.testing.assert_allclose(slope, differences(surrogate, values, name), rtol=5e-3, atol=1e-3, err_msg=name)


def test_a_loser_near_the_cut_learns_and_one_far_below_does_not(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 0.5, 'policy': 'select', 'temperature': 0.05})
    variables = dict(named_variables(layer))
    variables['gate/weights'].assign(np.zeros((3, 4)))
    variables['gate/biases'].assign([1.0, 9.0, 9.1, 8.9])
    with tf.GradientTape() as tape:
        outputs, stats = layer(images, training=True)
        loss = tf.reduce_sum(outputs * outputs) + tf.reduce_sum(outputs)
    assert stats.mask.numpy().tolist() == [[0, 1, 1, 0]] * 6
    slope = tape.gradient(loss, variables['gate/biases'].value).numpy()
    assert abs(slope[0]) < 1e-4 < abs(slope[3])


def test_at_density_one_the_outputs_and_gradients_are_those_without_a_gate(gated: Callable[..., Any], images: Any) -> None:
    layer = gated(gate_params={'density': 1.0, 'policy': 'select'})
    plain = gated(gate_params={'enable': False})
    for name, variable in named_variables(plain):
        variable.assign(dict(named_variables(layer))[name])
    np.testing.assert_array_equal(layer(images, training=True)[0], plain(images, training=True))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(images, training=True)[0] ** 2)
    variables = {name: variable.value for name, variable in named_variables(layer) if name in ('gate/weights', 'gate/biases')}
    assert list(tape.gradient(loss, variables).values()) == [None, None]


@pytest.mark.parametrize('mask', [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_the_mask_keeps_its_values_and_saliencies_that_are_alike_a_finite_slope(mask: list[float]) -> None:
    saliency = tf.constant([[2.0, 2.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(saliency)
        sloped = with_slope(tf.constant([mask]), saliency, 0.5)
    assert sloped.numpy().tolist() == [mask]
    assert np.isfinite(tape.gradient(sloped, saliency)).all()


@pytest.mark.parametrize('dtype', [tf.float32, tf.bfloat16])
@pytest.mark.parametrize('rows', [(), (5,)])
def test_silence_multiplies_and_sums_its_gradients_in_float32(dtype: tf.DType, rows: tuple[int, ...]) -> None:
    draw = np.random.default_rng(1)
    maps, upstream = (tf.cast(draw.normal(size=(2, 5, 4, 3)), dtype) for _ in range(2))
    gains = tf.constant(draw.uniform(0, 1, (2, *rows, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([maps, gains])
        outputs = silence(maps, gains)
    to_maps, to_gains = tape.gradient(outputs, [maps, gains], output_gradients=upstream)
    x, up, wide = (
        np.float64(maps),
        np.float64(upstream),
        np.float64(gains)[:, :, None] if rows else np.float64(gains)[:, None, None],
    )
    tolerance = 1e-5 if dtype == tf.float32 else 1e-2
    assert (outputs.dtype, to_maps.dtype, to_gains.dtype) == (dtype, dtype, tf.float32)
    np.testing.assert_allclose(np.float64(outputs), x * wide, rtol=tolerance, atol=1e-6)
    np.testing.assert_allclose(np.float64(to_maps), up * wide, rtol=tolerance, atol=1e-6)
    np.testing.assert_allclose(to_gains, (x * up).sum((2,) if rows else (1, 2)), rtol=1e-4, atol=1e-5)
