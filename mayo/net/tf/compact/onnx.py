"""A program as an ONNX network, for onnxruntime, OpenVINO and whatever else reads it. Needs the package `onnx`, no TensorFlow.

    onnx_model(program)        images [1, H, W, C] float32 in, as the TensorFlow network takes them; one output for each of the program's

Inside, channels come first: a map (H, W, C) is [1, C, H, W], a vector (C,) is [1, C], an index is int64 [k]. Only the images, and maps
among the outputs, are transposed: 150,000 numbers of a 224 x 224 image, about 0.1 % of what VGG-16 then takes.

What made it fast, with onnxruntime on small maps, where an operation costs about a microsecond however little it does:
one gather of a layer's weights from [C C', Kh Kw]; one reduction for the summary, whose 1 / (H W) is in phi; the gate's scale goes
where there is less to multiply, into the gathered weights or, with relu, out of the convolution:

    relu(mask g (conv(x) + bias) + mask b) = relu(conv(x, g W) + g bias + mask b) = mask g relu(conv(x) + bias + b / g)
"""
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mayo.config.names import KNOWN
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Function, Program
from mayo.util.lazy import lazy

onnx = lazy('onnx')

OPSET, FORMAT = 17, 8           # what onnxruntime 1.12, OpenVINO 2022.3 and later read
INPUT = 'images'
ACTIVE = '/active'              # after a layer's name: the output that counts its winners
TINY = np.float32(1e-30)        # a saliency to divide by, where it is zero

Emit = Callable[['Writer', Any], str | None]
emitters: dict[type, Emit] = {}


