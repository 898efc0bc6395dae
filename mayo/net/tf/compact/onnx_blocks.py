"""Gated convolutions as onnxruntime computes those with constant weights: on maps in blocks of B channels.

onnxruntime rewrites a convolution with constant weights to an operation of its own, on maps [C / B, H, W, B] with weights
[C / B, C' / B, Kh, Kw, B of C', B of C], which takes half the time of its usual one. It does not do so where weights are
computed; but the operation takes any. Here the chosen weights are gathered into that layout. B is 16 or 8, as the processor has
it: `block_size` asks onnxruntime. What is written so runs there only, and is not for export.

The scale of the gate comes after: a convolution of each channel by itself, with bias and relu, costs a pass over the output.
"""
import functools
import math
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.onnx_gate import decide
from mayo.net.tf.compact.onnx_writer import BLOCKS, FORMAT, OPSET, Writer, function, onnx, pads, passes_scale

POOLS = {'max': 'MaxPool', 'avg': 'AveragePool'}


@functools.cache
def block_size() -> int | None:
    """B of onnxruntime on this machine; None where it has no such operations."""
    import onnxruntime
    channels = 32
    helper, kinds = onnx.helper, onnx.TensorProto
    node = helper.make_node('ReorderInput', ['x'], ['y'], domain=BLOCKS)
    ends = [[helper.make_tensor_value_info(name, kinds.FLOAT, [1, channels, 1, 2])] for name in 'xy']
    graph = helper.make_graph([node], 'probe', *ends)
    opsets = [helper.make_opsetid('', OPSET), helper.make_opsetid(BLOCKS, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=FORMAT)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4              # that it cannot load this is an answer, no fault
    x = np.arange(2 * channels, dtype=np.float32).reshape(1, channels, 1, 2)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
        (y,) = session.run(None, {'x': x})
    except Exception:                           # its exceptions have no common class
        return None
    size = int(np.flatnonzero(y.ravel() == 1)[0])       # the second position comes after the first block of channels
    return size if size in (8, 16) else None


def fits(writer: Writer, one: ops.Operation) -> bool:
    """Whether `one` can be written so: its channels come in whole blocks, or the image's few as they are."""
    block = writer.block
    if block is None:
        return False
    if isinstance(one, ops.Pool):
        return one.source in writer.blocks
    if not isinstance(one, ops.Conv) or one.gate is None or writer.program.values[one.output].index is None:
        return False
    if one.groups > 1 or one.standardize is not None or (one.gate.boost != 'before' and not passes_scale(one.function)):
        return False
    inside = writer.dims(one.source)[-1]
    return writer.dims(one.output)[-1] % block == 0 and (inside % block == 0 or inside < block)


def write(writer: Writer, one: Any) -> str:
    """The name of its result, in blocks."""
    return _pool(writer, one) if isinstance(one, ops.Pool) else _convolution(writer, one)


def _pool(writer: Writer, one: ops.Pool) -> str:
    source, kind = writer.blocks[one.source], POOLS[one.kind]
    if one.kernel == writer.dims(one.source)[:2] and not np.any(one.pads):
        return writer.add(f'Global{kind}', source, domain=BLOCKS)
    return writer.add(kind, source, domain=BLOCKS, kernel_shape=list(one.kernel), strides=list(one.stride), pads=pads(one.pads))


def _convolution(writer: Writer, one: ops.Conv) -> str:
    assert one.gate is not None
    count, block = writer.dims(one.output)[-1], writer.block or 0
    few = writer.dims(one.source)[-1] < block
    source = writer.value(one.source) if few else writer.in_blocks(one.source)
    gated = decide(writer, one, one.gate, before=True)
    chosen = str(gated.index)
    weights = (_weights_of_few if few else _weights)(writer, one, chosen, block)
    result = writer.add('Conv', source, writer.reshape(weights, count, -1, *one.kernel), domain=BLOCKS,
                        strides=list(one.stride), pads=pads(one.pads), kernel_shape=list(one.kernel))
    relu = one.function is not None and one.function.name == 'relu' and not one.function.arguments
    result = writer.add('Conv', result, writer.reshape(str(gated.before), count, 1, 1, 1), gated.offset, domain=BLOCKS,
                        kernel_shape=[1, 1], group=count, **({'activation': 'Relu'} if relu else {}))
    return result if relu else function(writer, result, one.function)


def _weights(writer: Writer, one: ops.Conv, chosen: str, block: int) -> str:
    """[k / B, k' / B, Kh Kw, B of k', B of k]."""
    outs, ins, size = *one.weights.shape[:2], math.prod(one.kernel)
    read = writer.index(one.source)
    if read is None:
        table = one.weights.reshape(outs, ins // block, block, size).transpose(0, 1, 3, 2)
        weights = writer.add('Gather', writer.constant(table), writer.reshape(chosen, -1, block))       # [k/B, B, k'/B, KK, B]
        return writer.add('Transpose', weights, perm=[0, 2, 3, 4, 1])
    starts = writer.add('Gather', writer.constant(np.arange(outs) * ins, np.int64), writer.reshape(chosen, -1, 1, 1, block))
    places = writer.add('Add', starts, writer.reshape(read, -1, block, 1))                              # [k/B, k'/B, B, B]
    weights = writer.gather(one.weights.reshape(outs * ins, size), places)
    return writer.add('Transpose', weights, perm=[0, 1, 4, 2, 3])


def _weights_of_few(writer: Writer, one: ops.Conv, chosen: str, block: int) -> str:
    """[k / B, k' Kh Kw, B of k], for a source of fewer channels than a block."""
    outs, ins, size = *one.weights.shape[:2], math.prod(one.kernel)
    read = writer.index(one.source)
    if read is None:
        weights = writer.gather(one.weights.reshape(outs, ins * size), writer.reshape(chosen, -1, block))
        return writer.add('Transpose', weights, perm=[0, 2, 1])
    starts = writer.add('Gather', writer.constant(np.arange(outs) * ins, np.int64), writer.reshape(chosen, -1, block, 1))
    weights = writer.gather(one.weights.reshape(outs * ins, size), writer.add('Add', starts, read))     # [k/B, B, k', KK]
    return writer.add('Transpose', weights, perm=[0, 2, 3, 1])
