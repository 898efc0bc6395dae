"""Gated convolutions in ONNX: who wins, the weights of the winners, and where their scale goes.

    mask g (conv(x) + bias) + mask b = conv(x, g W) + g bias + mask b = mask g (conv(x) + bias + b / g)

so the scale is multiplied into the chosen weights or, past a relu, into the output: wherever there are fewer numbers.
"""

import dataclasses
import math

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.narrow import rounded, weights_as_bytes
from mayo.net.tf.compact.onnx_writer import Writer, affine, function, onnx, pads, passes_scale

TINY = np.float32(1e-30)  # a saliency to divide by, where it is zero
SUMMARIES = {'avg': 'ReduceMean', 'l1': 'ReduceL1', 'l2': 'ReduceSumSquare', 'max': 'ReduceMax'}


def convolution(writer: Writer, operation: ops.Conv) -> str:
    """Of any kind; without a gate its weights may still be chosen by the index of its source."""
    operation = rounded(operation)
    if operation.gate is None:
        return function(writer, _ungated(writer, operation), operation.function)
    gated = decide(writer, operation, operation.gate)
    result = function(writer, _features(writer, operation, gated), operation.function)
    if gated.after is None:
        return result
    return writer.add('Mul', result, writer.per_channel(gated.after, 3))


def _ungated(writer: Writer, operation: ops.Conv) -> str:
    weights, bias = weights_of(writer, operation, writer.index(operation.source), None), bias_of(writer, operation)
    if operation.standardize is None:
        return convolve(writer, operation, weights, bias)
    return standardized(writer, operation, convolve(writer, operation, weights), constant_scale(writer, operation, None), bias)


def _features(writer: Writer, operation: ops.Conv, gated: 'Gated') -> str:
    """before conv(x) + offset, standardized or not."""
    within = operation.groups == 1 and operation.standardize is None
    if operation.groups > 1:  # the winners are taken from the result
        result = convolve(writer, operation, writer.constant(operation.weights))
        result = result if gated.index is None else writer.add('Gather', result, gated.index, axis=1)
    else:
        weights = weights_of(writer, operation, writer.index(operation.source), gated.index, gated.before if within else None)
        result = convolve(writer, operation, weights, *([gated.offset] if within else []))
    if operation.standardize is not None:
        scale = constant_scale(writer, operation, gated.index)
        scale = scale if gated.before is None else writer.add('Mul', scale, gated.before)
        return standardized(writer, operation, result, scale, gated.offset)
    if within:
        return result
    if gated.before is not None:
        result = writer.add('Mul', result, writer.per_channel(gated.before, 3))
    return writer.add('Add', result, writer.per_channel(gated.offset, 3))


def constant_scale(writer: Writer, operation: ops.Conv, index: str | None) -> str:
    return writer.gather(np.ones_like(operation.bias) if operation.scale is None else operation.scale, index)


def standardized(writer: Writer, operation: ops.Conv, features: str, scale: str, bias: str) -> str:
    """(f - mean) / deviation scale + bias."""
    assert operation.standardize is not None
    return writer.add('InstanceNormalization', features, scale, bias, epsilon=float(operation.standardize))


def convolve(writer: Writer, operation: ops.Conv | ops.Depthwise, weights: str, *bias: str, groups: int = 1) -> str:
    groups = operation.groups if isinstance(operation, ops.Conv) else groups
    return writer.add(
        'Conv',
        on_grid(writer, writer.source(operation), operation.narrow if isinstance(operation, ops.Conv) else None),
        weights,
        *bias,
        strides=list(operation.stride),
        pads=pads(operation.pads),
        kernel_shape=list(operation.kernel),
        group=groups,
    )


def weights_of(writer: Writer, operation: ops.Conv, read: str | None, chosen: str | None, scale: str | None = None) -> str:
    """[k, k', Kh, Kw]: the weights of the `chosen` outputs for the inputs `read`, times `scale` [k]."""
    outs, ins, height, width = operation.weights.shape
    if read is None and chosen is None and scale is None and is_bytes(operation.narrow):
        return constant_of_bytes(writer, operation.weights, 0)
    if read is None:
        weights = writer.gather(operation.weights, chosen)
        return weights if scale is None else writer.add('Mul', weights, writer.reshape(scale, -1, 1, 1, 1))
    if chosen is None:
        weights = writer.gather(operation.weights.reshape(outs, ins, height * width), read, axis=1)
    else:
        starts = writer.add('Gather', writer.constant(np.arange(outs)[:, None] * ins, np.int64), chosen)  # [k, 1]
        weights = writer.gather(operation.weights.reshape(outs * ins, height * width), writer.add('Add', starts, read))
    if scale is not None:
        weights = writer.add('Mul', weights, writer.reshape(scale, -1, 1, 1))
    counts = writer.dims(operation.output)[-1], writer.dims(operation.source)[-1]
    return writer.reshape(weights, *counts, height, width)


def is_bytes(narrow: ops.Narrow | None) -> bool:
    """Whether an operation is in int8."""
    return narrow is not None and narrow.precision == 'int8'


def on_grid(writer: Writer, source: str, narrow: ops.Narrow | None) -> str:
    """What is multiplied for a value: in int8 it goes through bytes, which runtimes recognize. bfloat16 is theirs to choose."""
    if narrow is None or not is_bytes(narrow):
        return source
    step = writer.constant(narrow.scale), writer.constant(narrow.zero, np.uint8)
    return writer.add('DequantizeLinear', writer.add('QuantizeLinear', source, *step), *step)