def onnx_model(program: Program, name: str = 'mayo', *, batch: int | None = 1, counts: bool = False) -> Any:
    """The onnx.ModelProto of `program`.

    batch: images at once, None for any number; a program with gates takes one, as each image has weights of its own.
    counts: also put out how many channels won in each gated layer, int64 [1], as LAYER/active.
    """
    if batch != 1 and program.gated:
        raise ValueError('a network with gates takes one image at a time.')
    writer = Writer(program, batch, counts)
    for one in program.operations:
        writer.values[one.output] = emitters[type(one)](writer, one)
    graph = onnx.helper.make_graph(writer.nodes, name, [writer.take_in()], writer.put_out(), writer.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', OPSET)], producer_name='mayo')
    model.ir_version = FORMAT
    return model


def emitter(kind: type) -> Callable[[Emit], Emit]:
    """Enters the function that writes one class of operation; it returns the name of what it computes."""
    def enter(function: Emit) -> Emit:
        emitters[kind] = function
        return function
    return enter


class Writer:
    """The nodes and constants so far, and the names that the program's values have among them."""

    def __init__(self, program: Program, batch: int | None, counts: bool) -> None:
        self.program, self.batch, self.counts = program, batch, counts
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.values: dict[str, str | None] = {}
        self.indices: dict[str, str] = {}
        self.active: dict[str, str] = {}
        self.scope = INPUT                              # the layer that nodes are named after
        self._names: set[str] = {INPUT}
        self._known: dict[tuple[Any, ...], str] = {}
        (dims,) = {program.values[name].dims for name in program.inputs}
        self.image_dims = dims
        inside = self.channels_first(INPUT, dims)
        self.values |= dict.fromkeys(program.inputs, inside)

    # --- what emitters use ---

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; the name of its output, or a tuple of names."""
        names = tuple(self.fresh(f'{self.scope}/{kind}') for _ in range(outputs))
        self.nodes.append(onnx.helper.make_node(kind, inputs, names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """An initializer; one for all small ones that are equal."""
        array = np.ascontiguousarray(array, dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 else (id(array), len(self.constants))
        if key not in self._known:
            self._known[key] = self.fresh(f'{self.scope}/constant')
            self.constants.append(onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def fresh(self, name: str) -> str:
        """`name`, or with a number if it is taken."""
        number, tried = 1, name
        while tried in self._names:
            number, tried = number + 1, f'{name}.{number}'
        self._names.add(tried)
        return tried

    def source(self, one: Any) -> str:
        name = self.values[one.source]
        assert name is not None
        return name

    def read(self, name: str) -> str | None:
        """The index of a value; None if it has all channels."""
        index = self.program.values[name].index
        return None if index is None else self.indices[index]

    def positions(self, name: str) -> int:
        """The size of a value's map."""
        return math.prod(self.program.values[name].dims[:-1])

    def gather(self, array: np.ndarray, index: str | None, axis: int = 0) -> str:
        """A constant, or its entries at `index`."""
        constant = self.constant(array)
        return constant if index is None else self.add('Gather', constant, index, axis=axis)

    def reshape(self, source: str, *dims: int) -> str:
        return self.add('Reshape', source, self.integers(*dims))

    def batched(self, source: str, *dims: int) -> str:
        """A reshape of each image by itself."""
        return self.reshape(source, -1 if self.batch is None else self.batch, *dims)

    def per_channel(self, vector: str, dims: Sequence[int]) -> str:
        """[k] as it multiplies a value of these dims."""
        return vector if len(dims) == 1 else self.reshape(vector, dims[-1], *[1] * (len(dims) - 1))

    # --- the ends ---

    def channels_first(self, source: str, dims: tuple[int, ...]) -> str:
        """[N, ..., C] to [N, C, ...]."""
        if len(dims) == 1:
            return source
        if 1 in (dims[-1], math.prod(dims[:-1])):
            return self.batched(source, dims[-1], *dims[:-1])
        return self.add('Transpose', source, perm=[0, len(dims), *range(1, len(dims))])

    def channels_last(self, source: str, dims: tuple[int, ...]) -> str:
        """[N, C, ...] to [N, ..., C]."""
        if len(dims) == 1:
            return source
        if 1 in (dims[-1], math.prod(dims[:-1])):
            return self.batched(source, *dims)
        return self.add('Transpose', source, perm=[0, *range(2, len(dims) + 1), 1])

    def take_in(self) -> Any:
        return onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, [self.batch or 'N', *self.image_dims])

    def put_out(self) -> list[Any]:
        """The outputs: those of the program, by their names in it, then the counts."""
        outputs = []
        for name in self.program.outputs:
            dims = self.program.values[name].dims
            value = self.channels_last(str(self.values[name]), dims)
            outputs.append(self._output(value, name, onnx.TensorProto.FLOAT, [self.batch or 'N', *dims]))
        if self.counts:
            outputs += [self._output(value, f'{name}{ACTIVE}', onnx.TensorProto.INT64, [1]) for name, value in self.active.items()]
        return outputs

    def _output(self, value: str, name: str, kind: int, dims: Sequence[Any]) -> Any:
        self._names.add(name)
        self.nodes.append(onnx.helper.make_node('Identity', [value], [name], f'{name}/output'))
        return onnx.helper.make_tensor_value_info(name, kind, dims)


def function(writer: Writer, source: str, name: Function | None) -> str:
    """function(source), the channels at axis 1."""
    if name is None:
        return source
    arguments = {**KNOWN[f'keras.activations.{name.name}'], **name.arguments}
    return functions[name.name](writer, source, **arguments)


def _node(kind: str, **fixed: Any) -> Callable[..., str]:
    """A function that is one node, whose attributes are `fixed`."""
    return lambda writer, source: str(writer.add(kind, source, **fixed))


def _relu(writer: Writer, x: str, negative_slope: float, max_value: float | None, threshold: float) -> str:
    """x where x > threshold, at most max_value; negative_slope (x - threshold) elsewhere."""
    if max_value is None and threshold == 0:
        return _leaky_relu(writer, x, negative_slope) if negative_slope else str(writer.add('Relu', x))
    limit, zero = writer.constant(threshold), writer.constant(0)
    high = x if max_value is None else writer.add('Min', x, writer.constant(max_value))
    low = zero
    if negative_slope:
        low = writer.add('Mul', writer.add('Sub', x, limit), writer.constant(negative_slope))
    return str(writer.add('Where', writer.add('Greater', x, limit), high, low))


