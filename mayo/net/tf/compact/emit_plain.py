"""Layers without weights in TensorFlow, and what makes, widens and narrows slices."""

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.emit import Image, Spread, emitters, function, padding_of


@emitters.register(ops.Pool)
def pool(image: Image, operation: ops.Pool) -> tf.Tensor:
    run = tf.nn.max_pool2d if operation.kind == 'max' else tf.nn.avg_pool2d
    source = image.values[operation.source]
    return run(source, operation.kernel, operation.stride, padding_of(operation, source))


@emitters.register(ops.Mean)
def mean(image: Image, operation: ops.Mean) -> tf.Tensor:
    return tf.reduce_mean(image.values[operation.source], [axis + 1 for axis in operation.axes], keepdims=operation.keepdims)


@emitters.register(ops.Activation)
def activation(image: Image, operation: ops.Activation) -> tf.Tensor:
    return function(image.values[operation.source], operation.function)


@emitters.register(ops.LocalResponse)
def local_response(image: Image, operation: ops.LocalResponse) -> tf.Tensor:
    return tf.nn.local_response_normalization(
        image.values[operation.source], operation.radius, operation.bias, operation.alpha, operation.beta
    )


@emitters.register(ops.Add)
def add(image: Image, operation: ops.Add) -> tf.Tensor:
    total, *rest = (image.values[source] for source in operation.sources)
    for value in rest:
        total += value
    return total


@emitters.register(ops.Mul)
def mul(image: Image, operation: ops.Mul) -> tf.Tensor:
    product, *rest = (image.values[source] for source in operation.sources)
    for value in rest:
        product *= value
    return product


@emitters.register(ops.Concat)
def concat(image: Image, operation: ops.Concat) -> tf.Tensor:
    return tf.concat([image.values[source] for source in operation.sources], -1)


@emitters.register(ops.Reshape)
def reshape(image: Image, operation: ops.Reshape) -> tf.Tensor:
    return tf.reshape(image.values[operation.source], [-1, *image.dims(operation.output)])


@emitters.register(ops.SpaceToDepth)
def space_to_depth(image: Image, operation: ops.SpaceToDepth) -> tf.Tensor:
    return tf.nn.space_to_depth(image.values[operation.source], operation.block)


@emitters.register(ops.Pad)
def pad(image: Image, operation: ops.Pad) -> tf.Tensor:
    return tf.pad(image.values[operation.source], [(0, 0), *operation.sides])


@emitters.register(ops.Crop)
def crop(image: Image, operation: ops.Crop) -> tf.Tensor:
    source = image.values[operation.source]
    kept = (slice(before, size - after) for size, (before, after) in zip(source.shape[1:], operation.sides, strict=True))
    return source[(slice(None), *kept)]


@emitters.register(ops.Index)
def index(image: Image, operation: ops.Index) -> None:
    """Noted in the image; it is no value."""
    parts = []
    for name, count, offsets in operation.parts:
        entries = tf.range(count) if name is None else image.indices[name]
        parts.append(tf.reshape(tf.constant(offsets)[:, None] + entries, [-1]))
    joined = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
    if operation.times > 1:
        joined = tf.reshape(joined[:, None] * operation.times + tf.range(operation.times), [-1])
    elif len(parts) == 1:
        image.spreads[operation.output] = Spread(entries, len(offsets))
    image.indices[operation.output] = joined


@emitters.register(ops.Expand)
def expand(image: Image, operation: ops.Expand) -> tf.Tensor:
    """Channels come first for the scatter: whole maps are copied. Half the time of a gather of every position's channels."""
    source, dims = image.values[operation.source], image.dims(operation.output)
    places = tf.reshape(image.index(operation.source), [-1, 1])
    order = [source.shape.rank - 1, *range(1, source.shape.rank - 1), 0]
    full = tf.transpose(tf.scatter_nd(places, tf.transpose(source, order), [dims[-1], *dims[:-1], 1]), order)
    if operation.fill is None:
        return full
    return full + tf.tensor_scatter_nd_update(operation.fill.astype(np.float32), places, tf.zeros(places.shape[0]))


@emitters.register(ops.Take)
def take(image: Image, operation: ops.Take) -> tf.Tensor:
    return tf.gather(image.values[operation.source], image.indices[operation.index], axis=-1)
