"""A small gated convolution with random weights, and the formulas of every policy in NumPy, written without looking at mayo."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import keras
import numpy as np
import pytest

from mayo.layers import read_layer
from mayo.net.tf.layer import Site, builders
from mayo.net.tf.variables import named_variables

NORM: dict[str, Any] = {
    'normalizer_fn': 'keras.layers.BatchNormalization',
    'normalizer_params': {'momentum': 0.9, 'epsilon': 0.01},
}


@pytest.fixture
def gated() -> Callable[..., Any]:
    """Makes a gated convolution 3x3 of 4 channels on maps [5, 4, 3] whose every weight is random."""

    def make(
        source: tuple[int, int, int] = (5, 4, 3), threshold: Any = None, dtype: Any = None, seed: int = 3, **params: Any
    ) -> Any:
        given = {'kernel_size': 3, 'num_outputs': 4, **NORM} | params
        layer = builders['gated_convolution'](
            read_layer('gated_convolution', given), [(None, *source)], Site('conv0', dtype, 0, threshold)
        )
        layer.build((None, *source))
        randomize(layer, seed)
        return layer

    return make


def randomize(layer: keras.layers.Layer, seed: int) -> None:
    """Normal weights; saliencies and variances well above 0."""
    draw = np.random.default_rng(seed)
    for name, variable in named_variables(layer):
        if name.endswith('threshold'):
            continue
        value = draw.normal(0, 0.4, variable.shape)
        variable.assign(np.abs(value) + 0.5 if name.endswith(('variance', 'gate/biases', 'factor/biases')) else value)


@pytest.fixture
def images() -> Any:
    """[6, 5, 4, 3], some negative."""
    return np.random.default_rng(7).normal(0.2, 1.0, (6, 5, 4, 3)).astype('float32')


@pytest.fixture
def weights() -> Any:
    """The weights of a layer by name, as float64."""
    return lambda layer: {name: variable.numpy().astype('float64') for name, variable in named_variables(layer)}


@pytest.fixture
def reference() -> Any:
    """The formulas: reference(x, weights, gate, training) is {'y':, 'g':, 'mask':, 'loss':}."""
    return compute


def compute(
    x: Any, w: Any, gate: Any, training: bool = True, mask: Any = None, padding: str = 'same', stride: int = 1
) -> dict[str, Any]:
    """mask: given, it is held fixed, as for derivatives."""
    policy, vector = gate.get('policy', 'parametric'), gate.get('granularity') == 'vector'
    z = normalize(convolve(x, w['weights'], padding, stride), w, gate, training)
    s = summarize(x, gate.get('pool', 'avg'), vector, padding, stride)
    h = relu(s @ w['gate/factor/weights'] + w['gate/factor/biases']) if gate.get('factor') else s
    g = relu(h @ w['gate/weights'] + w['gate/biases'])
    mask = winners(g, gate.get('density', 1.0)) if mask is None else mask
    spread: Callable[..., Any] = (lambda v: v[:, :, None, :]) if vector else (lambda v: v[:, None, None, :])
    if policy == 'naive':
        strong = relu(z)
        target = summarize(strong, gate.get('pool', 'avg'), False) if not vector else pool(strong, gate.get('pool', 'avg'), 2)
        return {'y': spread(mask) * strong, 'g': g, 'mask': mask, 'loss': np.mean((g - target) ** 2)}
    if policy == 'select':
        return {'y': spread(mask) * relu(z), 'g': g, 'mask': mask, 'loss': 0.0}
    predicted = gate.get('parametric_beta')
    b = s @ w['gate/beta/weights'] + w['gate/beta/biases'] if predicted else np.zeros_like(g) + w['gate/shift']
    if policy == 'squeeze':
        y = spread(mask * g) * relu(z + spread(b))
    elif gate.get('add_beta_first'):
        y = relu(spread(mask * g) * (z + spread(b)))
    else:
        y = relu(spread(mask * g) * z + spread(mask * b))
    return {'y': y, 'g': g, 'mask': mask, 'loss': 0.0}


def relu(values: Any) -> Any:
    return np.maximum(values, 0)


def winners(g: Any, density: float) -> Any:
    """The mask, by sorting each row."""
    keep = math.ceil(Decimal(str(density)) * g.shape[-1])
    if keep == g.shape[-1]:
        return np.ones_like(g)
    return (g > np.sort(g, -1)[..., ::-1][..., keep : keep + 1]).astype(g.dtype)


def pads(side: Any, kernel: Any, stride: Any, padding: Any) -> tuple[Any, ...]:
    """TensorFlow's `same`: as even as possible, more at the end."""
    if padding == 'valid':
        return 0, 0
    if padding != 'same':
        return padding, padding
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def convolve(x: Any, kernel: Any, padding: Any, stride: Any) -> Any:
    height, width = kernel.shape[:2]
    x = np.pad(x, [(0, 0), pads(x.shape[1], height, stride, padding), pads(x.shape[2], width, stride, padding), (0, 0)])
    rows, columns = (x.shape[1] - height) // stride + 1, (x.shape[2] - width) // stride + 1
    out = np.zeros((len(x), rows, columns, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            out += x[:, i : i + rows * stride : stride, j : j + columns * stride : stride] @ kernel[i, j]
    return out


def normalize(z: Any, w: Any, gate: Any, training: Any) -> Any:
    if gate.get('norm') == 'channel':
        mean, variance, epsilon = z.mean((1, 2), keepdims=True), z.var((1, 2), keepdims=True), gate.get('epsilon', 0.001)
    elif training:
        mean, variance, epsilon = z.mean((0, 1, 2)), z.var((0, 1, 2)), 0.01
    else:
        mean, variance, epsilon = w['BatchNorm/moving_mean'], w['BatchNorm/moving_variance'], 0.01
    z = (z - mean) / np.sqrt(variance + epsilon)
    return z * w['BatchNorm/gamma'] + w['BatchNorm/beta'] if 'BatchNorm/gamma' in w else z


def pool(x: Any, kind: Any, axes: int | tuple[int, int]) -> Any:
    return {
        'avg': lambda: x.mean(axes),
        'l1': lambda: np.abs(x).mean(axes),
        'l2': lambda: (x**2).mean(axes),
        'max': lambda: x.max(axes),
    }[kind]()


def summarize(x: Any, kind: Any, vector: Any, padding: Any = 'same', stride: Any = 1, kernel: int = 3) -> Any:
    """s; for a gate per row, over the rows of the image that a convolution of 3 rows reads for that row."""
    if not vector:
        return pool(x, kind, (1, 2))
    rows = pool(x, kind, 2)
    before, after = pads(x.shape[1], kernel, stride, padding)
    count = (x.shape[1] + before + after - kernel) // stride + 1
    windows = [rows[:, max(i * stride - before, 0) : i * stride - before + kernel] for i in range(count)]
    return np.stack([window.max(1) if kind == 'max' else window.mean(1) for window in windows], 1)
