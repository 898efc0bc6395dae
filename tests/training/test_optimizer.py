"""Optimizers: those of TensorFlow 1 against their formulas, and names."""

import keras
import numpy as np
import pytest

from mayo.config.names import KNOWN
from mayo.training.optimizer import RMSProp1, optimizer
from mayo.util.errors import UserError


@pytest.mark.parametrize('centered', [False, True])
def test_rmsprop_of_tensorflow_1(centered: bool) -> None:
    rate, rho, momentum, epsilon = 0.1, 0.8, 0.7, 0.01
    algorithm = optimizer(
        {
            'type': 'tensorflow.train.RMSPropOptimizer',
            'decay': rho,
            'momentum': momentum,
            'epsilon': epsilon,
            'centered': centered,
        },
        'x',
    )
    assert isinstance(algorithm, RMSProp1)
    variable = keras.Variable([1.0, -2.0, 3.0])
    algorithm.build([variable])
    w, square, mean, velocity = np.array([1.0, -2.0, 3.0]), np.ones(3), np.zeros(3), np.zeros(3)
    random = np.random.default_rng(0)
    for _ in range(5):
        g = random.normal(size=3).astype(np.float32)
        algorithm.update_step(g, variable, rate)
        square = rho * square + (1 - rho) * g**2
        mean = rho * mean + (1 - rho) * g if centered else mean
        velocity = momentum * velocity + rate * g / np.sqrt(square - mean**2 + epsilon)
        w = w - velocity
        np.testing.assert_allclose(variable.numpy(), w, rtol=1e-5)


@pytest.mark.parametrize('nesterov', [False, True])
def test_momentum_of_tensorflow_1_applies_the_rate_of_the_step(nesterov: bool) -> None:
    algorithm = optimizer({'type': 'tensorflow.train.MomentumOptimizer', 'momentum': 0.9, 'use_nesterov': nesterov}, 'x')
    variable = keras.Variable([1.0, -2.0, 3.0])
    algorithm.build([variable])
    w, velocity = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    for rate, g in ((0.1, np.array([1.0, 2, 3])), (0.02, np.array([0.5, -1, 2])), (0.3, np.array([1.0, 1, 0]))):
        algorithm.update_step(g.astype(np.float32), variable, rate)
        velocity = 0.9 * velocity + g
        w = w - rate * (g + 0.9 * velocity if nesterov else velocity)
        np.testing.assert_allclose(variable.numpy(), w, rtol=1e-5)


@pytest.mark.parametrize('name', [name for name in KNOWN if name.startswith(('keras.optimizers.', 'mayo.train.'))])
def test_every_optimizer_that_yaml_may_name_is_made(name: str) -> None:
    assert type(optimizer(name, 'x')).__name__ == name.rpartition('.')[2]


def test_a_schedule_is_no_optimizer() -> None:
    with pytest.raises(
        UserError,
        match=r'tiny\.yaml:2: train\.optimizer: one_cycle is not an optimizer; '
        r'e\.g\. keras\.optimizers\.SGD\.',
    ):
        optimizer({'type': 'one_cycle', 'learning_rate': 0.1}, 'tiny.yaml:2: train.optimizer')
