"""Narrow weights as the engine reads them: engine.h, dot.h and narrow.h say how they lie."""

import typing

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.narrow import as_bfloat16, weights_as_bytes
from mayo.net.tf.compact.native.tables import PRECISIONS, COp
from mayo.net.tf.compact.program import Narrow

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact.native.plan import Plan

ROWS, UNITS, UNIT, SLOT = 16, 16, 4, 64  # rows of a block; units of a part, at most; bytes of a unit, of a part of a row
TOGETHER = 64  # channels: a row of weights is filled up to a multiple


def narrow_conv(plan: 'Plan', entry: COp, operation: ops.Conv, narrow: Narrow) -> None:
    """The entry of a convolution; where all channels take part, its weights are packed now."""
    outs, ins = operation.weights.shape[:2]
    rows = _numbers(entry, plan, operation.weights.transpose(0, 2, 3, 1).reshape(outs, -1, ins), 0, narrow)  # [C, T, C']
    entry.is_packed = operation.gate is None and plan.program.values[operation.source].index is None
    if narrow.precision == 'int8':
        entry.starts = plan.integers((-narrow.zero * rows.sum((1, 2), dtype=np.int64)).tolist())
    rows = np.pad(rows, ((0, 0), (0, 0), (0, -ins % TOGETHER)))
    entry.integers = plan.integers([rows.shape[2] * rows.itemsize])
    entry.narrow = plan.bytes(packed(rows, ins) if entry.is_packed else rows)


def narrow_dense(plan: 'Plan', entry: COp, operation: ops.Dense, narrow: Narrow) -> None:
    """The entry of a fully connected layer."""
    rows = _numbers(entry, plan, operation.weights, 1, narrow)
    entry.integers = plan.integers([rows.shape[1] * rows.itemsize])
    entry.narrow = plan.bytes(rows)


def _numbers(entry: COp, plan: 'Plan', weights: np.ndarray, axis: int, narrow: Narrow) -> np.ndarray:
    """The weights in few bits; what the engine needs to know of them is entered."""
    entry.precision = PRECISIONS.index(narrow.precision)
    if narrow.precision == 'bfloat16':
        return as_bfloat16(weights)
    numbers, scales = weights_as_bytes(weights, axis)
    entry.inverse, entry.zero = 1 / narrow.scale, narrow.zero
    entry.unit = plan.floats(narrow.scale * scales)
    return numbers


def packed(rows: np.ndarray, channels: int) -> np.ndarray:
    """[C, T, C' and zeros] as bytes [blocks, parts, T, ROWS, SLOT]."""
    outs, taps = rows.shape[:2]
    units = -(-channels * rows.itemsize // UNIT)
    parts = -(-units // UNITS)
    each = -(-units // parts) * UNIT  # bytes of a part
    given = rows.reshape(outs, -1).view(np.uint8).reshape(outs, taps, -1)[:, :, : parts * each]
    given = np.pad(given, ((0, -outs % ROWS), (0, 0), (0, parts * each - given.shape[2])))
    slots = np.zeros((len(given) // ROWS, parts, taps, ROWS, SLOT), np.uint8)
    slots[..., :each] = given.reshape(-1, ROWS, taps, parts, each).transpose(0, 3, 2, 1, 4)
    return slots
