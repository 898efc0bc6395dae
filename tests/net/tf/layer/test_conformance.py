"""One list of layers, many questions: every type builds, has the shape and the tensors that it says, and runs."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape, layer_types, parameters, read_layer
from mayo.net.tf.layer import Site, build, builders
from mayo.net.tf.variables import named_variables

NORM = {'normalizer_fn': 'keras.layers.BatchNormalization', 'normalizer_params': {'center': False}}
MAP, VECTOR, VECTOR_OF_8 = (9, 8, 4), (6,), (8,)
LAYERS = [
    ('convolution', {'kernel_size': [3, 2], 'num_outputs': 6, 'stride': 2}, MAP),
    ('convolution', {'kernel_size': 3, 'num_outputs': 6, 'padding': 'valid', 'num_groups': 2, **NORM}, MAP),
    ('convolution', {'kernel_size': 3, 'num_outputs': 6, 'padding': [1, 0], 'biases_initializer': None}, MAP),
    ('convolution', {'kernel_size': 1, 'num_outputs': 6, 'trainable': False, **NORM}, MAP),
    ('convolution', {'kernel_size': 3, 'num_outputs': 6, 'padding': [[0, 1], [2, 1]]}, MAP),
    (
        'convolution',
        {'kernel_size': 3, 'num_outputs': 6, 'num_groups': 2, 'groupwise': True, 'force_biases': True, **NORM},
        MAP,
    ),
    ('convolution', {'kernel_size': 1, 'num_outputs': 6, 'trainable': 'norm', **NORM}, MAP),
    ('fully_connected', {'num_outputs': 5}, MAP),
    ('identity', {'activation_fn': 'relu'}, MAP),
    ('batch_normalization', {'scope': ''}, MAP),
    ('squeeze', {'axis': None}, (1, 1, 4)),
    ('squeeze', {'axis': None}, MAP),
    ('depthwise_convolution', {'kernel_size': 3, 'depth_multiplier': 2, 'stride': 2}, MAP),
    ('depthwise_convolution', {'kernel_size': 3, 'padding': 1, **NORM}, MAP),
    ('fully_connected', {'num_outputs': 5}, VECTOR),
    ('fully_connected', {'num_outputs': 5, **NORM}, VECTOR),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, **NORM}, MAP),
    (
        'gated_convolution',
        {
            'kernel_size': 3,
            'num_outputs': 6,
            'stride': 2,
            'padding': 1,
            'num_groups': 2,
            'gate_params': {'density': 0.5, 'factor': 4, 'granularity': 'vector'},
            **NORM,
        },
        MAP,
    ),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'parametric_beta': True}}, MAP),
    (
        'gated_convolution',
        {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'density': 0.5, 'threshold': 'local', 'trainable': False}, **NORM},
        MAP,
    ),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, 'trainable': False, **NORM}, MAP),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'policy': 'naive'}, **NORM}, MAP),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'policy': 'naive'}}, MAP),
    (
        'gated_convolution',
        {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'policy': 'squeeze', 'norm': 'channel', 'density': 0.5}, **NORM},
        MAP,
    ),
    ('gated_convolution', {'kernel_size': 3, 'num_outputs': 6, 'gate_params': {'enable': False}, **NORM}, MAP),
    ('average_pool', {}, MAP),
    ('average_pool', {'kernel_size': 3, 'stride': 2, 'padding': 'same'}, MAP),
    ('max_pool', {'kernel_size': 'global'}, MAP),
    ('max_pool', {'kernel_size': 3, 'stride': 2, 'padding': 1}, MAP),
    ('max_pool', {'kernel_size': 20}, MAP),
    ('max_pool', {'kernel_size': [None, 2]}, MAP),
    ('reduce_mean', {}, MAP),
    ('reduce_mean', {'axis': 3, 'keepdims': True}, MAP),
    ('softmax', {}, VECTOR),
    ('dropout', {'keep_prob': 0.7}, MAP),
    ('dropout', {'keep_prob': 0.7, 'whole': True}, VECTOR),
    ('local_response_normalization', {'depth_radius': 2}, MAP),
    ('batch_normalization', {}, MAP),
    ('batch_normalization', {'scale': False, 'activation_fn': 'relu', 'trainable': False}, VECTOR),
    ('squeeze', {}, (1, 1, 4)),
    ('squeeze', {'axis': [1, 2]}, (1, 1, 4)),
    ('flatten', {}, MAP),
    ('concat', {}, MAP, (9, 8, 3)),
    ('add', {}, MAP, MAP, MAP),
    ('mul', {}, MAP, (1, 1, 4)),
    ('mul', {}, MAP, (4,)),
    ('space_to_depth', {'block_size': 2}, (8, 6, 4)),
    ('activation', {'mode': 'relu6'}, MAP),
    ('identity', {}, MAP),
    ('pad', {'sides': [[1, 0], [2, 3]]}, MAP),
    ('pad', {'sides': [[1, 0], [2, 3]], 'channels': [1, 2]}, MAP),
    ('crop', {'sides': 1}, MAP),
    ('hadamard', {}, VECTOR_OF_8),
    ('hadamard', {'variable_scales': True, 'block': 2, 'trainable': 'norm', **NORM}, MAP),
    ('hadamard_convolution', {'kernel_size': 3, 'stride': 2}, MAP),
    ('hadamard_convolution', {'kernel_size': 3, 'num_outputs': 8, 'padding': [1, 0], 'block': 4, **NORM}, MAP),
    ('depthwise_separable_convolution', {'kernel_size': 3, 'num_outputs': 6, 'depth_multiplier': 2, 'stride': 2}, MAP),
    ('depthwise_separable_convolution', {'kernel_size': 3, 'num_outputs': 6, 'padding': 1, 'trainable': 'norm', **NORM}, MAP),
    ('depthwise_separable_convolution', {'kernel_size': 3, 'padding': 'valid'}, MAP),
    ('zipf', {}, MAP),
]


@pytest.fixture(params=LAYERS, ids=lambda case: f'{case[0]}-{LAYERS.index(case)}')
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, Any, Any]:
    """(type, completed params, source shapes, the layer as built)."""
    kind, params, *sources = request.param
    params = read_layer(kind, params)
    dims = [(None, *source) for source in sources]
    layer = build(kind, params, dims, Site('some/layer', dtype='float32'))
    layer.build(dims[0] if len(dims) == 1 else dims)
    if not params.trains:
        layer.trainable = False
    return kind, params, sources, layer


def run(layer: Any, sources: Any, training: bool = False) -> Any:
    draw = np.random.default_rng(1)
    values = [tf.constant(draw.normal(size=(2, *source)), tf.float32) for source in sources]
    outputs = layer(values[0] if len(values) == 1 else values, training=training)
    return outputs[0] if isinstance(outputs, tuple) else outputs


@pytest.mark.parametrize('training', [False, True])
def test_a_layer_has_the_shape_that_it_says(case: tuple[Any, Any, Any, Any], training: bool) -> None:
    _, params, sources, layer = case
    expected = params.output([Shape(source) for source in sources]).dims
    outputs = run(layer, sources, training)
    assert outputs.shape == (2, *expected)
    assert np.isfinite(outputs).all()
    dims = [(None, *source) for source in sources]
    assert tuple(layer.compute_output_shape(dims[0] if len(dims) == 1 else dims)) == (None, *expected)


def test_a_layer_stores_the_tensors_that_it_says(case: tuple[Any, Any, Any, Any]) -> None:
    _, params, sources, layer = case
    channels = sources[0][-1]
    assert {name: tuple(variable.shape) for name, variable in named_variables(layer)} == {
        tensor.name: tensor.dims for tensor in params.tensors(channels)
    }
    trainable, state = parameters(params, channels)
    assert sum(np.prod(variable.shape, dtype=int) for variable in layer.trainable_weights) == trainable
    assert sum(np.prod(variable.shape, dtype=int) for variable in layer.non_trainable_weights) == state


def test_every_layer_type_is_built_or_computes_itself_and_has_an_example_here() -> None:
    assert [kind for kind in layer_types if (kind in builders) == hasattr(layer_types[kind], 'compute')] == []
    assert set(layer_types) == {kind for kind, *_ in LAYERS}


def test_a_layer_works_in_sixteen_bits(case: tuple[Any, Any, Any, Any]) -> None:
    kind, params, sources, _ = case
    dims = [(None, *source) for source in sources]
    layer = build(kind, params, dims, Site('some/layer', dtype='mixed_bfloat16'))
    layer.build(dims[0] if len(dims) == 1 else dims)
    outputs = run(layer, sources, training=True)
    assert outputs.dtype == tf.bfloat16
    assert all(variable.dtype == 'float32' for variable in layer.weights)


def test_gradients_reach_every_trainable_variable(case: tuple[Any, Any, Any, Any]) -> None:
    *_, sources, layer = case
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(run(layer, sources, training=True)))
    slopes = tape.gradient(loss, [variable.value for variable in layer.trainable_weights])
    missing = [variable.path for variable, slope in zip(layer.trainable_weights, slopes, strict=True) if slope is None]
    naive = case[1].gate is not None and case[1].gate.policy == 'naive'
    assert len(missing) == (2 if naive else 0), missing  # its loss reaches them: test_formulas


@pytest.mark.parametrize('mode', ['relu', 'relu6', 'elu', 'sigmoid', 'tanh', 'leaky_relu', 'swish', 'hard_swish'])
def test_every_activation_is_itself(mode: str) -> None:
    x = np.linspace(-8, 8, 33, dtype='float32')
    expected = {
        'relu': np.maximum(x, 0),
        'relu6': np.clip(x, 0, 6),
        'elu': np.where(x > 0, x, np.exp(x) - 1),
        'sigmoid': 1 / (1 + np.exp(-x)),
        'tanh': np.tanh(x),
        'leaky_relu': np.where(x > 0, x, 0.2 * x),
        'swish': x / (1 + np.exp(-x)),
        'hard_swish': x * np.clip(x + 3, 0, 6) / 6,
    }[mode]
    layer = build('activation', read_layer('activation', {'mode': mode}), [(None, 33)], Site('act'))
    np.testing.assert_allclose(layer(x[None])[0], expected, rtol=1e-5, atol=1e-6)


def test_local_response_normalization_computes_its_formula() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 3, 5)).astype('float32')
    params = read_layer('local_response_normalization', {'depth_radius': 1, 'bias': 2.0, 'alpha': 0.5, 'beta': 0.75})
    layer = build('local_response_normalization', params, [(None, 3, 3, 5)], Site('lrn'))
    squares = np.pad(x**2, [(0, 0), (0, 0), (0, 0), (1, 1)])
    near = sum(squares[..., shift : shift + 5] for shift in range(3))
    np.testing.assert_allclose(layer(x), x / (2 + 0.5 * near) ** 0.75, rtol=1e-4)


def test_dropout_keeps_what_keep_prob_says_and_scales_it() -> None:
    layer = build('dropout', read_layer('dropout', {'keep_prob': 0.8}), [(None, 10000)], Site('drop', seed=1))
    values = layer(tf.ones((1, 10000)), training=True).numpy()
    assert 0.78 < (values > 0).mean() < 0.82
    assert set(np.unique(values)) == {0.0, np.float32(1.25)}
    assert (layer(tf.ones((1, 10))).numpy() == 1).all()


def test_dropout_of_the_whole_gives_all_values_of_an_image_one_fate() -> None:
    layer = build('dropout', read_layer('dropout', {'keep_prob': 0.8, 'whole': True}), [(None, 2, 3, 4)], Site('drop', seed=1))
    values = layer(tf.ones((1000, 2, 3, 4)), training=True).numpy().reshape(1000, -1)
    assert (values == values[:, :1]).all()
    assert set(np.unique(values)) == {0.0, np.float32(1.25)}
    assert 0.76 < (values[:, 0] > 0).mean() < 0.84


def test_padding_puts_zeros_around_the_map_and_before_and_after_its_channels() -> None:
    x = np.arange(1, 9, dtype='float32').reshape(1, 2, 2, 2)
    params = read_layer('pad', {'sides': [[1, 0], [0, 1]], 'channels': [1, 0]})
    values = build('pad', params, [(None, 2, 2, 2)], Site('pad'))(x)
    np.testing.assert_array_equal(values, np.pad(x, [(0, 0), (1, 0), (0, 1), (1, 0)]))


def test_weights_depend_on_the_seed_and_the_name_of_the_layer_alone() -> None:
    def weights(name: str, seed: int) -> Any:
        layer = build(
            'convolution',
            read_layer('convolution', {'kernel_size': 1, 'num_outputs': 2}),
            [(None, 3, 3, 2)],
            Site(name, seed=seed),
        )
        layer.build((None, 3, 3, 2))
        return layer.weights[0].numpy().tolist()

    assert weights('a', 0) == weights('a', 0)
    assert weights('a', 0) != weights('b', 0)
    assert weights('a', 0) != weights('a', 1)


def test_regularizers_and_initializers_are_what_the_yaml_names() -> None:
    params = read_layer(
        'convolution',
        {
            'kernel_size': 1,
            'num_outputs': 2,
            'weights_initializer': {'type': 'tensorflow.constant_initializer', 'value': 3.0},
            'weights_regularizer': {'type': 'tensorflow.contrib.layers.l2_regularizer', 'scale': 0.5},
            'biases_regularizer': {'type': 'keras.regularizers.L1', 'l1': 0.1},
        },
    )
    layer = build('convolution', params, [(None, 1, 1, 4)], Site('conv'))
    layer.build((None, 1, 1, 4))
    kernel, bias = layer.weights
    assert (kernel.numpy() == 3).all()
    assert float(kernel.regularizer(kernel)) == pytest.approx(0.5 / 2 * 8 * 9)
    assert isinstance(bias.regularizer, keras.regularizers.L1)


def test_batch_norm_honours_its_params_and_its_old_names() -> None:
    for params in (
        {'normalizer_fn': 'keras.layers.BatchNormalization', 'normalizer_params': {'momentum': 0.7, 'epsilon': 0.2}},
        {
            'normalizer_fn': 'tensorflow.contrib.slim.batch_norm',
            'normalizer_params': {'decay': 0.7, 'epsilon': 0.2, 'scale': True},
        },
    ):
        for kind in ('convolution', 'gated_convolution'):
            given = read_layer(kind, {'kernel_size': 1, 'num_outputs': 2, **params})
            norm = build(kind, given, [(None, 1, 1, 4)], Site('conv')).norm
            gated = kind == 'gated_convolution'
            assert (norm.momentum, norm.epsilon, norm.scale, norm.center) == (0.7, 0.2, not gated, not gated)
