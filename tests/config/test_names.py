"""Names of objects, today's and older ones: the table against Keras, and the arithmetic against formulas."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from mayo.config.names import KNOWN, REQUIRED, Spec, object_spec
from mayo.config.old_names import OLD_NAMES
from mayo.training import optimizer, schedule

WHERE = 'x.yaml:3: model.layers.conv0.thing'


def thing(name: str) -> Any:
    """What a known name stands for."""
    if name.startswith('keras.'):
        return getattr(getattr(keras, name.split('.')[1]), name.split('.')[2])
    return getattr(optimizer, name.split('.')[-1]) if name.startswith('mayo.') else schedule.schedules[name]


def needs(arguments: Any) -> dict[Any, Any]:
    """A fitting value for each argument without a default."""
    return {
        key: [1, 2] if key in ('boundaries', 'values') else 0.5 for key, default in arguments.items() if default is REQUIRED
    }


@pytest.mark.parametrize('name', KNOWN)
def test_the_table_says_what_the_objects_take(name: str) -> None:
    parameters = inspect.signature(thing(name)).parameters
    for key, default in KNOWN[name].items():
        declared = default[0] if isinstance(default, tuple) else default
        optional = name == 'one_cycle' and key == 'epochs'  # train.max_epochs where it is not given
        assert parameters[key].default == (REQUIRED if optional else declared), key


@pytest.mark.parametrize('name', [name for name in KNOWN if name.startswith(('keras.initializers', 'keras.regularizers'))])
def test_the_table_leaves_out_no_argument_that_yaml_could_give(name: str) -> None:
    taken = inspect.signature(thing(name)).parameters.keys() - {'input_axes', 'output_axes', 'args', 'kwargs'}
    assert KNOWN[name].keys() == taken


@pytest.mark.parametrize(
    ('value', 'name', 'kwargs'),
    [
        ('relu', 'keras.activations.relu', {}),
        ('hard_swish', 'keras.activations.hard_silu', {}),
        ('swish', 'keras.activations.silu', {}),
        ('identity', 'keras.activations.linear', {}),
        ('keras.activations.swish', 'keras.activations.silu', {}),
        ('tf.nn.relu6', 'keras.activations.relu6', {}),
        ('tensorflow.nn.swish', 'keras.activations.silu', {}),
        ('tensorflow.tanh', 'keras.activations.tanh', {}),
        ('tensorflow.keras.regularizers.l2', 'keras.regularizers.L2', {}),
        ('keras.initializers.he_normal', 'keras.initializers.HeNormal', {}),
        ('tensorflow.glorot_uniform_initializer', 'keras.initializers.GlorotUniform', {}),
        ('tensorflow.initializers.he_normal', 'keras.initializers.HeNormal', {}),
        ({'type': 'leaky_relu', 'negative_slope': 0.1}, 'keras.activations.leaky_relu', {'negative_slope': 0.1}),
        ({'type': 'one_cycle', '_note': 'x', 'learning_rate': 0.1}, 'one_cycle', {'learning_rate': 0.1}),
        ({'type': 'tensorflow.nn.leaky_relu', 'alpha': 0.1}, 'keras.activations.leaky_relu', {'negative_slope': 0.1}),
        ({'type': 'tensorflow.contrib.layers.l1_regularizer', 'scale': 1}, 'keras.regularizers.L1', {'l1': 1}),
        (
            {'type': 'tensorflow.contrib.slim.l2_regularizer', 'scale': 4e-5, 'scope': None},
            'keras.regularizers.L2',
            {'l2': 2e-5},
        ),
        ({'type': 'tensorflow.contrib.layers.l1_l2_regularizer'}, 'keras.regularizers.L1L2', {'l1': 1.0, 'l2': 0.5}),
        (
            {'type': 'tensorflow.contrib.slim.batch_norm', 'decay': 0.9, 'is_training': True, 'fused': True},
            'keras.layers.BatchNormalization',
            {'momentum': 0.9, 'center': True, 'scale': False, 'epsilon': 0.001},
        ),
        ('tensorflow.zeros_initializer', 'keras.initializers.Zeros', {}),
        (
            {'type': 'tensorflow.constant_initializer', 'value': 3, 'dtype': 'float32'},
            'keras.initializers.Constant',
            {'value': 3},
        ),
        (
            'tensorflow.truncated_normal_initializer',
            'keras.initializers.TruncatedNormal',
            {'mean': 0.0, 'stddev': 1.0, 'seed': None},
        ),
        (
            'tensorflow.random_uniform_initializer',
            'keras.initializers.RandomUniform',
            {'minval': 0.0, 'maxval': 1.0, 'seed': None},
        ),
        (
            {'type': 'tensorflow.variance_scaling_initializer', 'distribution': 'normal'},
            'keras.initializers.VarianceScaling',
            {'scale': 1.0, 'mode': 'fan_in', 'distribution': 'truncated_normal', 'seed': None},
        ),
        ('tensorflow.train.GradientDescentOptimizer', 'keras.optimizers.SGD', {}),
        (
            {'type': 'tensorflow.train.RMSPropOptimizer', 'decay': 0.9, 'epsilon': 1.0},
            'mayo.train.RMSProp1',
            {'rho': 0.9, 'momentum': 0.0, 'epsilon': 1.0, 'centered': False},
        ),
        ('tensorflow.train.AdamOptimizer', 'keras.optimizers.Adam', {'beta_1': 0.9, 'beta_2': 0.999, 'epsilon': 1e-8}),
        (
            {'type': 'tensorflow.train.piecewise_constant', 'boundaries': [1, 2], 'values': [3, 4, 5]},
            'piecewise',
            {'boundaries': [1, 2], 'values': [3, 4, 5]},
        ),
    ],
)
def test_names_become_todays(value: str | dict[str, Any], name: str, kwargs: dict[str, Any]) -> None:
    assert object_spec(value, WHERE) == Spec(name, kwargs)


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('rellu', 'the name rellu is not known; did you mean relu?'),
        (
            'keras.initializers.TruncatedNorml',
            'the name keras.initializers.TruncatedNorml is not known; did you mean keras.initializers.TruncatedNormal?',
        ),
        ('os.system', 'the name os.system is refused: names are those of keras, or of TensorFlow where older YAML has them.'),
        ('tensorflow.io.write_file', 'the name tensorflow.io.write_file is not known'),
        ('keras.saving.load_model', 'the name keras.saving.load_model is not known'),
        ('zzz', 'the name zzz is not known; mayo/config/names.py lists those that are.'),
        (3, 'expected a name, or {type: name, ...}, not 3.'),
        ({'scale': 1}, 'expected a name, or {type: name, ...}, not {scale: 1}.'),
        ({'type': ['relu']}, 'expected a name, or {type: name, ...}, not {type: [relu]}.'),
        ({'type': 'relu', 'slope': 1}, 'keras.activations.relu takes no slope; it takes negative_slope, max_value, threshold.'),
        ({'type': 'tanh', 'x': 1}, 'keras.activations.tanh takes no x; it takes no arguments.'),
        (
            {'type': 'keras.initializers.Constant', 'vlaue': 1},
            'keras.initializers.Constant takes no vlaue; did you mean value?',
        ),
        (
            {'type': 'keras.initializers.Constant', 'value': 'x'},
            'value of keras.initializers.Constant is x, expected a number.',
        ),
        (
            {'type': 'keras.initializers.Constant', 'value': math.nan},
            'value of keras.initializers.Constant is .nan, expected a number.',
        ),
        (
            {'type': 'keras.initializers.Constant', 'value': True},
            'value of keras.initializers.Constant is true, expected a number.',
        ),
        (
            {'type': 'keras.initializers.HeNormal', 'seed': 'x'},
            'seed of keras.initializers.HeNormal is x, expected a whole number, or null.',
        ),
        (
            {'type': 'keras.initializers.VarianceScaling', 'mode': 'fan'},
            'mode of keras.initializers.VarianceScaling is fan, expected one of fan_in, fan_out, fan_avg; did you mean fan_in?',
        ),
        ({'type': 'keras.optimizers.SGD', 'nesterov': 1}, 'nesterov of keras.optimizers.SGD is 1, expected true or false.'),
        (
            {'type': 'keras.optimizers.SGD', 'learning_rate': 1},
            'keras.optimizers.SGD takes no learning_rate; it takes momentum, nesterov.',
        ),
        (
            {'type': 'piecewise', 'boundaries': [1, 'x'], 'values': [1]},
            'boundaries of piecewise is [1, x], expected a list, each of it a number.',
        ),
        (
            {'type': 'exponential', 'learning_rate': 1},
            'exponential needs decay_epochs.\nx.yaml:3: model.layers.conv0.thing: exponential needs decay_rate.',
        ),
        ('tensorflow.contrib.layers.l2_regularizer', 'tensorflow.contrib.layers.l2_regularizer needs scale.'),
        (
            {'type': 'tensorflow.contrib.layers.batch_norm', 'renorm': True},
            'tensorflow.contrib.layers.batch_norm takes no renorm; it takes decay,',
        ),
        ({'type': 'tensorflow.contrib.layers.batch_norm', 'param_initializers': 1}, 'is 1, expected a mapping.'),
        (
            {'type': 'tensorflow.contrib.layers.batch_norm', 'param_initializers': {'gama': 'ones'}},
            'keras.layers.BatchNormalization takes no gama_initializer; did you mean gamma_initializer?',
        ),
        ({'type': 'keras.layers.BatchNormalization', 'gamma_initializer': 'relu'}, 'keras.activations.relu is no initializer.'),
        (
            {'type': 'tensorflow.variance_scaling_initializer', 'mode': 3},
            'mode of tensorflow.variance_scaling_initializer is 3, expected text.',
        ),
        (
            {'type': 'tensorflow.variance_scaling_initializer', 'mode': 'x'},
            'mode of keras.initializers.VarianceScaling is x, expected one of',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(message: Callable[..., str], value: Any, expected: str) -> None:
    text = message(object_spec, value, WHERE)
    assert text.startswith(f'{WHERE}: ')
    assert expected in text


@pytest.mark.parametrize('name', OLD_NAMES)
def test_every_old_name_has_todays_arguments(name: str) -> None:
    parameters = inspect.signature(OLD_NAMES[name]).parameters
    needed = needs({key: parameter.default for key, parameter in parameters.items()})
    assert object_spec({'type': name, **needed}, WHERE).name in KNOWN


@pytest.mark.parametrize('name', KNOWN)
def test_todays_names_stand_for_themselves(name: str) -> None:
    needed = needs(KNOWN[name])
    assert object_spec({'type': name, **needed}, WHERE) == Spec(name, needed)


@pytest.mark.parametrize('nesterov', [False, True])
def test_momentum_is_that_of_tensorflow_1_when_the_rate_changes(nesterov: bool) -> None:
    spec = object_spec({'type': 'tensorflow.train.MomentumOptimizer', 'momentum': 0.9, 'use_nesterov': nesterov}, WHERE)
    built = optimizer.optimizer({'type': spec.name, **spec.kwargs}, WHERE)
    variable = keras.Variable([1.0, 2.0])
    built.build([variable])
    weights, accumulated = np.array([1.0, 2.0]), np.zeros(2)
    for rate, gradient in ((0.1, [1.0, -1.0]), (0.01, [0.5, 2.0]), (0.2, [-1.0, 0.0])):
        built.learning_rate = rate
        built.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        accumulated = 0.9 * accumulated + np.array(gradient)
        weights -= rate * (np.array(gradient) + 0.9 * accumulated if nesterov else accumulated)
        np.testing.assert_allclose(np.asarray(variable), weights, rtol=1e-6)


@pytest.mark.parametrize(
    ('value', 'deviation', 'limit'),
    [
        (
            {'type': 'tensorflow.contrib.layers.variance_scaling_initializer'},
            math.sqrt(1.3 * 2 / 200) * 0.87962566,
            2 * math.sqrt(1.3 * 2 / 200),
        ),
        (
            {'type': 'tensorflow.contrib.layers.variance_scaling_initializer', 'uniform': True},
            math.sqrt(2 / 200),
            math.sqrt(3 * 2 / 200),
        ),
        ('tensorflow.contrib.layers.xavier_initializer', math.sqrt(1 / 250), math.sqrt(3 / 250)),
        ('tensorflow.variance_scaling_initializer', math.sqrt(1 / 200), 2 * math.sqrt(1 / 200) / 0.87962566),
        ({'type': 'tensorflow.truncated_normal_initializer', 'stddev': 0.1}, 0.087962566, 0.2),
    ],
)
def test_initializers_draw_from_the_distributions_they_drew_from(
    value: dict[str, Any] | str, deviation: Any, limit: Any
) -> None:
    spec = object_spec(value, WHERE)
    drawn = np.asarray(thing(spec.name)(**{**spec.kwargs, 'seed': 1})([200, 300]))
    assert np.std(drawn) == pytest.approx(deviation, rel=0.01)
    assert np.max(np.abs(drawn)) <= limit * 1.0001
    assert np.max(np.abs(drawn)) > limit * 0.99


def test_the_l2_regularizer_is_half_the_scaled_sum_of_squares() -> None:
    spec = object_spec({'type': 'tensorflow.contrib.layers.l2_regularizer', 'scale': 0.004}, WHERE)
    weights = np.arange(6, dtype=np.float32)
    assert float(thing(spec.name)(**spec.kwargs)(weights)) == pytest.approx(0.004 * np.sum(weights**2) / 2)


def test_initializers_inside_a_batch_norm_are_what_keras_reads() -> None:
    value = {
        'type': 'tensorflow.contrib.slim.batch_norm',
        'scale': True,
        'param_initializers': {'gamma': {'type': 'tensorflow.constant_initializer', 'value': 0.5}},
    }
    spec = object_spec(value, WHERE)
    layer = thing(spec.name)(**spec.kwargs)
    layer.build([None, 2, 2, 3])
    assert np.asarray(layer.gamma).tolist() == [0.5, 0.5, 0.5]
    assert (layer.momentum, layer.epsilon) == (0.999, 0.001)


@pytest.mark.parametrize(
    ('value', 'formula'),
    [
        (
            {'type': 'tf.train.exponential_decay', 'learning_rate': 0.1, 'decay_steps': 2, 'decay_rate': 0.5, 'global_step': 0},
            lambda e: 0.1 * 0.5 ** (e / 2),
        ),
        (
            {
                'type': 'tf.train.exponential_decay',
                'learning_rate': 0.1,
                'decay_steps': 2,
                'decay_rate': 0.5,
                'staircase': True,
            },
            lambda e: 0.1 * 0.5 ** (e // 2),
        ),
        (
            {'type': 'tensorflow.train.polynomial_decay', 'learning_rate': 0.1, 'decay_steps': 4, 'power': 2},
            lambda e: (0.1 - 0.0001) * (1 - min(e, 4) / 4) ** 2 + 0.0001,
        ),
        (
            {'type': 'tensorflow.train.cosine_decay', 'learning_rate': 0.1, 'decay_steps': 4, 'alpha': 0.1},
            lambda e: 0.1 * (0.9 * 0.5 * (1 + math.cos(math.pi * min(e, 4) / 4)) + 0.1),
        ),
        (
            {'type': 'tensorflow.train.piecewise_constant', 'boundaries': [1, 3], 'values': [3, 2, 1]},
            lambda e: 3 if e <= 1 else 2 if e <= 3 else 1,
        ),
    ],
)
def test_schedules_give_the_rates_they_gave(value: dict[str, Any], formula: Any) -> None:
    spec = object_spec(value, WHERE)
    for epoch in (0, 0.5, 1, 1.9, 2, 3, 3.5, 4, 7):
        assert schedule.schedules[spec.name](epoch, **spec.kwargs) == pytest.approx(formula(epoch))
