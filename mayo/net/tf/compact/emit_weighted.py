"""Layers with weights in TensorFlow. The weights of the chosen channels are copied by one gather a layer.

What a gate does to the features of its convolution is at most a scale, a shift and a factor for each active channel:

    y = factor function(scale conv(x) + shift)

On a CPU TensorFlow copies runs of Kh Kw numbers, from [C' C, Kh Kw], and wants them in ascending order; XLA prefers single
numbers from [Kh Kw, C' C] in any order.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.emit import Image, Spread, chosen, emitters, function, padding_of
from mayo.net.tf.compact.narrow import STEPS, rounded

BLOCK = 2**16  # weights of a channel that are read where they are; fewer are gathered first
AT_ONCE = 8  # blocks read in parallel


@emitters.register(ops.Conv)
def conv(image: Image, operation: ops.Conv) -> tf.Tensor:
    """The scale goes where there is less to multiply, to the weights or the features."""
    operation = rounded(operation)
    index, effect = None, Effect(operation.scale, operation.bias, None)
    if operation.gate is not None:
        choice = choose(operation.gate, image.values[operation.source], image.index(operation.source), ascending=not image.xla)
        image.masks[operation.output] = choice.active
        index, effect = choice.winners, effect_of(operation, operation.gate, choice)
    if name := image.program.values[operation.output].index:
        image.indices[name] = index
    if operation.groups > 1 or operation.standardize is not None:
        features = features_of(image, operation, index)
    else:
        weights = weights_of(operation, image.index(operation.source), index, image.xla)
        if effect.scale is not None and math.prod(weights.shape) < math.prod(image.dims(operation.output)):
            weights, effect = weights * effect.scale, effect._replace(scale=None)
        features = convolve(operation, on_grid(image.values[operation.source], operation.narrow), weights)
    outputs = function(shifted(features, effect), operation.function)
    return outputs if effect.factor is None else outputs * effect.factor


def on_grid(values: tf.Tensor, narrow: ops.Narrow | None) -> tf.Tensor:
    """The numbers that are multiplied for `values`: mayo.net.tf.compact.narrow has the formulas."""
    if narrow is None:
        return values
    if narrow.precision == 'bfloat16':
        return tf.cast(tf.cast(values, tf.bfloat16), tf.float32)
    steps = tf.clip_by_value(tf.round(values * np.float32(1 / narrow.scale)), -narrow.zero, STEPS - narrow.zero)
    return steps * np.float32(narrow.scale)


class Choice(NamedTuple):
    """A gate's `winners`, an index, and their g, mask and b, all [k]; None: all channels in order, a mask of ones, no b.

    active: which of all channels won, [C] bool.
    """

    active: tf.Tensor
    saliency: tf.Tensor
    mask: tf.Tensor | None
    winners: tf.Tensor | None
    shift: tf.Tensor | None

    def masked(self, values: tf.Tensor) -> tf.Tensor:
        """mask values."""
        return values if self.mask is None else values * self.mask


class Effect(NamedTuple):
    """What is done to each channel: factor function(scale features + shift); all [k], None for 1."""

    scale: tf.Tensor | np.ndarray | None
    shift: tf.Tensor | np.ndarray
    factor: tf.Tensor | None


def choose(gate: ops.Gate, source: tf.Tensor, read: tf.Tensor | None, ascending: bool) -> Choice:
    """The winners, in ascending order of their positions or in any."""
    summary = summarize(source, gate.pool)
    saliency = summary
    for position, layer in enumerate(gate.layers):
        saliency = tf.nn.relu(affine(saliency, layer, read if position == 0 else None))
    saliency = saliency[0]
    shift = affine(summary, gate.shift, read)[0] if isinstance(gate.shift, ops.Affine) else gate.shift
    if gate.keep == gate.layers[-1].bias.size:
        everything = tf.ones_like(saliency, tf.bool)
        return Choice(everything, saliency, None, None, None if shift is None else tf.convert_to_tensor(shift))
    top = tf.math.top_k(saliency, gate.keep + 1)
    won, index, cut = top.values[:-1], top.indices[:-1], top.values[-1]
    if ascending:
        index = tf.sort(index)
        won = tf.gather(saliency, index)
    mask = tf.cast(won > cut, tf.float32)
    return Choice(saliency > cut, won, mask, index, None if shift is None else tf.gather(shift, index))


def summarize(source: tf.Tensor, pool: str) -> tf.Tensor:
    """s [1, k']. The mean is a pooling: TensorFlow's is two to three times as fast as its reduction."""
    if pool == 'max':
        return tf.reduce_max(source, (1, 2))
    values = {'avg': tf.identity, 'l1': tf.abs, 'l2': tf.square}[pool](source)
    return tf.reshape(tf.nn.avg_pool2d(values, source.shape[1:3], 1, 'VALID'), [1, source.shape[-1]])


def affine(source: tf.Tensor, layer: ops.Affine, read: tf.Tensor | None) -> tf.Tensor:
    return tf.matmul(source, chosen(layer.weights, read)) + layer.bias


def effect_of(operation: ops.Conv, gate: ops.Gate, choice: Choice) -> Effect:
    """The gate's scale, shift and factor, with the convolution's own bias and scale."""
    bias = chosen(operation.bias, choice.winners)
    own = None if operation.scale is None else chosen(operation.scale, choice.winners)
    if gate.boost == 'never':
        return Effect(own, bias, choice.mask)
    boost = choice.masked(choice.saliency)
    if choice.shift is not None and gate.shift_first:
        bias += choice.shift
    if gate.boost == 'after':
        return Effect(own, bias, boost)
    shift = bias * boost
    if choice.shift is not None and not gate.shift_first:
        shift += choice.masked(choice.shift)
    return Effect(boost if own is None else boost * own, shift, None)


def shifted(features: tf.Tensor, effect: Effect) -> tf.Tensor:
    """scale features + shift; bias_add is what TensorFlow fuses with a convolution."""
    return tf.nn.bias_add(features if effect.scale is None else features * effect.scale, effect.shift)


def features_of(image: Image, operation: ops.Conv, index: tf.Tensor | None) -> tf.Tensor:
    """conv(x) of a convolution in groups, which is computed for all channels, or one whose features are standardized."""
    source = on_grid(image.values[operation.source], operation.narrow)
    if operation.groups > 1:
        features = convolve(operation, source, weights_of(operation, None, None, image.xla))
        features = features if index is None else tf.gather(features, index, axis=-1)
    else:
        features = convolve(operation, source, weights_of(operation, image.index(operation.source), index, image.xla))
    if operation.standardize is None:
        return features
    mean, variance = tf.nn.moments(features, (1, 2), keepdims=True)
    return (features - mean) * tf.math.rsqrt(variance + operation.standardize)


def weights_of(operation: ops.Conv, read: tf.Tensor | None, index: tf.Tensor | None, xla: bool) -> tf.Tensor:
    """[Kh, Kw, k', k]: the weights of the source's channels `read` for the channels `index`; None is all of either."""
    outs, ins, height, width = operation.weights.shape
    shape = [height, width, ins if read is None else read.shape[0], outs if index is None else index.shape[0]]
    inner = operation.weights.transpose(2, 3, 1, 0).reshape(height * width, ins, outs)
    if index is None:
        return tf.reshape(chosen(inner, read, axis=1), shape)
    flat = index[None, :] + (tf.range(ins) if read is None else read)[:, None] * outs
    if xla:
        return tf.reshape(chosen(inner.reshape(height * width, ins * outs), flat, axis=1), shape)
    runs = operation.weights.transpose(1, 0, 2, 3).reshape(ins * outs, height * width)
    return tf.reshape(tf.transpose(chosen(runs, tf.reshape(flat, [-1]))), shape)


def convolve(operation: ops.Conv, source: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(source, weights, operation.stride, padding_of(operation, source))


@emitters.register(ops.Depthwise)
def depthwise(image: Image, operation: ops.Depthwise) -> tf.Tensor:
    source = image.values[operation.source]
    weights = chosen(operation.weights.transpose(2, 3, 0, 1), image.index(operation.source), axis=2)
    source = tf.pad(source, [(0, 0), *operation.pads, (0, 0)]) if np.any(operation.pads) else source
    features = tf.nn.depthwise_conv2d(source, weights, (1, *operation.stride, 1), 'VALID')
    return function(tf.nn.bias_add(features, chosen(operation.bias, image.index(operation.output))), operation.function)


@emitters.register(ops.Dense)
def dense(image: Image, operation: ops.Dense) -> tf.Tensor:
    """Weights of a slice are gathered, or, where each channel has many, read where they are."""
    operation, index = rounded(operation), image.program.values[operation.source].index
    source = image.values[operation.source]
    if operation.narrow is not None and operation.narrow.precision == 'int8':
        source = on_grid(source, operation.narrow)
    spread = None if index is None or image.xla else image.spreads.get(index)
    if spread is not None and spread.positions * operation.bias.size >= BLOCK:
        product = blocks_product(source, operation.weights, spread)
    else:
        product = tf.matmul(source, chosen(operation.weights, image.index(operation.source)))
    return function(tf.nn.bias_add(product, operation.bias), operation.function)


def blocks_product(source: tf.Tensor, weights: np.ndarray, spread: Spread) -> tf.Tensor:
    """source [1, P k] times the weights [P C', C] of the chosen channels, which are read where they are, not copied.

    A channel's weights are a block [P, C]: one slice along the first dimension, which TensorFlow does not copy. Of VGG-16's
    first fully connected layer, 411 MB, half the channels take 0.65 of the time of all; gathered, they take 1.6.
    """
    positions, outs = spread.positions, weights.shape[1]
    blocks = chosen(weights.reshape(positions, -1, outs).transpose(1, 0, 2), None)
    count = source.shape[1] // positions
    columns = tf.transpose(tf.reshape(source, [positions, count]))

    def product(place: Any) -> tf.Tensor:
        block = tf.slice(blocks, [spread.channels[place], 0, 0], [1, positions, outs])
        return tf.matmul(tf.slice(columns, [place, 0], [1, positions]), tf.reshape(block, [positions, outs]))

    def step(place: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return place + AT_ONCE, tf.add_n([total, *(product(place + ahead) for ahead in range(AT_ONCE))])

    whole = count - count % AT_ONCE
    _, total = tf.while_loop(lambda place, total: place < whole, step, (0, tf.zeros((1, outs))))
    return tf.add_n([total, *map(product, range(whole, count))])


@emitters.register(ops.Scale)
def scale(image: Image, operation: ops.Scale) -> tf.Tensor:
    index = image.index(operation.output)
    features = image.values[operation.source] * chosen(operation.scale, index) + chosen(operation.shift, index)
    return function(features, operation.function)
