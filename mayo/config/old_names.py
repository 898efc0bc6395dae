"""TensorFlow 1's names, as YAML written for the original Mayo has them.

Each function's keyword-only arguments are those of the old object, with its defaults; it returns today's
name and arguments for the same arithmetic.
Sources: TensorFlow 1.15, tensorflow/contrib/layers and tensorflow/python.
"""

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

Today = tuple[str, dict[str, Any]]
OLD_NAMES: dict[str, Callable[..., Today]] = {}

# Arguments that only TensorFlow 1's machinery had use for: taken and left out.
MACHINERY = frozenset(
    {
        'data_format',
        'dtype',
        'fused',
        'global_step',
        'is_training',
        'name',
        'outputs_collections',
        'reuse',
        'scope',
        'updates_collections',
        'use_locking',
        'variables_collections',
        'verify_shape',
    }
)


def _old(*names: str, package: str = 'tensorflow') -> Callable[[Callable[..., Today]], Callable[..., Today]]:
    """Decorator: enters a function under the old names that it translates."""

    def enter(function: Callable[..., Today]) -> Callable[..., Today]:
        for name in names:
            OLD_NAMES[f'{package}.{name}'] = function
        return function

    return enter


_NONE: Mapping[str, Any] = types.MappingProxyType({})


# ---- regularizers and normalization


@_old('contrib.layers.l1_regularizer')
def l1_regularizer(*, scale: float) -> Today:
    """scale sum|w|"""
    return 'keras.regularizers.L1', {'l1': scale}


@_old('contrib.layers.l2_regularizer')
def l2_regularizer(*, scale: float) -> Today:
    """scale sum(w^2) / 2; Keras has no half."""
    return 'keras.regularizers.L2', {'l2': scale / 2}


@_old('contrib.layers.l1_l2_regularizer')
def l1_l2_regularizer(*, scale_l1: float = 1.0, scale_l2: float = 1.0) -> Today:
    """The sum of both."""
    return 'keras.regularizers.L1L2', {'l1': scale_l1, 'l2': scale_l2 / 2}


@_old('contrib.layers.batch_norm')
@_old('objects.normalize.custom_batch_norm', package='mayo')
def batch_norm(
    *,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    param_initializers: Mapping[str, Any] = _NONE,
) -> Today:
    """decay is the momentum of the moving averages, and a scale has to be asked for."""
    arguments = {'momentum': decay, 'center': center, 'scale': scale, 'epsilon': epsilon}
    initializers = {f'{name}_initializer': value for name, value in param_initializers.items()}
    return 'keras.layers.BatchNormalization', arguments | initializers


# ---- initializers


@_old('zeros_initializer', 'initializers.zeros')
def zeros_initializer() -> Today:
    """0"""
    return 'keras.initializers.Zeros', {}


@_old('ones_initializer', 'initializers.ones')
def ones_initializer() -> Today:
    """1"""
    return 'keras.initializers.Ones', {}


@_old('constant_initializer', 'initializers.constant')
def constant_initializer(*, value: float = 0.0) -> Today:
    """The same value everywhere."""
    return 'keras.initializers.Constant', {'value': value}


@_old('truncated_normal_initializer', 'initializers.truncated_normal')
def truncated_normal_initializer(*, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None) -> Today:
    """Cut at two standard deviations."""
    return 'keras.initializers.TruncatedNormal', {'mean': mean, 'stddev': stddev, 'seed': seed}


@_old('random_normal_initializer', 'initializers.random_normal')
def random_normal_initializer(*, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None) -> Today:
    """Not cut."""
    return 'keras.initializers.RandomNormal', {'mean': mean, 'stddev': stddev, 'seed': seed}


@_old('random_uniform_initializer', 'initializers.random_uniform')
def random_uniform_initializer(*, minval: float = 0.0, maxval: float | None = None, seed: int | None = None) -> Today:
    """No maxval is 1."""
    maxval = 1.0 if maxval is None else maxval
    return 'keras.initializers.RandomUniform', {'minval': minval, 'maxval': maxval, 'seed': seed}


@_old('orthogonal_initializer', 'initializers.orthogonal')
def orthogonal_initializer(*, gain: float = 1.0, seed: int | None = None) -> Today:
    """gain Q"""
    return 'keras.initializers.Orthogonal', {'gain': gain, 'seed': seed}


@_old('variance_scaling_initializer', 'initializers.variance_scaling')
def variance_scaling_initializer(
    *, scale: float = 1.0, mode: str = 'fan_in', distribution: str = 'truncated_normal', seed: int | None = None
) -> Today:
    """`normal` meant the truncated one."""
    distribution = {'normal': 'truncated_normal'}.get(distribution, distribution)
    return 'keras.initializers.VarianceScaling', {'scale': scale, 'mode': mode, 'distribution': distribution, 'seed': seed}


