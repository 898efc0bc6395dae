"""What an object of TensorFlow 1 computed, its name in YAML computes today: each name against a formula or tf.compat.v1."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.config.names import _SAME, Spec, object_spec
from mayo.config.old_names import OLD_NAMES
from mayo.data import augment
from mayo.layers import read_layer
from mayo.net.tf.layer import Site, build
from mayo.net.tf.objects import instantiate
from mayo.training.optimizer import optimizer
from mayo.training.schedule import learning_rate

V1 = tf.compat.v1
FAN_IN, FAN_OUT = 200, 300  # of the weights that initializers draw
CUT = 0.87962566103423978  # deviation of a unit normal cut at two


def of_yaml(value: Any, seed: int | None = None) -> Any:
    return instantiate(object_spec(value, 'a test'), seed)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


ACTIVATIONS: dict[str, Any] = {
    'tensorflow.nn.relu': relu,
    'tensorflow.nn.relu6': lambda x: np.clip(x, 0, 6),
    'tensorflow.nn.elu': lambda x: np.where(x > 0, x, np.exp(x) - 1),
    'tensorflow.nn.selu': lambda x: 1.05070098735548 * np.where(x > 0, x, 1.67326324235438 * (np.exp(x) - 1)),
    'tensorflow.nn.sigmoid': sigmoid,
    'tensorflow.sigmoid': sigmoid,
    'tensorflow.nn.tanh': np.tanh,
    'tensorflow.tanh': np.tanh,
    'tensorflow.nn.softplus': lambda x: np.log1p(np.exp(x)),
    'tensorflow.nn.softsign': lambda x: x / (1 + np.abs(x)),
    'tensorflow.nn.softmax': softmax,
    'tensorflow.nn.swish': lambda x: x * sigmoid(x),
    'tensorflow.nn.silu': lambda x: x * sigmoid(x),
    'tensorflow.identity': lambda x: x,
    'tensorflow.nn.identity': lambda x: x,
    'tensorflow.nn.leaky_relu': lambda x: np.where(x > 0, x, 0.2 * x),
}
# Spellings that TensorFlow 1 did not have, of today's functions.
NEW_ACTIVATIONS = {
    'tensorflow.nn.gelu',
    'tensorflow.nn.hard_sigmoid',
    'tensorflow.nn.hard_silu',
    'tensorflow.nn.hard_swish',
    'tensorflow.nn.linear',
}


@pytest.mark.parametrize('name', ACTIVATIONS)
def test_activations(name: str) -> None:
    x = np.array([[-8.0, -1.5, -0.1, 0.0, 0.3, 2.0, 7.0]], np.float32)
    np.testing.assert_allclose(of_yaml(name)(tf.constant(x)), ACTIVATIONS[name](x), rtol=1e-4, atol=1e-6)


REGULARIZERS: dict[str, Any] = {
    'l1_regularizer': ({'scale': 0.004}, lambda w: 0.004 * np.abs(w).sum()),
    'l2_regularizer': ({'scale': 0.004}, lambda w: 0.004 * np.square(w).sum() / 2),
    'l1_l2_regularizer': ({'scale_l1': 0.1, 'scale_l2': 0.04}, lambda w: 0.1 * np.abs(w).sum() + 0.04 * np.square(w).sum() / 2),
}


@pytest.mark.parametrize('package', ['contrib.layers', 'contrib.slim'])
@pytest.mark.parametrize('name', REGULARIZERS)
def test_regularizers(package: str, name: str) -> None:
    arguments, formula = REGULARIZERS[name]
    w = np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4)
    computed = of_yaml({'type': f'tensorflow.{package}.{name}', **arguments})(w)
    assert float(computed) == pytest.approx(formula(w), rel=1e-6)


def cut_normal(deviation: Any) -> tuple[Any, Any]:
    """(deviation, largest value) of a normal whose deviation before the cut is given."""
    return CUT * deviation, 2 * deviation


def uniform(limit: Any) -> tuple[Any, Any]:
    return limit / math.sqrt(3), limit


def fans(scale: Any, fan: Any, is_uniform: Any) -> Any:
    """TensorFlow's variance scaling corrects for the cut."""
    variance = scale / {'in': FAN_IN, 'out': FAN_OUT, 'avg': (FAN_IN + FAN_OUT) / 2}[fan]
    return uniform(math.sqrt(3 * variance)) if is_uniform else cut_normal(math.sqrt(variance) / CUT)


