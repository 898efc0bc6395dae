"""What the tests of each overrider do: make it from YAML's words, run it, and take its gradient."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.override import Overrider, parse

State = Mapping[str, Any]


def make(type: str, **arguments: Any) -> Overrider:
    return parse({'type': f'mayo.override.{type}', **arguments}, type)


def run(overrider: Overrider, value: Any, state: State | None = None) -> Any:
    """The overridden value, as a graph computes it."""
    value = np.asarray(value, np.float32)
    own = overrider.initial(value.shape) if state is None else state
    return tf.function(lambda value: overrider.overridden(value, own))(tf.constant(value)).numpy()


def gradients(overrider: Overrider, value: Any, state: State | None = None, upstream: Any = None, of: str | None = None) -> Any:
    """The gradient of sum(upstream * out) with respect to the value or, with `of`, to a part of the state."""
    value = np.asarray(value, np.float32)
    own = {name: tf.constant(part) for name, part in (overrider.initial(value.shape) if state is None else state).items()}

    @tf.function
    def graph(value: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([value, source])
            result = overrider.overridden(value, own if of is None else own | {of: source})
            total = tf.reduce_sum(result * (1.0 if upstream is None else upstream))
        return tape.gradient(total, value if of is None else source, unconnected_gradients='zero')

    return graph(tf.constant(value), own[of] if of else tf.zeros(())).numpy()


@pytest.fixture(name='make')
def make_fixture() -> Callable[..., Overrider]:
    return make


@pytest.fixture(name='run')
def run_fixture() -> Callable[..., Any]:
    return run


@pytest.fixture(name='gradients')
def gradients_fixture() -> Callable[..., Any]:
    return gradients


@pytest.fixture(scope='session')
def values() -> np.ndarray[Any, Any]:
    """Weights of a small convolution [3, 3, 4, 6]."""
    return np.random.default_rng(0).normal(0, 0.4, (3, 3, 4, 6)).astype(np.float32)