def constant_of_bytes(writer: Writer, weights: np.ndarray, axis: int) -> str:
    """Weights that are bytes times the scale of their output channel, along `axis`."""
    numbers, scales = weights_as_bytes(weights, axis)
    return writer.add('DequantizeLinear', writer.constant(numbers, np.int8), writer.constant(scales), axis=axis)


def bias_of(writer: Writer, operation: ops.Conv) -> str:
    """Of a convolution of bytes in whole units of its sums, as runtimes want it."""
    narrow = operation.narrow
    if narrow is None or not is_bytes(narrow) or operation.standardize is not None:
        return writer.constant(operation.bias)
    units = narrow.scale * weights_as_bytes(operation.weights, 0)[1]
    return writer.add(
        'DequantizeLinear', writer.constant(np.rint(operation.bias / units), np.int32), writer.constant(units), axis=0
    )


def summarize(writer: Writer, source: str, kind: str) -> tuple[str, float]:
    """The summary of the channels of a value, [1, k], and what it has still to be multiplied by."""
    summary = writer.add(SUMMARIES[kind], writer.values[source], axes=[2, 3], keepdims=0)
    return summary, 1 / math.prod(writer.dims(source)[:-1]) if kind in ('l1', 'l2') else 1


@dataclasses.dataclass(frozen=True)
class Gated:
    """A gated convolution as after function(before conv(x) + offset) of the channels at `index`: names of vectors [k].

    None: of the index, all channels; of a factor, ones.
    """

    index: str | None
    before: str | None
    after: str | None
    offset: str


def decide(writer: Writer, operation: ops.Conv, gate: ops.Gate) -> Gated:
    """Writes the gate. A function that passes the scale has it on the side of fewer numbers, another where the gate has it."""
    before = _fewer_weights(writer, operation) if passes_scale(operation.function) else gate.boost == 'before'
    summary, share = summarize(writer, operation.source, gate.pool)
    read, bias, shift = writer.index(operation.source), writer.constant(operation.bias), None
    if isinstance(gate.shift, ops.Affine):
        shift = writer.reshape(affine(writer, summary, gate.shift, read, share), -1)
    elif gate.shift is not None:
        shift = writer.constant(gate.shift)
    if shift is not None and (gate.shift_first or gate.boost == 'after'):
        bias, shift = writer.add('Add', bias, shift), None
    saliency = _saliency(writer, gate, summary, read, share)
    if shift is not None and not before:
        saliency = writer.add('Max', saliency, writer.constant(TINY))
    winners = Winners(writer, operation, gate.keep, saliency)
    if gate.boost == 'never':
        scale, offset = winners.ones(), bias
    elif before:
        scale, offset = winners.masked(winners.saliency), writer.add('Mul', saliency, bias)
        offset = offset if shift is None else writer.add('Add', offset, shift)
    else:
        scale = winners.masked(winners.saliency)
        offset = bias if shift is None else writer.add('Add', bias, writer.add('Div', shift, saliency))
    offset = winners.pick(offset)
    if before:
        return Gated(winners.index, scale, None, winners.masked(offset))
    return Gated(winners.index, None, scale, offset)


def _saliency(writer: Writer, gate: ops.Gate, summary: str, read: str | None, share: float) -> str:
    """g [C]."""
    saliency = writer.add('Relu', affine(writer, summary, gate.layers[0], read, share))
    for layer in gate.layers[1:]:
        saliency = writer.add('Relu', affine(writer, saliency, layer, None))
    return writer.reshape(saliency, -1)


class Winners:
    """Who wins: names of `saliency` [k], `mask` bool [k] and `index` [k], the latter two None if all C do.

    k is `keep`. The index ascends, so that gathers go through memory in one direction.
    """

    def __init__(self, writer: Writer, operation: ops.Conv, keep: int, saliency: str) -> None:
        self.writer, self.saliency = writer, saliency
        self.mask: str | None = None
        self.index: str | None = None
        if keep < operation.weights.shape[0]:
            top, indices = writer.add_pair('TopK', saliency, writer.integers(keep + 1), axis=0)
            winners = writer.add('Slice', indices, writer.integers(0), writer.integers(keep))
            self.index, _ = writer.add_pair('TopK', winners, writer.integers(keep), axis=0, largest=0)
            self.saliency = self.pick(saliency)
            best_loser = writer.add('Slice', top, writer.integers(keep), writer.integers(keep + 1))
            self.mask = writer.add('Greater', self.saliency, best_loser)
            writer.indices[str(writer.program.values[operation.output].index)] = self.index
        writer.masks[operation.output] = self.mask

    def pick(self, vector: str) -> str:
        """[C] to [k]."""
        return vector if self.index is None else self.writer.add('Gather', vector, self.index)

    def masked(self, vector: str) -> str:
        """[k], zero where there is a tie at the cut."""
        return vector if self.mask is None else self.writer.add('Where', self.mask, vector, self.writer.constant(0))

    def ones(self) -> str | None:
        """The mask as a factor."""
        return None if self.mask is None else self.writer.add('Cast', self.mask, to=onnx.TensorProto.FLOAT)


def _fewer_weights(writer: Writer, operation: ops.Conv) -> bool:
    """Whether fewer numbers are scaled before. Constant weights stay so: runtimes lay them out once."""
    if operation.standardize is not None:
        return True
    source, target = writer.program.values[operation.source], writer.program.values[operation.output]
    if operation.groups > 1 or (source.index is None and target.index is None):
        return False
    return source.channels * math.prod(operation.kernel) < math.prod(target.dims[:-1])
