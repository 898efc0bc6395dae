"""The regularizers against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from mayo.layers.gate import REGULARIZERS
from mayo.net.tf.gate.regularizer import regularizers

EXPECTED = {
    'l1': lambda g, e: np.abs(g).sum(-1).mean(),
    'l2': lambda g, e: (g**2).sum(-1).mean(),
    'moe': lambda g, e: g.mean(0).var() / (g.mean(0).mean() ** 2 + e),
    'moi': lambda g, e: np.mean(g.mean(0) ** 2 / ((g**2).mean(0) + e)),
}


@pytest.mark.parametrize('name', EXPECTED)
@pytest.mark.parametrize('epsilon', [0.001, 0.5])
def test_a_regularizer_computes_its_formula_and_rows_count_like_images(name: str, epsilon: float) -> None:
    g = np.random.default_rng(1).gamma(2.0, 1.0, (6, 5)).astype('float32')
    expected = EXPECTED[name](g.astype('float64'), epsilon)
    np.testing.assert_allclose(regularizers[name](tf.constant(g), epsilon), expected, rtol=1e-5)
    np.testing.assert_allclose(regularizers[name](tf.constant(g.reshape(2, 3, 5)), epsilon), expected, rtol=1e-5)


def test_every_declared_regularizer_is_there() -> None:
    assert set(regularizers) == set(REGULARIZERS)


def test_shared_work_costs_no_moe_and_sameness_costs_the_most_moi() -> None:
    even, picky = tf.ones((4, 4)), tf.eye(4) * 4
    assert float(regularizers['moe'](even, 1e-3)) == 0
    assert float(regularizers['moe'](picky, 1e-3)) == pytest.approx(0, abs=1e-6)
    assert float(regularizers['moi'](even, 1e-6)) == pytest.approx(1, rel=1e-5)
    assert float(regularizers['moi'](picky, 1e-6)) == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize('name', EXPECTED)
def test_all_zero_saliency_has_a_finite_term_and_gradient(name: str) -> None:
    g = tf.Variable(tf.zeros((3, 4)))
    with tf.GradientTape() as tape:
        term = regularizers[name](g, 0.001)
    assert float(term) == 0
    assert np.isfinite(tape.gradient(term, g)).all()