# name: (arguments, mean, deviation, largest distance from the mean; None: no bound)
INITIALIZERS: dict[str, Any] = {
    'zeros_initializer': ({}, 0, 0, 0),
    'initializers.zeros': ({}, 0, 0, 0),
    'ones_initializer': ({}, 1, 0, 0),
    'initializers.ones': ({}, 1, 0, 0),
    'constant_initializer': ({'value': 0.3}, 0.3, 0, 0),
    'initializers.constant': ({'value': 0.3}, 0.3, 0, 0),
    **dict.fromkeys(
        ('truncated_normal_initializer', 'initializers.truncated_normal'), ({'mean': 1.0, 'stddev': 0.1}, 1, *cut_normal(0.1))
    ),
    **dict.fromkeys(('random_normal_initializer', 'initializers.random_normal'), ({'stddev': 0.1}, 0, 0.1, None)),
    **dict.fromkeys(('random_uniform_initializer', 'initializers.random_uniform'), ({'minval': -1.0}, 0, *uniform(1.0))),
    **dict.fromkeys(
        ('variance_scaling_initializer', 'initializers.variance_scaling'),
        ({'scale': 2.0, 'mode': 'fan_out'}, 0, *fans(2, 'out', False)),
    ),
    'contrib.layers.variance_scaling_initializer': ({}, 0, *cut_normal(math.sqrt(1.3 * 2 / FAN_IN))),
    'contrib.layers.xavier_initializer': ({}, 0, *fans(1, 'avg', True)),
    'contrib.layers.xavier_initializer_conv2d': ({'uniform': False}, 0, *cut_normal(math.sqrt(1.3 / ((FAN_IN + FAN_OUT) / 2)))),
    **{
        spelling: ({}, 0, *fans(scale, fan, kind == 'uniform'))
        for name, scale, fan in (('glorot', 1, 'avg'), ('he', 2, 'in'), ('lecun', 1, 'in'))
        for kind in ('normal', 'uniform')
        for spelling in (f'{name}_{kind}_initializer', f'initializers.{name}_{kind}')
    },
}
ORTHOGONAL = ('orthogonal_initializer', 'initializers.orthogonal')


def drawn(name: str, **arguments: Any) -> Any:
    return np.asarray(of_yaml({'type': f'tensorflow.{name}', **arguments}, seed=1)((FAN_IN, FAN_OUT)))


@pytest.mark.parametrize('name', INITIALIZERS)
def test_initializers(name: str) -> None:
    arguments, mean, deviation, bound = INITIALIZERS[name]
    values = drawn(name, **arguments)
    assert np.mean(values) == pytest.approx(mean, abs=max(5 * deviation / math.sqrt(values.size), 1e-6))
    assert np.std(values) == pytest.approx(deviation, rel=0.01, abs=1e-6)
    if bound:
        assert bound * 0.98 < np.max(np.abs(values - mean)) <= bound * 1.0001


@pytest.mark.parametrize('name', ORTHOGONAL)
def test_orthogonal_initializers(name: str) -> None:
    values = drawn(name, gain=2.0)
    np.testing.assert_allclose(values @ values.T, 4 * np.eye(FAN_IN), atol=1e-4)


