"""A network as a list of operations that every backend can run: NumPy constants, static shapes, no TensorFlow.

An operation computes the value `output` from the values it names. A value is what one image gives: a map (H, W, C) or a vector
(C,). A *channel slice* holds only the active channels of a value: with `index`, int32 [k], the positions of its k channels
among all C; every other channel is zero. Operations with per-channel constants hold them for all C channels, and a backend
takes from them what the slices need: with source index i and output index o, `weights[o][:, i]`.

    Value      dims as computed, (H, W, k); width C; index: the name of an index, or None for k = C
    Operation  one of the classes below; `output` also names its value in `Program.values`

A backend runs the operations in order. It needs one function for each class.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Pads = tuple[tuple[int, int], ...]  # (before, after) of each dimension


@dataclasses.dataclass(frozen=True)
class Value:
    """The shape of a value for one image. A slice has `index`, and dims[-1] of `width` channels."""

    dims: tuple[int, ...]
    width: int
    index: str | None = None

    @property
    def channels(self) -> int:
        """Channels computed."""
        return self.dims[-1]


@dataclasses.dataclass(frozen=True)
class Function:
    """An elementwise function, or softmax: what mayo.config.names has after `keras.activations.`, such as relu."""

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Affine:
    """s W + b on a vector. weights: [C', C]; bias: [C]."""

    weights: np.ndarray
    bias: np.ndarray


@dataclasses.dataclass(frozen=True)
class Gate:
    """Chooses the output channels of a convolution that are computed, at most `keep`, and scales them. x is the convolution's source.

        s     = pool(x)                                 avg: mean over H, W; l1: mean |x|; l2: mean x^2; max
        g     = relu(s W + b) for each of `layers`      one, or two where a hidden layer comes first
        index = the `keep` largest of g                 all C, and no index, if keep = C
        mask  = g[index] > the (keep + 1)-th largest    a tie at the cut loses; all ones if keep = C
        index = those of g > cut                        with a cut: their number varies from image to image, keep = C; no mask
        b     = shift[index], or (s shift.weights + shift.bias)[index]

    Both first layers and `shift` read s, of which a slice gives the active entries only. With the features f = conv(x) + bias:

        boost = before    y = function(mask g f + mask b), or function(mask g (f + b)) if shift_first
                after     y = mask g function(f + b)
                never     y = mask function(f)
    """

    keep: int
    pool: str
    layers: tuple[Affine, ...]
    boost: str = 'before'
    shift: np.ndarray | Affine | None = None
    shift_first: bool = False
    cut: float | None = None


@dataclasses.dataclass(frozen=True)
class Narrow:
    """An operation multiplies numbers of fewer bits, and gives float32: mayo.net.tf.compact.narrow has the formulas.

    precision: bfloat16 or int8. scale, zero: of int8, its source as bytes, x8 = clip(round(x / scale) + zero, 0, 255).
    """

    precision: str
    scale: float = 1.0
    zero: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """Abstract: `output` is the value computed, which has the name of the layer or starts with it."""

    output: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the values that it computes from."""
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unary(Operation):
    """Abstract: an operation on one value."""

    source: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.source,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nary(Operation):
    """Abstract: an operation on any number of values."""

    sources: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.sources


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conv(Unary):
    """function(conv(x, weights) + bias), [H', W', C'] to [H, W, C]; with a gate, its scaled winners among the C.

    weights: [C, C' / groups, Kh, Kw]; bias: [C]; pads: zeros around H', W'. groups > 1: neither side's channels are skipped,
    the source is no slice; a gate then picks its winners from the result. standardize: each channel of f = conv(x) of each
    image by itself becomes (f - mean) / sqrt(variance + standardize) * scale + bias, before the gate.
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    groups: int = 1
    function: Function | None = None
    gate: Gate | None = None
    standardize: float | None = None
    scale: np.ndarray | None = None
    narrow: Narrow | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[2], self.weights.shape[3]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Depthwise(Unary):
    """function(each channel by itself, convolved with its m kernels, + bias), [H', W', C'] to [H, W, C' m], channel-major.

    weights: [C', m, Kh, Kw]; bias: [C' m].
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))
    function: Function | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[2], self.weights.shape[3]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense(Unary):
    """function(x weights + bias), [C'] to [C]. weights: [C', C]; of a slice, only the active rows are read."""

    weights: np.ndarray
    bias: np.ndarray
    function: Function | None = None
    narrow: Narrow | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale(Unary):
    """function(x scale + shift), a channel at a time: a batch norm that stands alone. scale, shift: [C]."""

    scale: np.ndarray
    shift: np.ndarray
    function: Function | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool(Unary):
    """kind `max` or `avg` of windows; padding takes no part in either."""

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: Pads = ((0, 0), (0, 0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean(Unary):
    """The mean over `axes` of (H, W, C): 0, 1, 2; of a vector, 0."""

    axes: tuple[int, ...]
    keepdims: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Activation(Unary):
    """function(x); softmax is over the channels."""

    function: Function


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalResponse(Unary):
    """x / (bias + alpha sum of x^2 over channels c - radius to c + radius)^beta."""

    radius: int
    bias: float
    alpha: float
    beta: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Add(Nary):
    """The sum; sources have one rank, and sizes that are equal or 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mul(Nary):
    """The product; sources have one rank, and sizes that are equal or 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Concat(Nary):
    """The channels of the sources, side by side."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reshape(Unary):
    """The same numbers in the dims of its value; (H, W, C) runs along C first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceToDepth(Unary):
    """[H, W, C] to [H / block, W / block, block block C]: rows of the block first, then columns, then channels."""

    block: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pad(Unary):
    """Zeros around; `sides` of each dimension of the value."""

    sides: Pads


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crop(Unary):
    """The reverse of Pad: positions taken off each side."""

    sides: Pads


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index(Operation):
    """An index made of others, int32: its parts one after the other. It has no entry in `Program.values`.

    part = (index, count, offsets): for each offset in turn, every entry e of the named index, or of 0 ... count - 1 for None,
    gives (e + offset) times + 0 ... times - 1. `count` is the length of the named index.
    """

    parts: tuple[tuple[str | None, int, tuple[int, ...]], ...]
    times: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expand(Unary):
    """A slice as a value of all channels: those that are not in it are zero, or `fill` [C]."""

    fill: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Take(Unary):
    """Of a value of all channels, those of `index`."""

    index: str


@dataclasses.dataclass(frozen=True)
class Program:
    """Operations in order; the shape of every value by name; the values that come in and go out."""

    operations: tuple[Operation, ...]
    values: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def gated(self) -> dict[str, Conv]:
        """The convolutions with a gate, by the name of the layer."""
        return {operation.output: operation for operation in self.operations if isinstance(operation, Conv) and operation.gate}

    @property
    def varying(self) -> list[str]:
        """The layers of which the number of active channels varies from image to image."""
        return [layer for layer, conv in self.gated.items() if conv.gate and conv.gate.cut is not None]

    @property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates of each operation that has any, for one image, by the value that it computes.

        Of gates with a cut, those of an image for which all channels win.
        """
        slices = {
            operation.output: operation.source
            for operation in self.operations
            if isinstance(operation, Expand) and operation.fill is None
        }
        macs = {operation.output: _macs(operation, self.values, slices) for operation in self.operations}
        return {name: number for name, number in macs.items() if number}


def needs_fixed_counts(program: Program, backend: str) -> list[str]:
    """Why a backend of static shapes cannot run `program`, a line each layer."""
    return [
        f'{layer}: {backend} computes a fixed number of channels; with gate_params.threshold other than `online` it varies '
        'from image to image, which only the native engine runs compactly.'
        for layer in program.varying
    ]


def require_fixed_counts(program: Program, backend: str) -> None:
    """Errors: ValueError with what `needs_fixed_counts` says."""
    if reasons := needs_fixed_counts(program, backend):
        raise ValueError('\n'.join(reasons))


def _macs(operation: Operation, values: Mapping[str, Value], slices: Mapping[str, str]) -> int:
    """slices: of each value that is a slice with zeros for the other channels, that slice."""
    match operation:
        case Conv():
            source, target = values[operation.source], values[operation.output]
            active = values[slices.get(operation.source, operation.source)].channels
            return _macs_of_conv(operation, source, target, active)
        case Depthwise():
            return math.prod(values[operation.output].dims) * math.prod(operation.kernel)
        case Dense():
            return values[operation.source].channels * values[operation.output].channels
    return 0


def _macs_of_conv(conv: Conv, source: Value, target: Value, active: int) -> int:
    """Of the channels that it holds on both sides, and of the gate's layers, of b, and of the scaling.

    active: the channels of the source that may be non-zero; what a gate sums up of others is zero, and takes no part.
    """
    positions = math.prod(target.dims[:-1])
    macs = positions * math.prod(conv.kernel) * source.channels // conv.groups * target.channels
    if conv.gate is None:
        return macs
    inputs = active
    for layer in conv.gate.layers:
        macs += inputs * layer.bias.size
        inputs = layer.bias.size
    if isinstance(conv.gate.shift, Affine):
        macs += active * target.width
    return macs + (0 if conv.gate.boost == 'never' else positions * target.channels)
