"""The operations of a program in TensorFlow, for one image: a function for each class of operation.

Values are [1, H, W, k] or [1, k], indices int32 [k]; without gates, a batch of N passes just as well. What a gate does to the
features of its convolution is at most a scale, a shift and a factor for each active channel:

    y = factor function(scale conv(x) + shift)

The weights of the chosen channels are copied by one gather a layer. On a CPU TensorFlow copies runs of Kh Kw numbers, from
[C' C, Kh Kw], and wants the positions in ascending order; XLA prefers single numbers from [Kh Kw, C' C] in any order.
"""
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Program
from mayo.net.tf.objects import instantiate

Emit = Callable[['Image', Any], tf.Tensor]
emitters: dict[type, Emit] = {}

CAPTURED = 2 ** 24              # numbers in a constant that is no part of the graph, which would copy it
BLOCK = 2 ** 16                 # weights of a channel that are read where they are; fewer are gathered first
AT_ONCE = 8                     # blocks read in parallel


class Spread(NamedTuple):
    """Of an index that names each of several `positions` of the channels in `index`, position by position."""
    index: tf.Tensor
    positions: int


class Image:
    """One image on its way through a program: the values and indices so far, and how many channels won in each gate."""

    def __init__(self, program: Program, inputs: Mapping[str, tf.Tensor], xla: bool = False) -> None:
        self.program, self.xla = program, xla
        self.values = dict(inputs)
        self.indices: dict[str, tf.Tensor] = {}
        self.spreads: dict[str, Spread] = {}
        self.counts: dict[str, tf.Tensor] = {}

    def run(self) -> None:
        for one in self.program.operations:
            self.values[one.output] = emitters[type(one)](self, one)

    def index(self, name: str) -> tf.Tensor | None:
        """The index of a value; None if it has all channels."""
        index = self.program.values[name].index
        return None if index is None else self.indices[index]


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


def chosen(array: np.ndarray, index: tf.Tensor | None, axis: int = 0) -> tf.Tensor:
    """A constant, or the part of it that `index` names."""
    if index is None and array.size < CAPTURED:
        return tf.constant(array)
    with tf.init_scope():
        constant = tf.constant(np.ascontiguousarray(array))
    return constant if index is None else tf.gather(constant, index, axis=axis)


# --- convolutions ---

@emitter(ops.Conv)
def conv(image: Image, one: ops.Conv) -> tf.Tensor:
    index, effect = None, Effect(one.scale, one.bias, None)
    if one.gate is not None:
        choice = choose(one.gate, image.values[one.source], image.index(one.source), ascending=not image.xla)
        image.counts[one.output] = choice.count(one.gate.keep)
        index, effect = choice.index, effect_of(one, one.gate, choice)
    if index is not None:
        image.indices[image.program.values[one.output].index] = index
    if one.groups > 1 or one.standardize is not None:
        features = features_of(image, one, index)
    else:
        weights = weights_of(one, image.index(one.source), index, image.xla)
        if effect.scale is not None and math.prod(weights.shape) < math.prod(image.program.values[one.output].dims):
            weights, effect = weights * effect.scale, effect._replace(scale=None)
        features = convolve(one, image.values[one.source], weights)
    outputs = function(shifted(features, effect), one.function)
    return outputs if effect.factor is None else outputs * effect.factor


class Choice(NamedTuple):
    """A gate's winners: g, mask and b at index [k]; None for a mask of ones, for all channels in order, and for no b."""
    saliency: tf.Tensor
    mask: tf.Tensor | None
    index: tf.Tensor | None
    shift: tf.Tensor | None

    def masked(self, values: tf.Tensor) -> tf.Tensor:
        return values if self.mask is None else values * self.mask

    def count(self, keep: int) -> tf.Tensor:
        """How many won."""
        return tf.constant(keep) if self.mask is None else tf.cast(tf.reduce_sum(self.mask), tf.int32)


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
        return Choice(saliency, None, None, None if shift is None else tf.convert_to_tensor(shift))
    top = tf.math.top_k(saliency, gate.keep + 1)
    won, index, cut = top.values[:-1], top.indices[:-1], top.values[-1]
    if ascending:
        index = tf.sort(index)
        won = tf.gather(saliency, index)
    mask = tf.cast(won > cut, tf.float32)
    return Choice(won, mask, index, None if shift is None else tf.gather(shift, index))


def summarize(source: tf.Tensor, pool: str) -> tf.Tensor:
    """s [1, k']. The mean is a pooling: TensorFlow's is two to three times as fast as its reduction."""
    if pool == 'max':
        return tf.reduce_max(source, (1, 2))
    values = {'avg': tf.identity, 'l1': tf.abs, 'l2': tf.square}[pool](source)
    return tf.reshape(tf.nn.avg_pool2d(values, source.shape[1:3], 1, 'VALID'), [1, source.shape[-1]])


def affine(source: tf.Tensor, layer: ops.Affine, read: tf.Tensor | None) -> tf.Tensor:
    return tf.matmul(source, chosen(layer.weights, read)) + layer.bias


