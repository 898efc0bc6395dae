"""An ONNX network in the making: its nodes and constants so far. Needs the package `onnx`, no TensorFlow.

Channels come first: a map (H, W, C) is [N, C, H, W], a vector (C,) is [N, C], an index is int64 [k].
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mayo.config.names import KNOWN
from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.program import Function, Program
from mayo.util.lazy import lazy

onnx = lazy('onnx')

OPSET, FORMAT = 17, 8  # what onnxruntime 1.12, OpenVINO 2022.3 and later read
IMAGES = 'images'
ACTIVE = '/active'  # after a layer's name: the output that counts its winners
SMALL = 64  # entries of a constant that is kept once however often it is used


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of bytes [1, *dims] as a network's input. prepare(writer, [1, *dims] float32, dims): what the program reads."""

    dims: tuple[int, int, int]
    prepare: Callable[['Writer', str, tuple[int, int, int]], str]


class Writer:
    """The nodes and constants so far, and the names that the program's values have among them."""

    def __init__(self, program: Program, batch: int | None = 1, images: Images | None = None) -> None:
        self.program, self.batch, self.images = program, batch, images
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.indices: dict[str, str] = {}
        self.masks: dict[str, str | None] = {}  # of gated layers: bool [k], None if all win
        self.scope = IMAGES  # the layer that nodes are named after
        self._names = {IMAGES, *program.outputs}
        self._small: dict[tuple[Any, ...], str] = {}
        self.values = dict.fromkeys(program.inputs, self._take_in())

    # --- nodes and constants ---

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of what it computes."""
        return self._add(kind, inputs, 1, attributes)[0]

    def add_pair(self, kind: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """A node that computes two things."""
        first, second = self._add(kind, inputs, 2, attributes)
        return first, second

    def _add(self, kind: str, inputs: Sequence[str], outputs: int, attributes: Mapping[str, Any]) -> list[str]:
        names = [self._fresh(f'{self.scope}/{kind}') for _ in range(outputs)]
        self.nodes.append(onnx.helper.make_node(kind, inputs, names, names[0], **attributes))
        return names

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        array = np.ascontiguousarray(array, dtype) if np.ndim(array) else np.asarray(array, dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= SMALL else (len(self.constants),)
        if key not in self._small:
            self._small[key] = self._fresh(f'{self.scope}/constant')
            self.constants.append(onnx.numpy_helper.from_array(array, self._small[key]))
        return self._small[key]

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def gather(self, array: np.ndarray, index: str | None, axis: int = 0) -> str:
        """A constant, or its entries at `index`."""
        constant = self.constant(array)
        return constant if index is None else self.add('Gather', constant, index, axis=axis)

    def reshape(self, source: str, *dims: int) -> str:
        return self.add('Reshape', source, self.integers(*dims))

    def batched(self, source: str, *dims: int) -> str:
        """A reshape of each image by itself."""
        return self.reshape(source, self.batch or -1, *dims)

    def per_channel(self, vector: str, rank: int) -> str:
        """[k] as it multiplies a value with so many dims."""
        return vector if rank == 1 else self.reshape(vector, -1, *[1] * (rank - 1))

    def _fresh(self, name: str) -> str:
        """`name`, or with a number if it is taken."""
        number, tried = 1, name
        while tried in self._names:
            number, tried = number + 1, f'{name}.{number}'
        self._names.add(tried)
        return tried

    # --- values ---

    def source(self, operation: Any) -> str:
        return self.values[operation.source]

    def sources(self, operation: Any) -> list[str]:
        return [self.values[source] for source in operation.sources]

    def dims(self, name: str) -> tuple[int, ...]:
        return self.program.values[name].dims

    def index(self, name: str) -> str | None:
        """The index of a value; None if it has all channels."""
        index = self.program.values[name].index
        return None if index is None else self.indices[index]

    def channels_first(self, source: str, dims: Sequence[int]) -> str:
        """[N, ..., C] to [N, C, ...]."""
        return self._moved(source, dims, (dims[-1], *dims[:-1]), [0, len(dims), *range(1, len(dims))])

    def channels_last(self, source: str, dims: Sequence[int]) -> str:
        """[N, C, ...] to [N, ..., C]."""
        return self._moved(source, dims, dims, [0, *range(2, len(dims) + 1), 1])

    def _moved(self, source: str, dims: Sequence[int], after: Sequence[int], order: list[int]) -> str:
        if len(dims) == 1:
            return source
        if 1 in (dims[-1], math.prod(dims[:-1])):  # the same numbers in the same order
            return self.batched(source, *after)
        return self.add('Transpose', source, perm=order)

    # --- the ends ---

    def _take_in(self) -> str:
        """The images as the program reads them, channels first."""
        source = IMAGES
        if self.images is not None:
            source = self.images.prepare(self, self.add('Cast', source, to=onnx.TensorProto.FLOAT), self.images.dims)
        return self.channels_first(source, self.dims(self.program.inputs[0]))

    def model(self, name: str, counts: bool) -> Any:
        """The onnx.ModelProto of what was written."""
        helper, kinds = onnx.helper, onnx.TensorProto
        batch = self.batch or 'N'
        kind, dims = (kinds.UINT8, self.images.dims) if self.images else (kinds.FLOAT, self.dims(self.program.inputs[0]))
        images = helper.make_tensor_value_info(IMAGES, kind, [batch, *dims])
        outputs = []
        for output in self.program.outputs:
            dims = self.dims(output)
            value = self.channels_last(self.values[output], dims)
            outputs.append(self._put_out(value, helper.make_tensor_value_info(output, kinds.FLOAT, [batch, *dims])))
        for layer in self.masks if counts else ():
            info = helper.make_tensor_value_info(f'{layer}{ACTIVE}', kinds.INT64, [1])
            outputs.append(self._put_out(self._active(layer), info))
        graph = helper.make_graph(self.nodes, name, [images], outputs, self.constants)
        opset = helper.make_opsetid('', OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=FORMAT, producer_name='mayo')

    def _active(self, layer: str) -> str:
        """How many channels won, int64 [1]."""
        mask = self.masks[layer]
        if mask is None:
            return self.integers(self.dims(layer)[-1])
        return self.add('ReduceSum', self.add('Cast', mask, to=onnx.TensorProto.INT64), self.integers(0), keepdims=1)

    def _put_out(self, value: str, info: Any) -> Any:
        self.nodes.append(onnx.helper.make_node('Identity', [value], [info.name], info.name))
        return info


# --- functions ---


def function(writer: Writer, source: str, name: Function | None) -> str:
    """function(source), the channels at axis 1."""
    if name is None:
        return source
    return functions[name.name](writer, source, **{**KNOWN[f'keras.activations.{name.name}'], **name.arguments})


def passes_scale(name: Function | None) -> bool:
    """Whether function(a x) = a function(x) for a >= 0."""
    return name is None or name.name == 'leaky_relu' or (name.name == 'relu' and not name.arguments)


def _node(kind: str, **fixed: Any) -> Callable[..., str]:
    """A function that is one node, whose attributes are `fixed`, besides what YAML says."""
    return lambda writer, x, **given: writer.add(kind, x, **fixed, **{name: float(value) for name, value in given.items()})


def _relu(writer: Writer, x: str, negative_slope: float, max_value: float | None, threshold: float) -> str:
    """As Keras: x where x > threshold, clipped to 0 ... max_value if there is one; negative_slope (x - threshold) elsewhere."""
    if max_value is None and threshold == 0:
        return writer.add('LeakyRelu', x, alpha=float(negative_slope)) if negative_slope else writer.add('Relu', x)
    limit, low = writer.constant(threshold), writer.constant(0)
    high = x if max_value is None else writer.add('Clip', x, writer.constant(0), writer.constant(max_value))
    if negative_slope:
        low = writer.add('Mul', writer.add('Sub', x, limit), writer.constant(negative_slope))
    return writer.add('Where', writer.add('Greater', x, limit), high, low)


def _gelu(writer: Writer, x: str, approximate: bool) -> str:
    """x / 2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf."""
    if approximate:
        cubed = writer.add('Mul', writer.add('Mul', x, x), writer.add('Mul', x, writer.constant(0.044715)))
        inner = writer.add('Mul', writer.add('Add', x, cubed), writer.constant(math.sqrt(2 / math.pi)))
        bent = writer.add('Tanh', inner)
    else:
        bent = writer.add('Erf', writer.add('Mul', x, writer.constant(math.sqrt(0.5))))
    return writer.add('Mul', writer.add('Mul', x, writer.constant(0.5)), writer.add('Add', bent, writer.constant(1)))


def _softmax(writer: Writer, x: str, axis: int) -> str:
    return writer.add('Softmax', x, axis=1)


functions: Mapping[str, Callable[..., str]] = {
    'relu': _relu,
    'relu6': lambda writer, x: writer.add('Clip', x, writer.constant(0), writer.constant(6)),
    'leaky_relu': lambda writer, x, negative_slope: writer.add('LeakyRelu', x, alpha=float(negative_slope)),
    'elu': _node('Elu'),
    'selu': _node('Selu'),
    'gelu': _gelu,
    'sigmoid': _node('Sigmoid'),
    'hard_sigmoid': _node('HardSigmoid', alpha=1 / 6, beta=0.5),
    'tanh': _node('Tanh'),
    'silu': lambda writer, x: writer.add('Mul', x, writer.add('Sigmoid', x)),
    'hard_silu': _node('HardSwish'),
    'softplus': _node('Softplus'),
    'softsign': _node('Softsign'),
    'softmax': _softmax,
}


# --- what several emitters write ---


def affine(writer: Writer, source: str, layer: ops.Affine, index: str | None, share: float = 1) -> str:
    """source share weights + bias; of the weights, the rows at `index`."""
    weights = layer.weights if share == 1 else layer.weights * np.float32(share)
    return writer.add('Gemm', source, writer.gather(weights, index), writer.constant(layer.bias))


def pads(sides: ops.Pads) -> list[int]:
    """All that come before, then all that come after."""
    return [before for before, _ in sides] + [after for _, after in sides]