def _leaky_relu(writer: Writer, x: str, negative_slope: float) -> str:
    return str(writer.add('LeakyRelu', x, alpha=float(negative_slope)))


def _gelu(writer: Writer, x: str, approximate: bool) -> str:
    """x / 2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf."""
    if approximate:
        cubed = writer.add('Mul', writer.add('Mul', x, x), writer.add('Mul', x, writer.constant(0.044715)))
        inner = writer.add('Mul', writer.add('Add', x, cubed), writer.constant(math.sqrt(2 / math.pi)))
        bent = writer.add('Tanh', inner)
    else:
        bent = writer.add('Erf', writer.add('Mul', x, writer.constant(math.sqrt(0.5))))
    return str(writer.add('Mul', writer.add('Mul', x, writer.constant(0.5)), writer.add('Add', bent, writer.constant(1))))


functions: Mapping[str, Callable[..., str]] = {
    'relu': _relu,
    'relu6': lambda writer, x: str(writer.add('Clip', x, writer.constant(0), writer.constant(6))),
    'leaky_relu': _leaky_relu,
    'elu': lambda writer, x, alpha: str(writer.add('Elu', x, alpha=float(alpha))),
    'selu': _node('Selu'),
    'gelu': _gelu,
    'sigmoid': _node('Sigmoid'),
    'hard_sigmoid': _node('HardSigmoid', alpha=1 / 6, beta=0.5),
    'tanh': _node('Tanh'),
    'silu': lambda writer, x: str(writer.add('Mul', x, writer.add('Sigmoid', x))),
    'hard_silu': _node('HardSwish'),
    'softplus': _node('Softplus'),
    'softsign': _node('Softsign'),
    'softmax': lambda writer, x, axis: str(writer.add('Softmax', x, axis=1)),
}


# --- with weights ---

@emitter(ops.Conv)
def conv(writer: Writer, one: ops.Conv) -> str:
    writer.scope = one.output
    source, read = writer.source(one), writer.read(one.source)
    if one.gate is None:
        weights = weights_of(writer, one, read, None)
        return function(writer, features(writer, one, source, weights, writer.constant(one.bias)), one.function)
    winners = Winners(writer, one, source, read)
    scaled = Scaled(winners, one, within=cheaper_within(writer, one))
    grouped = one.groups > 1 and winners.index is not None
    if grouped:                                         # the winners are taken from the result
        whole = convolve(writer, one, source, writer.constant(one.weights))
        result = affine_map(writer, one, writer.add('Gather', whole, winners.index, axis=1), scaled)
    elif one.standardize is not None:
        result = features(writer, one, source, weights_of(writer, one, read, winners.index), scaled.offset, scaled.standard_scale())
    else:
        weights = weights_of(writer, one, read, winners.index, scaled.before)
        result = features(writer, one, source, weights, scaled.offset)
    result = function(writer, result, one.function)
    if scaled.after is None:
        return result
    return str(writer.add('Mul', result, writer.per_channel(scaled.after, writer.program.values[one.output].dims)))


def features(writer: Writer, one: ops.Conv, source: str, weights: str, bias: str, scale: str | None = None) -> str:
    """conv(x, weights) + bias, or standardized before."""
    if one.standardize is None:
        return convolve(writer, one, source, weights, bias)
    return standardized(writer, one, convolve(writer, one, source, weights), bias, scale)


def standardized(writer: Writer, one: ops.Conv, result: str, bias: str, scale: str | None) -> str:
    if scale is None:
        scale = writer.constant(np.ones_like(one.bias) if one.scale is None else one.scale)
    return str(writer.add('InstanceNormalization', result, scale, bias, epsilon=float(one.standardize or 0)))


