"""Logarithmic quantization, one value at a time."""

import math
from typing import Any

import numpy as np
import pytest

from tests.override.conftest import gradients, make, run
from tests.override.test_fixed import overflow_share, quantized


@pytest.mark.parametrize('width', [3, 5])
def test_the_logarithm_is_in_dynamic_fixed_point(values: Any, width: int) -> None:
    values = values.copy()
    values[0, 0, 0] = 0
    quantizer = make('LogQuantizer', width=width, overflow_rate=0.0)
    state = quantizer.updated(values, quantizer.initial(values.shape))
    logs = np.log2(np.abs(values[values != 0]))
    point = next((point for point in range(-width, width + 1) if overflow_share(logs, width, point) == 0), width)
    assert state['LogQuantizer.point'] == point
    expected = [
        math.copysign(2.0 ** quantized(math.log2(abs(value)), width, point), value) if value else 0.0
        for value in map(float, values.ravel())
    ]
    np.testing.assert_allclose(run(quantizer, values, state).ravel(), expected, rtol=1e-5)
    assert quantizer.bits_of(state) == width + 1


def test_the_gradient_is_that_of_the_value_at_zero_too() -> None:
    quantizer = make('LogQuantizer', width=4, overflow_rate=0.0)
    assert gradients(quantizer, [0.3, 0.0, -5.0], upstream=[1.0, 2.0, 3.0]).tolist() == [1, 2, 3]
