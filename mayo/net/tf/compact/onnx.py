"""A program as an ONNX network, for onnxruntime, OpenVINO and whatever else reads it. Needs the package `onnx`.

    onnx_model(program)     images [1, H, W, C] float32 in, as the TensorFlow network takes them; the program's outputs out

Channels come first inside. Only the images, and maps among the outputs, are transposed: 150,000 numbers of a 224 x 224 image,
which takes a thousandth of the time of VGG-16.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mayo.net.tf.compact import onnx_gate
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.backend import Backend
from mayo.net.tf.compact.narrow import rounded
from mayo.net.tf.compact.onnx_writer import Images, Writer, affine, function, pads
from mayo.net.tf.compact.program import Program

__all__ = ['Images', 'onnx_model']
EXPAND_FROM = 1 / 3  # of a fully connected layer's rows: reading all is faster than copying more than these

Emit = Callable[[Writer, Any], str]  # the name of what the operation computes
emitters: Backend[Emit] = Backend('ONNX')


def onnx_model(
    program: Program, name: str = 'mayo', *, batch: int | None = 1, counts: bool = False, images: Images | None = None
) -> Any:
    """The onnx.ModelProto of `program`.

    batch: images at once, None for any number; a program with gates takes one, as each image has weights of its own.
    counts: also put out how many channels won in each gated layer, int64 [1], as LAYER/active.
    images: of bytes, to be preprocessed inside; batch is 1 then.
    Errors: ValueError for another batch with gates, and for gates with a threshold, of which the number of winners varies.
    """
    if batch != 1 and program.gated:
        raise ValueError('a network with gates takes one image at a time.')
    ops.require_fixed_counts(program, 'ONNX')
    writer = Writer(program, batch, images)
    for operation in program.operations:
        writer.scope = operation.output
        names = writer.indices if isinstance(operation, ops.Index) else writer.values
        names[operation.output] = emitters[type(operation)](writer, operation)
    return writer.model(name, counts)


# --- with weights ---

emitters.register(ops.Conv)(onnx_gate.convolution)


@emitters.register(ops.Depthwise)
def depthwise(writer: Writer, operation: ops.Depthwise) -> str:
    """A group for each channel of the source."""
    read = writer.index(operation.source)
    weights = writer.gather(operation.weights if read else operation.weights.reshape(-1, 1, *operation.kernel), read)
    weights = writer.reshape(weights, -1, 1, *operation.kernel) if read else weights
    bias = writer.gather(operation.bias, writer.index(operation.output))
    return function(
        writer,
        onnx_gate.convolve(writer, operation, weights, bias, groups=writer.dims(operation.source)[-1]),
        operation.function,
    )


@emitters.register(ops.Dense)
def dense(writer: Writer, operation: ops.Dense) -> str:
    operation = rounded(operation)
    source, read = onnx_gate.on_grid(writer, writer.source(operation), operation.narrow), writer.index(operation.source)
    rows = operation.weights.shape[0]
    if read is None and onnx_gate.is_bytes(operation.narrow):
        weights = onnx_gate.constant_of_bytes(writer, operation.weights, 1)
        product = writer.add('Gemm', source, weights, writer.constant(operation.bias))
        return function(writer, product, operation.function)
    if read and writer.dims(operation.source)[-1] > EXPAND_FROM * rows:
        places = writer.reshape(read, 1, -1)
        source, read = writer.add('ScatterElements', writer.constant(np.zeros((1, rows))), places, source, axis=1), None
    return function(writer, affine(writer, source, ops.Affine(operation.weights, operation.bias), read), operation.function)


@emitters.register(ops.Scale)
def scale(writer: Writer, operation: ops.Scale) -> str:
    rank, index = len(writer.dims(operation.output)), writer.index(operation.output)
    factor, shift = (writer.per_channel(writer.gather(array, index), rank) for array in (operation.scale, operation.shift))
    return function(writer, writer.add('Add', writer.add('Mul', writer.source(operation), factor), shift), operation.function)


# --- without weights ---


@emitters.register(ops.Pool)
def pool(writer: Writer, operation: ops.Pool) -> str:
    source, kind = writer.source(operation), {'max': 'MaxPool', 'avg': 'AveragePool'}[operation.kind]
    if operation.kernel == writer.dims(operation.source)[:2] and not np.any(operation.pads):
        return writer.add(f'Global{kind}', source)
    return writer.add(
        kind, source, kernel_shape=list(operation.kernel), strides=list(operation.stride), pads=pads(operation.pads)
    )


@emitters.register(ops.Mean)
def mean(writer: Writer, operation: ops.Mean) -> str:
    rank = len(writer.dims(operation.source))
    axes = sorted(1 if axis == rank - 1 else axis + 2 for axis in operation.axes)
    result = writer.add('ReduceMean', writer.source(operation), axes=axes, keepdims=int(operation.keepdims))
    left = rank - len(axes)
    if 1 in axes and not operation.keepdims and left > 1:  # the last of the other axes holds the channels now
        result = writer.add('Transpose', result, perm=[0, left, *range(1, left)])
    return result


@emitters.register(ops.Activation)
def activation(writer: Writer, operation: ops.Activation) -> str:
    return function(writer, writer.source(operation), operation.function)


@emitters.register(ops.LocalResponse)
def local_response(writer: Writer, operation: ops.LocalResponse) -> str:
    """ONNX divides alpha by the channels summed over."""
    size = 2 * operation.radius + 1
    return writer.add(
        'LRN',
        writer.source(operation),
        size=size,
        alpha=float(operation.alpha * size),
        bias=float(operation.bias),
        beta=float(operation.beta),
    )


@emitters.register(ops.Add)
def add(writer: Writer, operation: ops.Add) -> str:
    return functools.reduce(functools.partial(writer.add, 'Add'), writer.sources(operation))


@emitters.register(ops.Mul)
def mul(writer: Writer, operation: ops.Mul) -> str:
    return functools.reduce(functools.partial(writer.add, 'Mul'), writer.sources(operation))


@emitters.register(ops.Concat)
def concat(writer: Writer, operation: ops.Concat) -> str:
    return writer.add('Concat', *writer.sources(operation), axis=1)


@emitters.register(ops.Reshape)
def reshape(writer: Writer, operation: ops.Reshape) -> str:
    """Through channels last, unless positions and channels stay what they are."""
    before, after = writer.dims(operation.source), writer.dims(operation.output)
    if before[-1] == after[-1]:
        return writer.batched(writer.source(operation), after[-1], *after[:-1])
    flat = writer.batched(writer.channels_last(writer.source(operation), before), *after)
    return writer.channels_first(flat, after)


@emitters.register(ops.SpaceToDepth)
def space_to_depth(writer: Writer, operation: ops.SpaceToDepth) -> str:
    return writer.add('SpaceToDepth', writer.source(operation), blocksize=operation.block)


@emitters.register(ops.Pad)
def pad(writer: Writer, operation: ops.Pad) -> str:
    *positions, channels = operation.sides
    return writer.add('Pad', writer.source(operation), writer.integers(*pads(((0, 0), channels, *positions))))


@emitters.register(ops.Crop)
def crop(writer: Writer, operation: ops.Crop) -> str:
    dims = writer.dims(operation.source)
    *positions, channels = ((before, size - after) for size, (before, after) in zip(dims, operation.sides, strict=True))
    starts, ends = zip(channels, *positions, strict=True)
    return writer.add(
        'Slice',
        writer.source(operation),
        writer.integers(*starts),
        writer.integers(*ends),
        writer.integers(*range(1, len(dims) + 1)),
    )


# --- of slices ---


@emitters.register(ops.Index)
def index(writer: Writer, operation: ops.Index) -> str:
    """The name of an index [k]."""
    parts = []
    for name, count, offsets in operation.parts:
        entries = writer.constant(np.arange(count), np.int64) if name is None else writer.indices[name]
        if any(offsets):
            moved = writer.add('Add', writer.constant(np.array(offsets)[:, None], np.int64), entries)
            entries = writer.reshape(moved, -1)
        parts.append(entries)
    joined = parts[0] if len(parts) == 1 else writer.add('Concat', *parts, axis=0)
    if operation.times == 1:
        return joined
    starts = writer.add('Mul', writer.reshape(joined, -1, 1), writer.integers(operation.times))
    return writer.reshape(writer.add('Add', starts, writer.constant(np.arange(operation.times), np.int64)), -1)


@emitters.register(ops.Expand)
def expand(writer: Writer, operation: ops.Expand) -> str:
    """A gather through the inverse index, in which channels that are not in the slice name one of zeros."""
    dims, read = writer.dims(operation.source), writer.index(operation.source)
    width = writer.dims(operation.output)[-1]
    where = writer.add(
        'ScatterND',
        writer.constant(np.full(width, dims[-1]), np.int64),
        writer.reshape(str(read), -1, 1),
        writer.constant(np.arange(dims[-1]), np.int64),
    )
    padded = writer.add('Concat', writer.source(operation), writer.constant(np.zeros((1, 1, *dims[:-1]))), axis=1)
    full = writer.add('Gather', padded, where, axis=1)
    if operation.fill is None:
        return full
    missing = writer.add('Equal', where, writer.integers(dims[-1]))
    fill = writer.add('Where', missing, writer.constant(operation.fill), writer.constant(0))
    return writer.add('Add', full, writer.per_channel(fill, len(dims)))


@emitters.register(ops.Take)
def take(writer: Writer, operation: ops.Take) -> str:
    return writer.add('Gather', writer.source(operation), writer.indices[operation.index], axis=1)