def affine_map(writer: Writer, one: ops.Conv, result: str, scaled: 'Scaled') -> str:
    """What is done in the convolution elsewhere, done after it."""
    if one.standardize is not None:
        return standardized(writer, one, result, scaled.offset, scaled.standard_scale())
    dims = writer.program.values[one.output].dims
    if scaled.before is not None:
        result = writer.add('Mul', result, writer.per_channel(scaled.before, dims))
    return str(writer.add('Add', result, writer.per_channel(scaled.offset, dims)))


def cheaper_within(writer: Writer, one: ops.Conv) -> bool:
    """Whether a scale is cheaper in the weights than on the output. Constant weights stay constant: runtimes lay them out beforehand."""
    if one.standardize is not None:
        return True
    source, target = writer.program.values[one.source], writer.program.values[one.output]
    if one.groups > 1 or (source.index is None and target.index is None):
        return False
    return source.channels * math.prod(one.kernel) < writer.positions(one.output)


class Winners:
    """What a gate chooses: names of `saliency` [k], `mask` bool [k] or None, `index` [k] or None, `shift` [k] or None."""

    def __init__(self, writer: Writer, one: ops.Conv, source: str, read: str | None) -> None:
        self.writer, gate = writer, one.gate
        assert gate is not None
        channels = one.weights.shape[0]
        summary, share = summarize(writer, source, gate.pool, writer.positions(one.source))
        saliency = summary
        for position, layer in enumerate(gate.layers):
            first = position == 0
            saliency = writer.add('Relu', affine(writer, saliency, layer, read if first else None, share if first else 1))
        saliency = writer.reshape(saliency, channels)
        self.mask = self.index = None
        if gate.keep < channels:
            top, indices = writer.add('TopK', saliency, writer.integers(gate.keep + 1), outputs=2, axis=0)
            saliency, cut = writer.add('Split', top, writer.integers(gate.keep, 1), outputs=2, axis=0)
            self.index = writer.add('Slice', indices, writer.integers(0), writer.integers(gate.keep))
            self.mask = writer.add('Greater', saliency, cut)
            writer.indices[str(writer.program.values[one.output].index)] = self.index
        self.saliency: str = saliency
        self.shift = self._shift(gate, summary, read, share)
        if writer.counts:
            writer.active[one.output] = self._active(gate.keep)

    def _shift(self, gate: ops.Gate, summary: str, read: str | None, share: float) -> str | None:
        if gate.shift is None:
            return None
        if isinstance(gate.shift, ops.Affine):
            shift = self.writer.reshape(affine(self.writer, summary, gate.shift, read, share), gate.shift.bias.size)
            return shift if self.index is None else str(self.writer.add('Gather', shift, self.index, axis=0))
        return self.writer.gather(gate.shift, self.index)

    def _active(self, keep: int) -> str:
        if self.mask is None:
            return self.writer.integers(keep)
        ones = self.writer.add('Cast', self.mask, to=onnx.TensorProto.INT64)
        return str(self.writer.add('ReduceSum', ones, self.writer.integers(0), keepdims=1))

    def masked(self, vector: str) -> str:
        return vector if self.mask is None else str(self.writer.add('Where', self.mask, vector, self.writer.constant(0)))


def summarize(writer: Writer, source: str, kind: str, positions: int) -> tuple[str, float]:
    """The summary of the channels, [1, k], and what it has still to be multiplied by."""
    reduce, share = {'avg': ('ReduceMean', 1), 'l1': ('ReduceL1', 1 / positions), 'l2': ('ReduceSumSquare', 1 / positions),
                     'max': ('ReduceMax', 1)}[kind]
    return writer.add(reduce, source, axes=[2, 3], keepdims=0), share


def affine(writer: Writer, source: str, layer: ops.Affine, read: str | None, share: float = 1) -> str:
    """source share weights + bias."""
    weights = layer.weights if share == 1 else layer.weights * np.float32(share)
    return str(writer.add('Gemm', source, writer.gather(weights, read), writer.constant(layer.bias)))