def effect_of(one: ops.Conv, gate: ops.Gate, choice: Choice) -> Effect:
    """The gate's scale, shift and factor, with the convolution's own bias and scale."""
    bias = chosen(one.bias, choice.index)
    own = None if one.scale is None else chosen(one.scale, choice.index)
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


def features_of(image: Image, one: ops.Conv, index: tf.Tensor | None) -> tf.Tensor:
    """conv(x) of a convolution in groups, which is computed for all channels, or one whose features are standardized."""
    source = image.values[one.source]
    if one.groups > 1:
        features = convolve(one, source, weights_of(one, None, None, image.xla))
        features = features if index is None else tf.gather(features, index, axis=-1)
    else:
        features = convolve(one, source, weights_of(one, image.index(one.source), index, image.xla))
    if one.standardize is None:
        return features
    mean, variance = tf.nn.moments(features, (1, 2), keepdims=True)
    return (features - mean) * tf.math.rsqrt(variance + one.standardize)


def weights_of(one: ops.Conv, read: tf.Tensor | None, index: tf.Tensor | None, xla: bool) -> tf.Tensor:
    """[Kh, Kw, k', k]: the weights of the source's channels `read` for the channels `index`; None is all of either."""
    outs, ins, height, width = one.weights.shape
    inner = one.weights.transpose(2, 3, 1, 0).reshape(height * width, ins, outs)
    if index is None:
        weights = chosen(inner, read, axis=1)
    elif xla:
        flat = index[None, :] + (tf.range(ins) if read is None else read)[:, None] * outs
        weights = chosen(inner.reshape(height * width, ins * outs), flat, axis=1)
    else:
        runs = one.weights.transpose(1, 0, 2, 3).reshape(ins * outs, height * width)
        flat = index[None, :] + (tf.range(ins) if read is None else read)[:, None] * outs
        weights = tf.transpose(chosen(runs, tf.reshape(flat, [-1])))
    return tf.reshape(weights, [height, width, ins if read is None else read.shape[0], outs if index is None else index.shape[0]])


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


@emitter(ops.Depthwise)
def depthwise(image: Image, one: ops.Depthwise) -> tf.Tensor:
    source = image.values[one.source]
    weights = chosen(one.weights.transpose(2, 3, 0, 1), image.index(one.source), axis=2)
    source = tf.pad(source, [(0, 0), *one.pads, (0, 0)]) if np.any(one.pads) else source
    features = tf.nn.depthwise_conv2d(source, weights, (1, *one.stride, 1), 'VALID')
    return function(tf.nn.bias_add(features, chosen(one.bias, image.index(one.output))), one.function)


# --- other layers with weights ---

@emitter(ops.Dense)
def dense(image: Image, one: ops.Dense) -> tf.Tensor:
    source, index = image.values[one.source], image.program.values[one.source].index
    spread = None if index is None or image.xla else image.spreads.get(index)
    if spread is not None and spread.positions * one.bias.size >= BLOCK:
        product = blocks_product(source, one.weights, spread)
    else:
        product = tf.matmul(source, chosen(one.weights, image.index(one.source)))
    return function(tf.nn.bias_add(product, one.bias), one.function)


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
        block = tf.slice(blocks, [spread.index[place], 0, 0], [1, positions, outs])
        return tf.matmul(tf.slice(columns, [place, 0], [1, positions]), tf.reshape(block, [positions, outs]))

    def step(place: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return place + AT_ONCE, tf.add_n([total, *(product(place + ahead) for ahead in range(AT_ONCE))])

    whole = count - count % AT_ONCE
    _, total = tf.while_loop(lambda place, total: place < whole, step, (0, tf.zeros((1, outs))))
    return tf.add_n([total, *map(product, range(whole, count))])


@emitter(ops.Scale)
def scale(image: Image, one: ops.Scale) -> tf.Tensor:
    index = image.index(one.output)
    features = image.values[one.source] * chosen(one.scale, index) + chosen(one.shift, index)
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
        entries = tf.range(count) if name is None else image.indices[name]
        parts.append(tf.reshape(tf.constant(offsets)[:, None] + entries, [-1]))
    joined = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
    if one.times > 1:
        joined = tf.reshape(joined[:, None] * one.times + tf.range(one.times), [-1])
    elif len(parts) == 1:
        image.spreads[one.output] = Spread(image.indices[one.parts[0][0]], len(one.parts[0][2]))
    image.indices[one.output] = joined


@emitter(ops.Expand)
def expand(image: Image, one: ops.Expand) -> tf.Tensor:
    """Channels come first for the scatter: whole maps are copied. Half the time of a gather of every position's channels."""
    source, places = image.values[one.source], image.index(one.source)[:, None]
    dims = image.program.values[one.output].dims
    order = [source.shape.rank - 1, *range(1, source.shape.rank - 1), 0]
    full = tf.transpose(tf.scatter_nd(places, tf.transpose(source, order), [dims[-1], *dims[:-1], 1]), order)
    if one.fill is None:
        return full
    return full + tf.tensor_scatter_nd_update(one.fill.astype(np.float32), places, tf.zeros(places.shape[0]))


@emitter(ops.Take)
def take(image: Image, one: ops.Take) -> tf.Tensor:
    return tf.gather(image.values[one.source], image.indices[one.index], axis=-1)
