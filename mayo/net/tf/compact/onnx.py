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
from mayo.net.tf.compact.onnx_writer import Images, Writer, affine, function, pads
from mayo.net.tf.compact.program import Program

__all__ = ['Images', 'onnx_model']
EXPAND_FROM = 1 / 3  # of a fully connected layer's rows: reading all is faster than copying more than these

Emit = Callable[[Writer, Any], str]
emitters: dict[type, Emit] = {}


def onnx_model(
    program: Program, name: str = 'mayo', *, batch: int | None = 1, counts: bool = False, images: Images | None = None
) -> Any:
    """The onnx.ModelProto of `program`.

    batch: images at once, None for any number; a program with gates takes one, as each image has weights of its own.
    counts: also put out how many channels won in each gated layer, int64 [1], as LAYER/active.
    images: of bytes, to be preprocessed inside; batch is 1 then.
    Errors: ValueError for another batch with gates.
    """
    if batch != 1 and program.gated:
        raise ValueError('a network with gates takes one image at a time.')
    writer = Writer(program, batch, images)
    for one in program.operations:
        writer.scope = one.output
        if isinstance(one, ops.Index):
            writer.indices[one.output] = index(writer, one)
        else:
            writer.values[one.output] = emitters[type(one)](writer, one)
    return writer.model(name, counts)


def emitter(kind: type) -> Callable[[Emit], Emit]:
    """Enters the function that writes one class of operation; it returns the name of what it computes."""

    def enter(function: Emit) -> Emit:
        emitters[kind] = function
        return function

    return enter


# --- with weights ---

emitter(ops.Conv)(onnx_gate.convolution)


@emitter(ops.Depthwise)
def depthwise(writer: Writer, one: ops.Depthwise) -> str:
    """A group for each channel of the source."""
    read = writer.index(one.source)
    weights = writer.gather(one.weights if read else one.weights.reshape(-1, 1, *one.kernel), read)
    weights = writer.reshape(weights, -1, 1, *one.kernel) if read else weights
    bias = writer.gather(one.bias, writer.index(one.output))
    return function(writer, onnx_gate.convolve(writer, one, weights, bias, groups=writer.dims(one.source)[-1]), one.function)


@emitter(ops.Dense)
def dense(writer: Writer, one: ops.Dense) -> str:
    source, read = writer.source(one), writer.index(one.source)
    rows = one.weights.shape[0]
    if read and writer.dims(one.source)[-1] > EXPAND_FROM * rows:
        places = writer.reshape(read, 1, -1)
        source, read = writer.add('ScatterElements', writer.constant(np.zeros((1, rows))), places, source, axis=1), None
    return function(writer, affine(writer, source, ops.Affine(one.weights, one.bias), read), one.function)


@emitter(ops.Scale)
def scale(writer: Writer, one: ops.Scale) -> str:
    rank, index = len(writer.dims(one.output)), writer.index(one.output)
    factor, shift = (writer.per_channel(writer.gather(array, index), rank) for array in (one.scale, one.shift))
    return function(writer, writer.add('Add', writer.add('Mul', writer.source(one), factor), shift), one.function)


# --- without weights ---


@emitter(ops.Pool)
def pool(writer: Writer, one: ops.Pool) -> str:
    source, kind = writer.source(one), {'max': 'MaxPool', 'avg': 'AveragePool'}[one.kind]
    if one.kernel == writer.dims(one.source)[:2] and not np.any(one.pads):
        return writer.add(f'Global{kind}', source)
    return writer.add(kind, source, kernel_shape=list(one.kernel), strides=list(one.stride), pads=pads(one.pads))


@emitter(ops.Mean)
def mean(writer: Writer, one: ops.Mean) -> str:
    rank = len(writer.dims(one.source))
    axes = sorted(1 if axis == rank - 1 else axis + 2 for axis in one.axes)
    result = writer.add('ReduceMean', writer.source(one), axes=axes, keepdims=int(one.keepdims))
    left = rank - len(axes)
    if 1 in axes and not one.keepdims and left > 1:  # the last of the other axes holds the channels now
        result = writer.add('Transpose', result, perm=[0, left, *range(1, left)])
    return result


@emitter(ops.Activation)
def activation(writer: Writer, one: ops.Activation) -> str:
    return function(writer, writer.source(one), one.function)


