"""The operations of a program in TensorFlow, for one image: what their functions share.

Each class of operation has a function among `emitters`.

Values are [1, H, W, k] or [1, k], indices int32 [k]; without gates, a batch of N passes just as well.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mayo.config.names import Spec
from mayo.layers import functions
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.backend import Backend
from mayo.net.tf.compact.program import Program
from mayo.net.tf.objects import instantiate

Emit = Callable[['Image', Any], tf.Tensor]
emitters: Backend[Emit] = Backend('TensorFlow')

CAPTURED = 2**24  # numbers in a constant that is no part of the graph, which would copy it


class Spread(NamedTuple):
    """Of an index that names each of several `positions` of certain `channels`, position by position."""

    channels: tf.Tensor
    positions: int


class Image:
    """One image on its way through a program: the values and indices so far, and the mask [C] of each gate."""

    def __init__(self, program: Program, inputs: Mapping[str, tf.Tensor], xla: bool = False) -> None:
        self.program, self.xla = program, xla
        self.values = dict(inputs)
        self.indices: dict[str, tf.Tensor] = {}
        self.spreads: dict[str, Spread] = {}
        self.masks: dict[str, tf.Tensor] = {}

    def run(self) -> None:
        """Compute every value."""
        for operation in self.program.operations:
            self.values[operation.output] = emitters[type(operation)](self, operation)

    def index(self, name: str) -> tf.Tensor | None:
        """The index of a value; None if it has all channels."""
        index = self.program.values[name].index
        return None if index is None else self.indices[index]

    def dims(self, name: str) -> tuple[int, ...]:
        """Of a value, as computed."""
        return self.program.values[name].dims


def function(values: tf.Tensor, name: ops.Function | None) -> tf.Tensor:
    """name(values)."""
    if name is None:
        return values
    if name.name == 'relu' and not name.arguments:
        return tf.nn.relu(values)
    return instantiate(Spec(f'{functions.PACKAGE}{name.name}', dict(name.arguments)))(values)


def chosen(array: np.ndarray, index: tf.Tensor | None, axis: int = 0) -> tf.Tensor:
    """A constant, or the part of it that `index` names."""
    if index is None and array.size < CAPTURED:
        return tf.constant(array)
    with tf.init_scope():
        constant = tf.constant(np.ascontiguousarray(array))
    return constant if index is None else tf.gather(constant, index, axis=axis)


def padding_of(operation: Any, source: tf.Tensor) -> Any:
    """The pads as TensorFlow knows them."""
    if not np.any(operation.pads):
        return 'VALID'
    sizes = zip(source.shape[1:3], operation.kernel, operation.stride, operation.pads, strict=True)
    if all(same(size, kernel, stride) == pads for size, kernel, stride, pads in sizes):
        return 'SAME'
    return [(0, 0), *operation.pads, (0, 0)]


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What `same` adds before and after."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2