class Scaled:
    """A gated convolution as after function(before conv(x) + offset): names of vectors [k], or None for ones.

    `within`: the scale goes before, where the function lets it; else after, where it lets it.
    """

    def __init__(self, winners: Winners, one: ops.Conv, within: bool) -> None:
        self.winners, self.writer, self.one = winners, winners.writer, one
        gate = one.gate
        assert gate is not None
        self.before: str | None = None
        self.after: str | None = None
        self.bias = self.writer.gather(one.bias, winners.index)
        within = gate.boost == 'before' if not passes_scale(one.function) else within
        if gate.boost == 'never':
            self._only_masked(within)
        elif within:
            self._scaled_before(gate)
        else:
            self._scaled_after(gate)

    def _only_masked(self, within: bool) -> None:
        self.offset = self.bias
        if self.winners.mask is None:
            return
        mask = self.writer.add('Cast', self.winners.mask, to=onnx.TensorProto.FLOAT)
        if within:
            self.before, self.offset = mask, self.writer.add('Mul', self.bias, mask)
        else:
            self.after = mask

    def _scaled_before(self, gate: ops.Gate) -> None:
        shift, first = self.winners.shift, gate.shift_first or gate.boost == 'after'
        self.before = self.winners.masked(self.winners.saliency)
        bias = self._plus(self.bias, shift if first else None)
        offset = self.writer.add('Mul', bias, self.before)
        self.offset = self._plus(offset, None if first or shift is None else self.winners.masked(shift))

    def _scaled_after(self, gate: ops.Gate) -> None:
        shift, scale = self.winners.shift, self.winners.saliency
        if shift is not None and not (gate.shift_first or gate.boost == 'after'):
            scale = self.writer.add('Max', scale, self.writer.constant(TINY))
            shift = self.writer.add('Div', shift, scale)
        self.after = self.winners.masked(scale)
        self.offset = self._plus(self.bias, shift)

    def standard_scale(self) -> str | None:
        """`before` and the convolution's own scale."""
        own = None if self.one.scale is None else self.writer.gather(self.one.scale, self.winners.index)
        if own is None or self.before is None:
            ones = self.writer.constant(np.ones(self.writer.program.values[self.one.output].channels))
            return own or self.before or ones
        return str(self.writer.add('Mul', own, self.before))

    def _plus(self, vector: str, other: str | None) -> str:
        return vector if other is None else str(self.writer.add('Add', vector, other))


def passes_scale(name: Function | None) -> bool:
    """Whether function(a x) = a function(x) for a >= 0."""
    return name is None or name.name == 'leaky_relu' or name.name == 'relu' and not name.arguments


def weights_of(writer: Writer, one: ops.Conv, read: str | None, index: str | None, scale: str | None = None) -> str:
    """[k, k', Kh, Kw]: the chosen weights of chosen channels, times `scale` [k]."""
    outs, ins, height, width = one.weights.shape
    counts = outs, ins
    if read is None and index is None:
        chosen = writer.constant(one.weights)
    elif read is None:
        chosen, counts = writer.gather(one.weights, index), (writer.program.values[one.output].channels, ins)
    else:
        read_count = writer.program.values[one.source].channels
        if index is None:
            chosen, counts = writer.gather(one.weights.reshape(outs, ins, height * width), read, axis=1), (outs, read_count)
        else:
            rows = writer.add('Gather', writer.constant(np.arange(outs)[:, None] * ins, np.int64), index, axis=0)
            flat = writer.add('Add', rows, read)
            chosen = writer.gather(one.weights.reshape(outs * ins, height * width), flat)
            counts = writer.program.values[one.output].channels, read_count
    if scale is not None:
        rank = 4 if read is None else 3
        chosen = writer.add('Mul', chosen, writer.reshape(scale, counts[0], *[1] * (rank - 1)))
    return chosen if read is None else writer.reshape(chosen, *counts, height, width)