def test_batch_norm_keeps_the_fraction_decay_of_its_moving_averages() -> None:
    name = {'type': 'tensorflow.contrib.layers.batch_norm', 'decay': 0.7, 'scale': True, 'epsilon': 0.01}
    layer = of_yaml(name)
    images = np.random.default_rng(0).normal(2, 3, (4, 5, 5, 2)).astype(np.float32)
    axes, mean, variance = (0, 1, 2), np.zeros(2), np.ones(2)
    for _ in range(3):
        computed = np.asarray(layer(images, training=True))
        batch_mean, batch_variance = images.mean(axes), images.var(axes)
        np.testing.assert_allclose(computed, (images - batch_mean) / np.sqrt(batch_variance + 0.01), atol=1e-4)
        mean = 0.7 * mean + 0.3 * batch_mean
        variance = 0.7 * variance + 0.3 * batch_variance * 100 / 99  # of the population, as TensorFlow's fused one has it
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    np.testing.assert_allclose(layer(images, training=False), (images - mean) / np.sqrt(variance + 0.01), atol=1e-4)
    assert of_yaml('tensorflow.contrib.slim.batch_norm').momentum == 0.999
    assert not of_yaml('tensorflow.contrib.slim.batch_norm').scale


OPTIMIZERS: dict[str, Any] = {
    'GradientDescentOptimizer': {},
    'MomentumOptimizer': {'momentum': 0.9},
    'AdamOptimizer': {'epsilon': 0.1},
    'RMSPropOptimizer': {'decay': 0.8, 'momentum': 0.7, 'epsilon': 0.5},
    'AdagradOptimizer': {},
    'AdadeltaOptimizer': {'rho': 0.9, 'epsilon': 0.01},
}
MORE: dict[str, Any] = {'MomentumOptimizer': {'use_nesterov': True}, 'RMSPropOptimizer': {'centered': True}}
RATES = (0.1, 0.1, 0.01, 0.3)
START = np.array([1.0, -2.0, 3.0], np.float32)
GRADIENTS = np.random.default_rng(0).normal(size=(len(RATES), 3)).astype(np.float32)


@pytest.mark.parametrize(
    ('name', 'arguments'), [*OPTIMIZERS.items(), *((name, OPTIMIZERS[name] | more) for name, more in MORE.items())]
)
def test_optimizers(name: str, arguments: Any) -> None:
    expected = []
    with tf.Graph().as_default(), V1.Session() as session:
        variable = V1.get_variable('w', initializer=START, use_resource=False)
        rate, gradient = V1.placeholder(tf.float32), V1.placeholder(tf.float32, [3])
        step = getattr(V1.train, name)(rate, **arguments).apply_gradients([(gradient, variable)])
        session.run(V1.global_variables_initializer())
        for now, values in zip(RATES, GRADIENTS, strict=True):
            session.run(step, {rate: now, gradient: values})
            expected.append(session.run(variable))
    ours = keras.Variable(START)
    algorithm = optimizer({'type': f'tensorflow.train.{name}', **arguments}, 'x')
    algorithm.build([ours])
    for now, values, weights in zip(RATES, GRADIENTS, expected, strict=True):
        algorithm.update_step(tf.constant(values), ours, tf.constant(now))
        algorithm.iterations.assign_add(1)
        np.testing.assert_allclose(ours.numpy(), weights, rtol=2e-5)


_STEPS: dict[str, Any] = {'boundaries': [1.0, 3.0], 'values': [3.0, 2.0, 1.0]}
_DECAY: dict[str, Any] = {'learning_rate': 0.1, 'decay_steps': 2, 'decay_rate': 0.5}
SCHEDULES: dict[str, Any] = {
    'exponential_decay': _DECAY,
    'natural_exp_decay': _DECAY,
    'polynomial_decay': {'learning_rate': 0.1, 'decay_steps': 4, 'power': 2.0},
    'cosine_decay': {'learning_rate': 0.1, 'decay_steps': 4, 'alpha': 0.1},
    'piecewise_constant': _STEPS,
    'piecewise_constant_decay': _STEPS,
}
STEPPED = [(name, {**_DECAY, 'staircase': True}) for name in ('exponential_decay', 'natural_exp_decay')]
CYCLIC: list[Any] = [('polynomial_decay', {**SCHEDULES['polynomial_decay'], 'cycle': True})]


