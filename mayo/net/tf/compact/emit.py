"""The operations of a program in TensorFlow, for one image: a function for each class of operation.

Values are [1, H, W, k] or [1, k], indices int32 [k]. Constants are laid out once, when the emitter is built.
"""
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Program
from mayo.net.tf.gate.base import pool as summarize
from mayo.net.tf.objects import instantiate

Emit = Callable[['Image', Any], tf.Tensor]
emitters: dict[type, Emit] = {}


class Image:
    """One image on its way through a program: the values and indices so far, and how many channels won in each gate."""

    def __init__(self, program: Program, inputs: Mapping[str, tf.Tensor]) -> None:
        self.program = program
        self.values = dict(inputs)
        self.indices: dict[str, tf.Tensor] = {}
        self.counts: dict[str, tf.Tensor] = {}

    def run(self) -> None:
        for one in self.program.operations:
            self.values[one.output] = emitters[type(one)](self, one)

    def index(self, name: str) -> tf.Tensor | None:
        """The index of a value; None if it has all channels."""
        index = self.program.values[name].index
        return None if index is None else self.indices[index]

    def constant(self, one: ops.Operation, array: np.ndarray, axis: int = 0) -> tf.Tensor:
        """A constant per channel, for the channels of the operation's output."""
        index = self.index(one.output)
        return tf.constant(array) if index is None else tf.gather(tf.constant(array), index, axis=axis)


def emitter(kind: type) -> Callable[[Emit], Emit]:
    """Enters the function that computes one class of operation."""
    def enter(function: Emit) -> Emit:
        emitters[kind] = function
        return function
    return enter


def function(values: tf.Tensor, name: ops.Function | None) -> tf.Tensor:
    if name is None:
        return values
    if name.name == 'relu' and not name.arguments:
        return tf.nn.relu(values)
    return instantiate({'type': f'keras.activations.{name.name}', **name.arguments})(values)


# --- with weights ---

@emitter(ops.Conv)
def conv(image: Image, one: ops.Conv) -> tf.Tensor:
    source, read = image.values[one.source], image.index(one.source)
    if one.gate is None:
        features = convolve(one, source, weights_of(one, read, None))
        return function(normalized(one, features, None), one.function)
    saliency, mask, index, shift = choose(one.gate, source, read)
    image.counts[one.output] = tf.reduce_sum(tf.cast(mask, tf.int32)) if mask is not None else tf.constant(one.gate.keep)
    if index is not None:
        image.indices[image.program.values[one.output].index] = index
        saliency = tf.gather(saliency, index) if mask is None else saliency
    if one.groups > 1:
        features = convolve(one, source, weights_of(one, None, None))
        features = features if index is None else tf.gather(features, index, axis=-1)
    else:
        features = convolve(one, source, weights_of(one, read, index))
    features = normalized(one, features, index)
    return boosted(one, features, saliency, mask, shift)


def choose(gate: ops.Gate, source: tf.Tensor, read: tf.Tensor | None) -> tuple[tf.Tensor, ...]:
    """(saliency [k], mask [k] or None, index [k] or None, shift [k] or None) of the winners."""
    summary = summarize(source, gate.pool, (1, 2))
    saliency = summary
    for position, layer in enumerate(gate.layers):
        saliency = tf.nn.relu(affine(saliency, layer, read if position == 0 else None))
    saliency = saliency[0]
    mask = index = None
    if gate.keep < gate.layers[-1].bias.size:
        top = tf.math.top_k(saliency, gate.keep + 1)
        saliency, index = top.values[:-1], top.indices[:-1]
        mask = tf.cast(saliency > top.values[-1], tf.float32)
    shift = gate.shift
    if isinstance(shift, ops.Affine):
        shift = affine(summary, shift, read)[0]
    if shift is not None and index is not None:
        shift = tf.gather(shift, index)
    return saliency, mask, index, shift