@_old('contrib.layers.variance_scaling_initializer')
def slim_variance_scaling(
    *, factor: float = 2.0, mode: str = 'FAN_IN', uniform: bool = False, seed: int | None = None
) -> Today:
    """Truncated normal of deviation sqrt(1.3 factor / n) before the cut, or uniform in sqrt(3 factor / n).

    Keras corrects for the cut by 0.87962566, the deviation of a unit normal cut at 2; slim by 1 / sqrt(1.3).
    """
    scale = factor if uniform else 1.3 * factor * 0.87962566103423978**2
    return 'keras.initializers.VarianceScaling', {
        'scale': scale,
        'mode': mode.lower(),
        'seed': seed,
        'distribution': 'uniform' if uniform else 'truncated_normal',
    }


@_old('contrib.layers.xavier_initializer', 'contrib.layers.xavier_initializer_conv2d')
def xavier_initializer(*, uniform: bool = True, seed: int | None = None) -> Today:
    """slim's variance scaling with factor 1 over the mean of fan in and fan out."""
    return slim_variance_scaling(factor=1.0, mode='FAN_AVG', uniform=uniform, seed=seed)


# ---- activations


@_old('nn.leaky_relu')
def leaky_relu(*, alpha: float = 0.2) -> Today:
    """alpha is the slope below zero."""
    return 'keras.activations.leaky_relu', {'negative_slope': alpha}


# ---- optimizers


@_old('train.GradientDescentOptimizer')
def gradient_descent() -> Today:
    """w <- w - rate g"""
    return 'keras.optimizers.SGD', {}


@_old('train.MomentumOptimizer')
def momentum_optimizer(*, momentum: float, use_nesterov: bool = False) -> Today:
    """v <- momentum v + g,  w <- w - rate v; Keras's v contains the rate, which differs when that changes."""
    return 'mayo.train.Momentum1', {'momentum': momentum, 'nesterov': use_nesterov}


@_old('train.RMSPropOptimizer')
def rmsprop_optimizer(*, decay: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-10, centered: bool = False) -> Today:
    """Its accumulator starts at one, which Keras's does not."""
    return 'mayo.train.RMSProp1', {'rho': decay, 'momentum': momentum, 'epsilon': epsilon, 'centered': centered}


@_old('train.AdamOptimizer')
def adam_optimizer(*, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Today:
    """Keras computes the same, with another epsilon by default."""
    return 'keras.optimizers.Adam', {'beta_1': beta1, 'beta_2': beta2, 'epsilon': epsilon}


@_old('train.AdagradOptimizer')
def adagrad_optimizer(*, initial_accumulator_value: float = 0.1) -> Today:
    """a <- a + g^2,  w <- w - rate g / sqrt(a); Keras adds an epsilon."""
    return 'keras.optimizers.Adagrad', {'initial_accumulator_value': initial_accumulator_value, 'epsilon': 0.0}


@_old('train.AdadeltaOptimizer')
def adadelta_optimizer(*, rho: float = 0.95, epsilon: float = 1e-8) -> Today:
    """Keras computes the same, with another epsilon by default."""
    return 'keras.optimizers.Adadelta', {'rho': rho, 'epsilon': epsilon}


# ---- schedules: their steps are epochs, because Mayo handed them the epoch for the global step


@_old('train.exponential_decay')
def exponential_decay(*, learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False) -> Today:
    """learning_rate decay_rate^(epoch / decay_steps)"""
    return 'exponential', {
        'learning_rate': learning_rate,
        'decay_epochs': decay_steps,
        'decay_rate': decay_rate,
        'staircase': staircase,
    }


@_old('train.natural_exp_decay')
def natural_exp_decay(*, learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False) -> Today:
    """learning_rate exp(-decay_rate epoch / decay_steps)"""
    return exponential_decay(
        learning_rate=learning_rate, decay_steps=decay_steps, decay_rate=math.exp(-decay_rate), staircase=staircase
    )


@_old('train.piecewise_constant', 'train.piecewise_constant_decay')
def piecewise_constant(*, boundaries: list[float], values: list[float]) -> Today:
    """values[i] up to and with boundaries[i]"""
    return 'piecewise', {'boundaries': boundaries, 'values': values}


@_old('train.polynomial_decay')
def polynomial_decay(
    *, learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001, power: float = 1.0, cycle: bool = False
) -> Today:
    """(learning_rate - end) (1 - epoch / decay_steps)^power + end"""
    return 'polynomial', {
        'learning_rate': learning_rate,
        'decay_epochs': decay_steps,
        'end_learning_rate': end_learning_rate,
        'power': power,
        'cycle': cycle,
    }


@_old('train.cosine_decay')
def cosine_decay(*, learning_rate: float, decay_steps: float, alpha: float = 0.0) -> Today:
    """Half a cosine, down to alpha learning_rate."""
    return 'cosine', {'learning_rate': learning_rate, 'decay_epochs': decay_steps, 'alpha': alpha}
