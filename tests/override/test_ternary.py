"""Ternary values, and the gradient of their scales."""

from typing import Any

import numpy as np

from tests.override.conftest import gradients, make, run


def test_ternary_is_the_sign_times_a_power_of_two_and_the_scale(values: Any) -> None:
    quantizer = make('TernaryQuantizer', base=2)
    state = quantizer.initial(values.shape) | {'TernaryQuantizer.scale': np.float32(0.3)}
    np.testing.assert_allclose(run(quantizer, values, state), np.sign(values) * 4 * 0.3, rtol=1e-6)
    assert run(make('TernaryQuantizer'), [0.0, -0.2, 3.0]).tolist() == [0, -2, 2]
    assert quantizer.bits_of(state) == 2


def test_only_the_scale_learns(values: Any) -> None:
    quantizer = make('TernaryQuantizer', base=0)
    upstream = np.arange(values.size, dtype=np.float32).reshape(values.shape)
    assert quantizer.trained() == {'TernaryQuantizer.scale'}
    assert not gradients(quantizer, values, upstream=upstream).any()
    learned = gradients(quantizer, values, upstream=upstream, of='TernaryQuantizer.scale')
    np.testing.assert_allclose(learned, (np.sign(values) * upstream).sum(), rtol=1e-5)


def test_a_channel_has_a_scale_of_its_own(values: Any) -> None:
    quantizer = make('ChannelTernaryQuantizer', base=1)
    scales = np.arange(1, 7, dtype=np.float32)
    state = quantizer.initial(values.shape) | {'ChannelTernaryQuantizer.scale': scales}
    np.testing.assert_allclose(run(quantizer, values, state), np.sign(values) * 2 * scales, rtol=1e-6)
    learned = gradients(quantizer, values, state, of='ChannelTernaryQuantizer.scale')
    np.testing.assert_allclose(learned, (np.sign(values) * 2).sum((0, 1, 2)), rtol=1e-5)