def affine(source: tf.Tensor, layer: ops.Affine, read: tf.Tensor | None) -> tf.Tensor:
    weights = tf.constant(layer.weights)
    return tf.matmul(source, weights if read is None else tf.gather(weights, read)) + layer.bias


def weights_of(one: ops.Conv, read: tf.Tensor | None, index: tf.Tensor | None) -> tf.Tensor:
    """[Kh, Kw, k', k]: the chosen weights of chosen channels."""
    height, width = one.kernel
    outs, ins = one.weights.shape[:2]
    if read is None and index is None:
        return tf.constant(one.weights.transpose(2, 3, 1, 0))
    if read is None:
        chosen = tf.gather(tf.constant(one.weights.reshape(outs, ins, height * width)), index)
    elif index is None:
        chosen = tf.gather(tf.constant(one.weights.reshape(outs, ins, height * width)), read, axis=1)
    else:
        flat = index[:, None] * ins + read[None, :]
        chosen = tf.gather(tf.constant(one.weights.reshape(outs * ins, height * width)), flat)
    chosen = tf.transpose(chosen, [2, 1, 0])
    return tf.reshape(chosen, [height, width, *chosen.shape[1:]])


def convolve(one: ops.Conv, source: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(source, weights, one.stride, padding_of(one, source))


def padding_of(one: Any, source: tf.Tensor) -> Any:
    """The pads as TensorFlow knows them."""
    if not np.any(one.pads):
        return 'VALID'
    sizes = zip(source.shape[1:3], one.kernel, one.stride, one.pads)
    if all(same(size, kernel, stride) == pads for size, kernel, stride, pads in sizes):
        return 'SAME'
    return [(0, 0), *one.pads, (0, 0)]


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What `same` adds before and after."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def normalized(one: ops.Conv, features: tf.Tensor, index: tf.Tensor | None) -> tf.Tensor:
    """features + bias, standardized first if `one` says so."""
    def constant(array: np.ndarray) -> tf.Tensor:
        return tf.constant(array) if index is None else tf.gather(tf.constant(array), index)
    if one.standardize is not None:
        mean, variance = tf.nn.moments(features, (1, 2), keepdims=True)
        features = (features - mean) * tf.math.rsqrt(variance + one.standardize)
    if one.scale is not None:
        features = features * constant(one.scale)
    return features + constant(one.bias)


def boosted(one: ops.Conv, features: tf.Tensor, saliency: tf.Tensor, mask: tf.Tensor | None, shift: tf.Tensor | None) -> tf.Tensor:
    gate = one.gate
    scale = saliency if mask is None else saliency * mask
    if gate.boost == 'never':
        features = function(features, one.function)
        return features if mask is None else features * mask
    if gate.boost == 'after':
        return function(features if shift is None else features + shift, one.function) * scale
    if shift is not None and gate.shift_first:
        features, shift = features + shift, None
    features = features * scale
    if shift is not None:
        features += shift if mask is None else shift * mask
    return function(features, one.function)


@emitter(ops.Depthwise)
def depthwise(image: Image, one: ops.Depthwise) -> tf.Tensor:
    source, read = image.values[one.source], image.index(one.source)
    weights = tf.constant(one.weights.transpose(2, 3, 0, 1))
    weights = weights if read is None else tf.gather(weights, read, axis=2)
    source = tf.pad(source, [(0, 0), *one.pads, (0, 0)]) if np.any(one.pads) else source
    features = tf.nn.depthwise_conv2d(source, weights, (1, *one.stride, 1), 'VALID')
    return function(features + image.constant(one, one.bias), one.function)


@emitter(ops.Dense)
def dense(image: Image, one: ops.Dense) -> tf.Tensor:
    return function(affine(image.values[one.source], ops.Affine(one.weights, one.bias), image.index(one.source)), one.function)


@emitter(ops.Scale)
def scale(image: Image, one: ops.Scale) -> tf.Tensor:
    features = image.values[one.source] * image.constant(one, one.scale) + image.constant(one, one.shift)
    return function(features, one.function)


# --- without weights ---

@emitter(ops.Pool)
def pool(image: Image, one: ops.Pool) -> tf.Tensor:
    source = image.values[one.source]
    if tuple(source.shape[1:3]) == tuple(one.kernel) and not np.any(one.pads):
        reduce = tf.reduce_max if one.kind == 'max' else tf.reduce_mean
        return reduce(source, (1, 2), keepdims=True)
    padding = padding_of(one, source)
    run = tf.nn.max_pool2d if one.kind == 'max' else tf.nn.avg_pool2d
    return run(source, one.kernel, one.stride, padding)


@emitter(ops.Mean)
def mean(image: Image, one: ops.Mean) -> tf.Tensor:
    return tf.reduce_mean(image.values[one.source], [axis + 1 for axis in one.axes], keepdims=one.keepdims)


@emitter(ops.Activation)
def activation(image: Image, one: ops.Activation) -> tf.Tensor:
    return function(image.values[one.source], one.function)


@emitter(ops.LocalResponse)
def local_response(image: Image, one: ops.LocalResponse) -> tf.Tensor:
    return tf.nn.local_response_normalization(image.values[one.source], one.radius, one.bias, one.alpha, one.beta)


@emitter(ops.Add)
def add(image: Image, one: ops.Add) -> tf.Tensor:
    total, *rest = (image.values[source] for source in one.sources)
    for value in rest:
        total += value
    return total


@emitter(ops.Mul)
def mul(image: Image, one: ops.Mul) -> tf.Tensor:
    product, *rest = (image.values[source] for source in one.sources)
    for value in rest:
        product *= value
    return product


@emitter(ops.Concat)
def concat(image: Image, one: ops.Concat) -> tf.Tensor:
    return tf.concat([image.values[source] for source in one.sources], -1)


@emitter(ops.Reshape)
def reshape(image: Image, one: ops.Reshape) -> tf.Tensor:
    return tf.reshape(image.values[one.source], [-1, *image.program.values[one.output].dims])


@emitter(ops.SpaceToDepth)
def space_to_depth(image: Image, one: ops.SpaceToDepth) -> tf.Tensor:
    return tf.nn.space_to_depth(image.values[one.source], one.block)


@emitter(ops.Pad)
def pad(image: Image, one: ops.Pad) -> tf.Tensor:
    return tf.pad(image.values[one.source], [(0, 0), *one.sides])


@emitter(ops.Crop)
def crop(image: Image, one: ops.Crop) -> tf.Tensor:
    source = image.values[one.source]
    return source[(slice(None), *(slice(before, size - after) for size, (before, after) in zip(source.shape[1:], one.sides)))]


# --- of slices ---

@emitter(ops.Index)
def index(image: Image, one: ops.Index) -> None:
    parts = []
    for name, count, offsets in one.parts:
        entries = tf.range(count, dtype=tf.int32) if name is None else image.indices[name]
        parts.append(tf.reshape(tf.constant(offsets, tf.int32)[:, None] + entries, [-1]))
    joined = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
    if one.times > 1:
        joined = tf.reshape(joined[:, None] * one.times + tf.range(one.times), [-1])
    image.indices[one.output] = joined


@emitter(ops.Expand)
def expand(image: Image, one: ops.Expand) -> tf.Tensor:
    """A gather through the inverse index, which is faster than a scatter of every position."""
    source = image.values[one.source]
    width = image.program.values[one.output].width
    count = source.shape[-1]
    where = tf.tensor_scatter_nd_update(tf.fill([width], count), image.index(one.source)[:, None], tf.range(count))
    padded = tf.pad(source, [*[(0, 0)] * (source.shape.rank - 1), (0, 1)])
    full = tf.gather(padded, where, axis=-1)
    return full if one.fill is None else full + tf.where(where == count, one.fill.astype(np.float32), 0)


@emitter(ops.Take)
def take(image: Image, one: ops.Take) -> tf.Tensor:
    return tf.gather(image.values[one.source], image.indices[one.index], axis=-1)