def convolve(writer: Writer, one: Any, source: str, weights: str, *bias: str, groups: int | None = None) -> str:
    return str(writer.add('Conv', source, weights, *bias, strides=list(one.stride), pads=pads(one.pads),
                          kernel_shape=list(one.kernel), group=groups or one.groups))


def pads(sides: ops.Pads) -> list[int]:
    """All that come before, then all that come after."""
    return [before for before, _ in sides] + [after for _, after in sides]


@emitter(ops.Depthwise)
def depthwise(writer: Writer, one: ops.Depthwise) -> str:
    writer.scope = one.output
    read = writer.read(one.source)
    channels = writer.program.values[one.output].channels
    weights = writer.gather(one.weights, read) if read else writer.constant(one.weights)
    weights = writer.reshape(weights, channels, 1, *one.kernel) if read or one.weights.shape[1] > 1 else weights
    bias = writer.gather(one.bias, writer.read(one.output))
    groups = writer.program.values[one.source].channels
    return function(writer, convolve(writer, one, writer.source(one), weights, bias, groups=groups), one.function)


@emitter(ops.Dense)
def dense(writer: Writer, one: ops.Dense) -> str:
    writer.scope = one.output
    layer = ops.Affine(one.weights, one.bias)
    return function(writer, affine(writer, writer.source(one), layer, writer.read(one.source)), one.function)


@emitter(ops.Scale)
def scale(writer: Writer, one: ops.Scale) -> str:
    writer.scope = one.output
    dims, index = writer.program.values[one.output].dims, writer.read(one.output)
    factor, shift = (writer.per_channel(writer.gather(array, index), dims) for array in (one.scale, one.shift))
    return function(writer, writer.add('Add', writer.add('Mul', writer.source(one), factor), shift), one.function)


# --- without weights ---

@emitter(ops.Pool)
def pool(writer: Writer, one: ops.Pool) -> str:
    writer.scope = one.output
    if one.kernel == writer.program.values[one.source].dims[:2] and not np.any(one.pads):
        return str(writer.add('GlobalMaxPool' if one.kind == 'max' else 'GlobalAveragePool', writer.source(one)))
    return str(writer.add('MaxPool' if one.kind == 'max' else 'AveragePool', writer.source(one), kernel_shape=list(one.kernel),
                          strides=list(one.stride), pads=pads(one.pads)))


@emitter(ops.Mean)
def mean(writer: Writer, one: ops.Mean) -> str:
    writer.scope = one.output
    rank = len(writer.program.values[one.source].dims)
    axes = sorted(1 if axis == rank - 1 else axis + 2 for axis in one.axes)
    result = writer.add('ReduceMean', writer.source(one), axes=axes, keepdims=int(one.keepdims))
    left = rank - len(axes)
    if 1 in axes and not one.keepdims and left > 1:         # the last of the other axes are channels now
        result = writer.add('Transpose', result, perm=[0, left, *range(1, left)])
    return str(result)


@emitter(ops.Activation)
def activation(writer: Writer, one: ops.Activation) -> str:
    writer.scope = one.output
    return function(writer, writer.source(one), one.function)


@emitter(ops.LocalResponse)
def local_response(writer: Writer, one: ops.LocalResponse) -> str:
    writer.scope = one.output
    size = 2 * one.radius + 1
    return str(writer.add('LRN', writer.source(one), size=size, bias=float(one.bias), alpha=float(one.alpha * size),
                          beta=float(one.beta)))


@emitter(ops.Add)
def add(writer: Writer, one: ops.Add) -> str:
    return joined(writer, one, 'Add')


@emitter(ops.Mul)
def mul(writer: Writer, one: ops.Mul) -> str:
    return joined(writer, one, 'Mul')


def joined(writer: Writer, one: Any, kind: str) -> str:
    writer.scope = one.output
    first, *rest = (str(writer.values[source]) for source in one.sources)
    for value in rest:
        first = writer.add(kind, first, value)
    return first