@pytest.mark.parametrize(('name', 'arguments'), [*SCHEDULES.items(), *STEPPED, *CYCLIC])
def test_schedules(name: str, arguments: Any) -> None:
    rate = learning_rate({'type': f'tensorflow.train.{name}', **arguments}, 'x')
    for epoch in (0.0, 0.5, 1.0, 1.9, 2.0, 3.0, 3.5, 4.0, 7.0):
        if 'boundaries' in arguments:
            expected = getattr(V1.train, name)(tf.constant(epoch), arguments['boundaries'], arguments['values'])
        else:
            rest = {key: value for key, value in arguments.items() if key not in ('learning_rate', 'decay_steps')}
            expected = getattr(V1.train, name)(arguments['learning_rate'], tf.constant(epoch), arguments['decay_steps'], **rest)
        assert rate(epoch) == pytest.approx(float(expected() if callable(expected) else expected), rel=1e-5), epoch


def test_every_old_name_is_compared_here() -> None:
    tested = {
        *ACTIVATIONS,
        *(f'tensorflow.contrib.layers.{name}' for name in REGULARIZERS),
        *(f'tensorflow.{name}' for name in (*INITIALIZERS, *ORTHOGONAL)),
        'tensorflow.contrib.layers.batch_norm',
        *(f'tensorflow.train.{name}' for name in (*OPTIMIZERS, *SCHEDULES)),
    }
    names = {*OLD_NAMES, *(name for name in _SAME if name.startswith('tensorflow.'))}
    assert tested == names - NEW_ACTIVATIONS - {'mayo.objects.normalize.custom_batch_norm'}, 'which tests/net/tf compares'


# ---- layers and preprocessing


def layer_of(kind: str, dims: tuple[int, int, int], **keys: Any) -> Any:
    layer = build(kind, read_layer(kind, keys), [(None, *dims)], Site('x'))
    layer.build((None, *dims))
    return layer


def test_average_pooling_with_same_padding_leaves_the_padding_out() -> None:
    x = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1) + 1
    computed = np.asarray(layer_of('average_pool', (5, 5, 1), kernel_size=3, stride=2, padding='SAME')(x))[0, ..., 0]
    windows = [slice(max(2 * i - 1, 0), 2 * i + 2) for i in range(3)]
    expected = [[x[0, rows, columns, 0].mean() for columns in windows] for rows in windows]
    np.testing.assert_allclose(computed, expected)


