"""Layers without weights in TensorFlow, and what makes, widens and narrows slices."""

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.emit import Image, Spread, emitter, function, padding_of


@emitter(ops.Pool)
def pool(image: Image, one: ops.Pool) -> tf.Tensor:
    run = tf.nn.max_pool2d if one.kind == 'max' else tf.nn.avg_pool2d
    source = image.values[one.source]
    return run(source, one.kernel, one.stride, padding_of(one, source))


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
    return tf.reshape(image.values[one.source], [-1, *image.dims(one.output)])


@emitter(ops.SpaceToDepth)
def space_to_depth(image: Image, one: ops.SpaceToDepth) -> tf.Tensor:
    return tf.nn.space_to_depth(image.values[one.source], one.block)


@emitter(ops.Pad)
def pad(image: Image, one: ops.Pad) -> tf.Tensor:
    return tf.pad(image.values[one.source], [(0, 0), *one.sides])


@emitter(ops.Crop)
def crop(image: Image, one: ops.Crop) -> tf.Tensor:
    source = image.values[one.source]
    kept = (slice(before, size - after) for size, (before, after) in zip(source.shape[1:], one.sides, strict=True))
    return source[(slice(None), *kept)]


@emitter(ops.Index)
def index(image: Image, one: ops.Index) -> None:
    """Noted in the image; it is no value."""
    parts = []
    for name, count, offsets in one.parts:
        entries = tf.range(count) if name is None else image.indices[name]
        parts.append(tf.reshape(tf.constant(offsets)[:, None] + entries, [-1]))
    joined = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
    if one.times > 1:
        joined = tf.reshape(joined[:, None] * one.times + tf.range(one.times), [-1])
    elif len(parts) == 1:
        image.spreads[one.output] = Spread(entries, len(offsets))
    image.indices[one.output] = joined


@emitter(ops.Expand)
def expand(image: Image, one: ops.Expand) -> tf.Tensor:
    """Channels come first for the scatter: whole maps are copied. Half the time of a gather of every position's channels."""
    source, dims = image.values[one.source], image.dims(one.output)
    places = tf.reshape(image.index(one.source), [-1, 1])
    order = [source.shape.rank - 1, *range(1, source.shape.rank - 1), 0]
    full = tf.transpose(tf.scatter_nd(places, tf.transpose(source, order), [dims[-1], *dims[:-1], 1]), order)
    if one.fill is None:
        return full
    return full + tf.tensor_scatter_nd_update(one.fill.astype(np.float32), places, tf.zeros(places.shape[0]))


@emitter(ops.Take)
def take(image: Image, one: ops.Take) -> tf.Tensor:
    return tf.gather(image.values[one.source], image.indices[one.index], axis=-1)
