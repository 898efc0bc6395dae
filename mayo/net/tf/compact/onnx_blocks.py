"""Gated convolutions as onnxruntime computes those with constant weights: on maps in blocks of B channels.

onnxruntime rewrites a convolution with constant weights to an operation of its own, on maps [C / B, H, W, B] with weights
[C / B, C' / B, Kh, Kw, B of C', B of C], which takes half the time of its usual one. It does not do so where weights are
computed; but the operation takes any. Here the chosen weights are gathered into that layout. B is 16 or 8, as the processor has
it: `block_size` asks onnxruntime. What is written so runs there only, and is not for export.

The scale of the gate comes after: a convolution of each channel by itself, with bias and relu, costs a pass over the output.
Layers compute whole blocks of channels, `widened`, of which those that did not win are masked.
"""
import dataclasses
import functools
import math
from typing import Any

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.onnx_gate import decide
from mayo.net.tf.compact.onnx_writer import BLOCKS, FORMAT, OPSET, Writer, function, onnx, pads, passes_scale
from mayo.net.tf.compact.program import Program

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


def widened(program: Program, block: int) -> Program:
    """The program with slices of whole blocks of channels, unless that doubles them."""
    counts: dict[str, int] = {}
    operations = []
    for one in program.operations:
        if isinstance(one, ops.Index):
            parts = tuple((name, count if name is None else counts[name], offsets) for name, count, offsets in one.parts)
            one = dataclasses.replace(one, parts=parts)
            counts[one.output] = one.times * sum(count * len(offsets) for _, count, offsets in parts)
        elif isinstance(one, ops.Conv) and one.gate is not None and (name := program.values[one.output].index):
            slots = -(-one.gate.keep // block) * block
            fits = one.groups == 1 and slots <= min(2 * one.gate.keep, one.bias.size)
            counts[name] = slots if fits else one.gate.keep
        operations.append(one)
    values = {name: value if value.index is None else dataclasses.replace(value, dims=(*value.dims[:-1], counts[value.index]))
              for name, value in program.values.items()}
    return Program(tuple(operations), values, program.inputs, program.outputs)


def fits(writer: Writer, one: ops.Operation) -> bool:
    """Whether `one` can be written so: its channels come in whole blocks, or the image's few as they are."""
    block = writer.block
    if block is None:
        return False
    if isinstance(one, ops.Pool):
        return one.source in writer.blocks
    if not isinstance(one, ops.Conv) or one.gate is None or one.groups > 1 or one.standardize is not None:
        return False
    if one.gate.boost != 'before' and not passes_scale(one.function):
        return False
    source, target = writer.program.values[one.source], writer.program.values[one.output]
    if source.index is not None and target.index is None:
        return False
    return target.channels % block == 0 and (source.channels % block == 0 or source.channels < block)


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
    source, count = writer.program.values[one.source].channels, writer.program.values[one.output].channels
    block = writer.block or 0
    gated = decide(writer, one, one.gate, before=True)
    if source < block:
        features, weights = writer.value(one.source), _weights_of_few(writer, one, gated.index, block)
    else:
        features, weights = writer.in_blocks(one.source), _weights(writer, one, gated.index, block)
    result = writer.add('Conv', features, writer.reshape(weights, count, source, *one.kernel), domain=BLOCKS,
                        strides=list(one.stride), pads=pads(one.pads), kernel_shape=list(one.kernel))
    relu = one.function is not None and one.function.name == 'relu' and not one.function.arguments
    scale = writer.constant(np.ones(count)) if gated.before is None else gated.before
    result = writer.add('Conv', result, writer.reshape(scale, count, 1, 1, 1), gated.offset, domain=BLOCKS,
                        kernel_shape=[1, 1], group=count, **({'activation': 'Relu'} if relu else {}))
    return result if relu else function(writer, result, one.function)


def _weights(writer: Writer, one: ops.Conv, chosen: str | None, block: int) -> str:
    """[k / B, k' / B, Kh Kw, B of k', B of k]."""
    outs, ins, size = *one.weights.shape[:2], math.prod(one.kernel)
    read = writer.index(one.source)
    if read is None:
        table = one.weights.reshape(outs, ins // block, block, size).transpose(0, 1, 3, 2)
        if chosen is None:
            return writer.constant(table.reshape(-1, block, *table.shape[1:]).transpose(0, 2, 3, 4, 1))
        weights = writer.gather(table, writer.reshape(chosen, -1, block))                       # [k / B, B, k' / B, Kh Kw, B]
        return writer.add('Transpose', weights, perm=[0, 2, 3, 4, 1])
    rows = writer.reshape(str(chosen), -1, 1, 1, block)
    starts = writer.add('Gather', writer.constant(np.arange(outs) * ins, np.int64), rows)
    places = writer.add('Add', starts, writer.reshape(read, -1, block, 1))                      # [k / B, k' / B, B, B]
    weights = writer.gather(one.weights.reshape(outs * ins, size), places)
    return writer.add('Transpose', weights, perm=[0, 1, 4, 2, 3])


def _weights_of_few(writer: Writer, one: ops.Conv, chosen: str | None, block: int) -> str:
    """[k / B, k' Kh Kw, B of k], for a source of fewer channels than a block."""
    outs, ins, size = *one.weights.shape[:2], math.prod(one.kernel)
    read = writer.index(one.source)
    if read is None:
        table = one.weights.reshape(outs, ins * size)
        if chosen is None:
            return writer.constant(table.reshape(-1, block, ins * size).transpose(0, 2, 1))
        return writer.add('Transpose', writer.gather(table, writer.reshape(chosen, -1, block)), perm=[0, 2, 1])
    starts = writer.add('Gather', writer.constant(np.arange(outs) * ins, np.int64), writer.reshape(str(chosen), -1, block, 1))
    weights = writer.gather(one.weights.reshape(outs * ins, size), writer.add('Add', starts, read))     # [k / B, B, k', Kh Kw]
    return writer.add('Transpose', weights, perm=[0, 2, 3, 1])