@emitter(ops.LocalResponse)
def local_response(writer: Writer, one: ops.LocalResponse) -> str:
    """ONNX divides alpha by the channels summed over."""
    size = 2 * one.radius + 1
    return writer.add(
        'LRN', writer.source(one), size=size, alpha=float(one.alpha * size), bias=float(one.bias), beta=float(one.beta)
    )


@emitter(ops.Add)
def add(writer: Writer, one: ops.Add) -> str:
    return functools.reduce(functools.partial(writer.add, 'Add'), writer.sources(one))


@emitter(ops.Mul)
def mul(writer: Writer, one: ops.Mul) -> str:
    return functools.reduce(functools.partial(writer.add, 'Mul'), writer.sources(one))


@emitter(ops.Concat)
def concat(writer: Writer, one: ops.Concat) -> str:
    return writer.add('Concat', *writer.sources(one), axis=1)


@emitter(ops.Reshape)
def reshape(writer: Writer, one: ops.Reshape) -> str:
    """Through channels last, unless positions and channels stay what they are."""
    before, after = writer.dims(one.source), writer.dims(one.output)
    if before[-1] == after[-1]:
        return writer.batched(writer.source(one), after[-1], *after[:-1])
    flat = writer.batched(writer.channels_last(writer.source(one), before), *after)
    return writer.channels_first(flat, after)


@emitter(ops.SpaceToDepth)
def space_to_depth(writer: Writer, one: ops.SpaceToDepth) -> str:
    return writer.add('SpaceToDepth', writer.source(one), blocksize=one.block)


@emitter(ops.Pad)
def pad(writer: Writer, one: ops.Pad) -> str:
    *positions, channels = one.sides
    return writer.add('Pad', writer.source(one), writer.integers(*pads(((0, 0), channels, *positions))))


@emitter(ops.Crop)
def crop(writer: Writer, one: ops.Crop) -> str:
    dims = writer.dims(one.source)
    *positions, channels = ((before, size - after) for size, (before, after) in zip(dims, one.sides, strict=True))
    starts, ends = zip(channels, *positions, strict=True)
    return writer.add(
        'Slice', writer.source(one), writer.integers(*starts), writer.integers(*ends), writer.integers(*range(1, len(dims) + 1))
    )


# --- of slices ---


def index(writer: Writer, one: ops.Index) -> str:
    """The name of an index [k]."""
    parts = []
    for name, count, offsets in one.parts:
        entries = writer.constant(np.arange(count), np.int64) if name is None else writer.indices[name]
        if any(offsets):
            moved = writer.add('Add', writer.constant(np.array(offsets)[:, None], np.int64), entries)
            entries = writer.reshape(moved, -1)
        parts.append(entries)
    joined = parts[0] if len(parts) == 1 else writer.add('Concat', *parts, axis=0)
    if one.times == 1:
        return joined
    starts = writer.add('Mul', writer.reshape(joined, -1, 1), writer.integers(one.times))
    return writer.reshape(writer.add('Add', starts, writer.constant(np.arange(one.times), np.int64)), -1)


@emitter(ops.Expand)
def expand(writer: Writer, one: ops.Expand) -> str:
    """A gather through the inverse index, in which channels that are not in the slice name one of zeros."""
    dims, read = writer.dims(one.source), writer.index(one.source)
    width = writer.dims(one.output)[-1]
    where = writer.add(
        'ScatterND',
        writer.constant(np.full(width, dims[-1]), np.int64),
        writer.reshape(str(read), -1, 1),
        writer.constant(np.arange(dims[-1]), np.int64),
    )
    padded = writer.add('Concat', writer.source(one), writer.constant(np.zeros((1, 1, *dims[:-1]))), axis=1)
    full = writer.add('Gather', padded, where, axis=1)
    if one.fill is None:
        return full
    missing = writer.add('Equal', where, writer.integers(dims[-1]))
    fill = writer.add('Where', missing, writer.constant(one.fill), writer.constant(0))
    return writer.add('Add', full, writer.per_channel(fill, len(dims)))


@emitter(ops.Take)
def take(writer: Writer, one: ops.Take) -> str:
    return writer.add('Gather', writer.source(one), writer.indices[one.index], axis=1)
