"""The warm start: a dense layer and its gated one, both computed here in NumPy, are equal."""

from typing import Any

import numpy as np
import pytest

from mayo.checkpoint.warm_start import tied, warm_start

C_IN, C = 3, 5
EPSILON = 1e-3


@pytest.fixture
def dense() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        'n/c/weights': random.normal(size=(1, 1, C_IN, C)),
        'n/c/BatchNorm/gamma': np.array([1.5, -0.5, 0.2, -2.0, 0.7]),
        'n/c/BatchNorm/beta': random.normal(size=C),
        'n/c/BatchNorm/moving_mean': random.normal(size=C),
        'n/c/BatchNorm/moving_variance': random.uniform(0.5, 2, C),
        'n/logits/weights': random.normal(size=(C, 2)),
    }


def wanted(*more: tuple[Any, ...], rho: bool = True) -> Any:
    shapes = {
        'weights': (1, 1, C_IN, C),
        'BatchNorm/moving_mean': (C,),
        'BatchNorm/moving_variance': (C,),
        'gate/weights': (C_IN, C),
        'gate/biases': (C,),
        **dict(more),
    }
    return {f'n/c/{name}': shape for name, shape in shapes.items()} | {'n/logits/weights': (C, 2)}


def norm(tensors: Any, x: Any) -> Any:
    convolved = x @ tensors['n/c/weights'][0, 0]
    return (convolved - tensors['n/c/BatchNorm/moving_mean']) / np.sqrt(tensors['n/c/BatchNorm/moving_variance'] + EPSILON)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


FORMS = {
    'parametric': lambda g, n, b: relu(g * n + b),
    'paper': lambda g, n, b: relu(g * (n + b)),
    'squeeze': lambda g, n, b: g * relu(n + b),
}


@pytest.mark.parametrize('form', FORMS)
def test_the_gated_layer_equals_the_dense_one(dense: dict[str, Any], form: Any) -> None:
    x = np.random.default_rng(1).normal(size=(20, C_IN))
    gated, layers = warm_start(dense, wanted(('gate/shift', (C,))), ['n/c'] if form != 'parametric' else [])
    g = relu(x @ gated['n/c/gate/weights'] + gated['n/c/gate/biases'])
    expected = relu(dense['n/c/BatchNorm/gamma'] * norm(dense, x) + dense['n/c/BatchNorm/beta'])
    np.testing.assert_allclose(FORMS[form](g, norm(gated, x), gated['n/c/gate/shift']), expected, atol=1e-12)
    assert layers == ['n/c']
    assert 'n/c/BatchNorm/gamma' not in gated
    assert 'n/c/BatchNorm/beta' not in gated
    assert (dense['n/c/BatchNorm/gamma'] < 0).any()  # the file's tensors themselves stay as they are


def test_a_scale_of_zero_still_gives_the_shift_inside(dense: dict[str, Any]) -> None:
    dense['n/c/BatchNorm/gamma'][2] = 0
    gated, _ = warm_start(dense, wanted(('gate/shift', (C,))), ['n/c'])
    product = gated['n/c/gate/biases'] * gated['n/c/gate/shift']
    np.testing.assert_allclose(product, dense['n/c/BatchNorm/beta'], rtol=1e-6)


def test_predicted_shifts_start_constant(dense: dict[str, Any]) -> None:
    gated, _ = warm_start(dense, wanted(('gate/beta/weights', (C_IN, C)), ('gate/beta/biases', (C,))))
    assert not gated['n/c/gate/beta/weights'].any()
    np.testing.assert_array_equal(gated['n/c/gate/beta/biases'], dense['n/c/BatchNorm/beta'])


@pytest.mark.parametrize('form', FORMS)
def test_a_convolution_without_batch_norm_is_as_salient_as_its_filters_are_large(dense: dict[str, Any], form: Any) -> None:
    dense = {'n/c/weights': dense['n/c/weights'], 'n/c/biases': np.arange(C) - 2.0}
    gated, layers = warm_start(dense, wanted(('gate/shift', (C,))), ['n/c'] if form != 'parametric' else [])
    x = np.random.default_rng(1).normal(size=(20, C_IN))
    outputs = FORMS[form](gated['n/c/gate/biases'], x @ gated['n/c/weights'][0, 0], gated['n/c/gate/shift'])
    np.testing.assert_allclose(outputs, relu(x @ dense['n/c/weights'][0, 0] + dense['n/c/biases']), atol=1e-12)
    norms = np.linalg.norm(dense['n/c/weights'][0, 0], axis=0)
    np.testing.assert_allclose(gated['n/c/gate/biases'], norms / norms.mean())
    assert tied(gated, layers) == []


def test_batch_norm_without_a_scale_leaves_channels_tied(dense: dict[str, Any]) -> None:
    del dense['n/c/BatchNorm/gamma']
    gated, layers = warm_start(dense, wanted(('gate/shift', (C,))))
    np.testing.assert_array_equal(gated['n/c/gate/biases'], np.ones(C))
    assert tied(gated, layers) == ['n/c']


def test_the_naive_gate_starts_afresh_and_keeps_batch_norm(dense: dict[str, Any]) -> None:
    tensors, layers = warm_start(dense, wanted(('BatchNorm/gamma', (C,)), ('BatchNorm/beta', (C,))))
    assert layers == []
    assert tensors.keys() == dense.keys()


def test_a_gated_file_is_left_alone(dense: dict[str, Any]) -> None:
    gated, _ = warm_start(dense, wanted(('gate/shift', (C,))))
    again, layers = warm_start(gated, wanted(('gate/shift', (C,))))
    assert layers == []
    assert again == gated
