"""Products of narrow numbers: which integers a program in int8 multiplies, and which numbers one in bfloat16.

int8, for a convolution or a fully connected layer with source x, weights w of output channel j, and its active channels c:

    x8      = clip(round(x / s_x) + z, 0, 255)                   s_x, z: `scale` and `zero` of the layer, round(x.5) is even
    w8[j]   = round(w[j] / s_w[j]),  s_w[j] = max |w[j]| / 127     a scale for each output channel
    acc[j]  = sum over c and taps of (x8 - z) w8[j]              exact in int32; where the map is padded x8 is z, and adds nothing
    f[j]    = s_x s_w[j] acc[j]                                  float32, in place of conv(x) or x w

What follows is computed from f in float32 as ever: bias, the scaling by saliency g of each image, activation. So are a gate's
pooling, its saliency and its choice, from x as it is. bfloat16: both factors are rounded to 8 bits of mantissa, the sums are
float32; of a fully connected layer, the weights only.

Source of the scheme: Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference,
https://arxiv.org/abs/1712.05877, with float32 between layers.
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Narrow, Program

PRECISIONS = ('float32', 'bfloat16', 'int8')
STEPS = 255  # between the least and the largest byte
MOST = 127  # of a weight
SMALLEST = 1e-30  # scale whose inverse is a float32

Multiplying = TypeVar('Multiplying', ops.Conv, ops.Dense)
Ranges = Mapping[str, tuple[float, float]]  # of each operation's source: what bytes reach from and to


def multiplying(program: Program) -> list[ops.Conv | ops.Dense]:
    """The operations that can be narrow: convolutions that are not in groups, and fully connected layers."""
    return [
        operation
        for operation in program.operations
        if isinstance(operation, ops.Dense) or (isinstance(operation, ops.Conv) and operation.groups == 1)
    ]


def narrowed(program: Program, precision: str, ranges: Ranges, wide: Mapping[str, str] = {}) -> Program:
    """`program` with all that can be narrow in `precision`. wide: the precision of operations that need another.

    Errors: ValueError for int8 where `ranges` has none for an operation.
    """
    chosen = {operation.output: wide.get(operation.output, precision) for operation in multiplying(program)}
    missing = [name for name, own in chosen.items() if own == 'int8' and name not in ranges]
    if missing:
        raise ValueError(f'there are no ranges to compute {", ".join(missing)} in int8; `quantize` measures them.')

    def of(operation: ops.Operation) -> ops.Operation:
        own = chosen.get(operation.output, 'float32')
        if own == 'float32':
            return operation
        return dataclasses.replace(operation, narrow=narrow_of(own, ranges.get(operation.output)))  # type: ignore[call-arg]

    return dataclasses.replace(program, operations=tuple(map(of, program.operations)))


def narrow_of(precision: str, span: tuple[float, float] | None) -> Narrow:
    """Bytes for a range, which is made to hold zero, so that zero is exact."""
    if precision != 'int8' or span is None:
        return Narrow(precision)
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    scale = (high - low) / STEPS
    scale = scale if scale > SMALLEST else 1.0  # a source that is always zero
    return Narrow(precision, scale, round(-low / scale))


def widened(program: Program, precision: str) -> Program:
    """`program` with float32 in place of `precision`."""

    def of(operation: ops.Operation) -> ops.Operation:
        narrow = getattr(operation, 'narrow', None)
        return dataclasses.replace(operation, narrow=None) if narrow and narrow.precision == precision else operation  # type: ignore[call-arg]

    return dataclasses.replace(program, operations=tuple(map(of, program.operations)))


def rounded(operation: Multiplying) -> Multiplying:
    """The operation with the weights that its narrow numbers stand for, in float32."""
    match operation.narrow:
        case None:
            return operation
        case Narrow('bfloat16'):
            weights = (as_bfloat16(operation.weights).astype(np.uint32) << 16).view(np.float32)
        case _:
            axis = 0 if isinstance(operation, ops.Conv) else 1
            numbers, scales = weights_as_bytes(operation.weights, axis)
            weights = (numbers * np.expand_dims(scales, [other for other in range(numbers.ndim) if other != axis])).astype(
                np.float32
            )
    return dataclasses.replace(operation, weights=weights)


def weights_as_bytes(weights: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(w8 int8, s_w float64 [C]); axis: that of the output channels."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    most = np.abs(weights.astype(np.float64)).max(others, initial=0.0)
    scales = np.where(most > 0, most, 1.0) / MOST
    return np.rint(weights / np.expand_dims(scales, others)).astype(np.int8), scales


def as_bfloat16(array: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, uint16, rounded to the nearest, of two to the even one."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