@emitter(ops.Concat)
def concat(writer: Writer, one: ops.Concat) -> str:
    writer.scope = one.output
    return str(writer.add('Concat', *(str(writer.values[source]) for source in one.sources), axis=1))


@emitter(ops.Reshape)
def reshape(writer: Writer, one: ops.Reshape) -> str:
    """Through channels last, unless positions and channels stay what they are."""
    writer.scope = one.output
    before, after = writer.program.values[one.source].dims, writer.program.values[one.output].dims
    if before[-1] == after[-1]:
        return writer.batched(writer.source(one), after[-1], *after[:-1])
    flat = writer.batched(writer.channels_last(writer.source(one), before), *after)
    return writer.channels_first(flat, after)


@emitter(ops.SpaceToDepth)
def space_to_depth(writer: Writer, one: ops.SpaceToDepth) -> str:
    writer.scope = one.output
    return str(writer.add('SpaceToDepth', writer.source(one), blocksize=one.block))


@emitter(ops.Pad)
def pad(writer: Writer, one: ops.Pad) -> str:
    writer.scope = one.output
    *spatial, channels = one.sides
    return str(writer.add('Pad', writer.source(one), writer.integers(*pads(((0, 0), channels, *spatial)))))


@emitter(ops.Crop)
def crop(writer: Writer, one: ops.Crop) -> str:
    writer.scope = one.output
    dims = writer.program.values[one.source].dims
    *spatial, channels = ((before, size - after) for size, (before, after) in zip(dims, one.sides))
    starts, ends = zip(channels, *spatial)
    return str(writer.add('Slice', writer.source(one), writer.integers(*starts), writer.integers(*ends),
                          writer.integers(*range(1, len(dims) + 1))))


# --- of slices ---

@emitter(ops.Index)
def index(writer: Writer, one: ops.Index) -> None:
    writer.scope = one.output
    parts = []
    for name, count, offsets in one.parts:
        entries = writer.constant(np.arange(count), np.int64) if name is None else writer.indices[name]
        if any(offsets):
            entries = writer.add('Add', writer.constant(np.array(offsets)[:, None], np.int64), entries)
            entries = writer.reshape(entries, count * len(offsets))
        parts.append(entries)
    joined = parts[0] if len(parts) == 1 else writer.add('Concat', *parts, axis=0)
    if one.times > 1:
        count = sum(count * len(offsets) for _, count, offsets in one.parts)
        starts = writer.add('Mul', writer.reshape(joined, count, 1), writer.integers(one.times))
        spread = writer.add('Add', starts, writer.constant(np.arange(one.times), np.int64))
        joined = writer.reshape(spread, count * one.times)
    writer.indices[one.output] = joined


@emitter(ops.Expand)
def expand(writer: Writer, one: ops.Expand) -> str:
    """A gather through the inverse index, in which channels that are not in the slice name one of zeros."""
    writer.scope = one.output
    source, target = writer.program.values[one.source], writer.program.values[one.output]
    count, width = source.channels, target.width
    places = writer.reshape(writer.read(one.source), count, 1)
    where = writer.add('ScatterND', writer.constant(np.full(width, count), np.int64), places,
                       writer.constant(np.arange(count), np.int64))
    zero = writer.constant(np.zeros((1, 1, *source.dims[:-1])))
    full = writer.add('Gather', writer.add('Concat', writer.source(one), zero, axis=1), where, axis=1)
    if one.fill is None:
        return str(full)
    missing = writer.add('Equal', where, writer.integers(count))
    fill = writer.add('Where', missing, writer.constant(one.fill), writer.constant(0))
    return str(writer.add('Add', full, writer.per_channel(fill, target.dims)))


@emitter(ops.Take)
def take(writer: Writer, one: ops.Take) -> str:
    writer.scope = one.output
    return str(writer.add('Gather', writer.source(one), writer.indices[one.index], axis=1))