@pytest.mark.parametrize('kind', ['average_pool', 'max_pool'])
@pytest.mark.parametrize('kernel', ['global', 99, [99, 99], None])
def test_a_pooling_window_is_no_larger_than_the_map(kind: str, kernel: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    computed = layer_of(kind, (5, 4, 3), kernel_size=kernel)(x)
    expected = x.mean((1, 2), keepdims=True) if kind == 'average_pool' else x.max((1, 2), keepdims=True)
    np.testing.assert_allclose(computed, expected, rtol=1e-5)


@pytest.mark.parametrize('padding', [1, [2, 0]])
def test_numeric_padding_is_zeros_on_both_sides(padding: int | list[int]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)
    layer = layer_of(
        'convolution',
        (6, 6, 4),
        kernel_size=[3, 2],
        num_outputs=6,
        num_groups=2,
        stride=2,
        padding=padding,
        activation_fn=None,
        biases_initializer=None,
    )
    [kernel] = layer.weights
    rows, columns = padding if isinstance(padding, list) else (padding, padding)
    padded = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    halves = [
        tf.nn.conv2d(padded[..., 2 * g : 2 * g + 2], np.asarray(kernel)[..., 3 * g : 3 * g + 3], 2, 'VALID') for g in (0, 1)
    ]
    np.testing.assert_allclose(layer(x), np.concatenate(halves, -1), atol=1e-5)


def test_a_batch_normalization_spelled_as_slim_did_is_slims() -> None:
    layer = layer_of('batch_normalization', (4, 4, 3), decay=0.8)
    norm = layer.parts()[0][1]
    assert (norm.momentum, norm.scale, norm.center, norm.epsilon) == (0.8, False, True, 0.001)


def sampled(pixels: Any, height: Any, width: Any) -> Any:
    """TensorFlow 1's bilinear resizing without aligned corners: row i of the result is row i H / height of the image."""

    def between(length: Any, wanted: Any) -> tuple[Any, Any, Any]:
        at = np.arange(wanted) * length / wanted
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, length - 1), at - low

    top, bottom, down = between(pixels.shape[0], height)
    left, right, across = between(pixels.shape[1], width)
    down, across = down[:, None, None], across[None, :, None]
    upper, lower = ((1 - across) * pixels[rows][:, left] + across * pixels[rows][:, right] for rows in (top, bottom))
    return (1 - down) * upper + down * lower


@pytest.mark.parametrize('size', [(3, 4), (9, 13), (6, 7)])
def test_resizing_in_an_old_file_has_no_aligned_corners_nor_half_pixels(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (6, 7, 3)).astype(np.float32)
    step = {'type': 'resize', 'height': size[0], 'width': size[1], 'half_pixel': False}
    computed = augment.apply(tf.constant(pixels), (1, 1, 3), tf.constant([0, 0], tf.int64), [step])
    np.testing.assert_allclose(computed, sampled(pixels, *size), atol=1e-3)
    np.testing.assert_allclose(computed, V1.image.resize_bilinear(pixels[None], size, align_corners=False)[0], atol=1e-3)
    whole = {'type': 'distort_bbox', 'area_range': [1, 1], 'aspect_ratio_range': [7 / 6, 7 / 6], 'half_pixel': False}
    computed = augment.apply(tf.constant(pixels), (*size, 3), tf.constant([0, 0], tf.int64), [whole])
    np.testing.assert_allclose(computed, sampled(pixels, *size), atol=1e-3)


def test_what_tensorflow_1_could_not_resize_by_is_told() -> None:
    with pytest.raises(Exception, match='half_pixel: false goes with the methods area, bicubic, bilinear, nearest'):
        augment.resize(tf.zeros([2, 2, 3]), (4, 4, 3), None, method='lanczos3', half_pixel=False)


def test_steps_on_pixels_compute_what_their_names_say() -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 4, 3)).astype(np.float32)
    means, stds = [10.0, 20.0, 30.0], [2.0, 4.0, 5.0]
    for step, expected in (
        ({'type': 'linear_map', 'scale': 0.5, 'shift': -1.0}, pixels * 0.5 - 1),
        ({'type': 'subtract_channel_means', 'means': means}, pixels - means),
        ({'type': 'normalize_channels', 'means': means, 'stds': stds}, (pixels - means) / stds),
        ({'type': 'subtract_image_mean'}, pixels - pixels.mean()),
        ({'type': 'standardize_image'}, (pixels - pixels.mean()) / pixels.std()),
        ({'type': 'permute_channels', 'order': [2, 1, 0]}, pixels[..., ::-1]),
        ({'type': 'central_crop', 'fraction': 0.5}, pixels[1:3, 1:3]),
    ):
        computed = augment.apply(tf.constant(pixels), (4, 4, 3), tf.constant([0, 0], tf.int64), [step])
        np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-4, err_msg=step['type'])


def test_a_spec_of_an_old_name_is_data_alone() -> None:
    assert object_spec('tensorflow.nn.relu', 'x') == Spec('keras.activations.relu')
