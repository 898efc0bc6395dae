"""What each layer costs: shapes, parameters, multiply-accumulates (MACs), memory; by the walk that builds the network.

`dense`: nothing skipped, no gate. `macs`: the accounting behind the published figures, where only a layer directly
after a gated one sees its sparsity. `executed`: what the compact network computes, with sparsity carried through
everything that keeps a zero channel zero. With k' of C' input channels active, k of C output channels, d = k / C,
output H x W, kernel K x K:

    macs     = int(dense d_in d_out) + int(C' d_in) C + H W C       of a gated layer; of another int(dense d_in)
    executed = H W K K k' k + k' C + H W k                          of a gated layer; of another H W K K k' C

The second term is the saliency (GateParams.gate_macs for other gates than the plain one), the third the scaling by it,
which `executed` leaves out for a policy that scales nothing (naive, select): execution has no use for multiplying by a mask.

Where compact execution gives a layer all channels of its input (mayo.layers.travel.reads_all: a convolution in groups),
k' = C' in the first term of `executed`. Where a shift has made constants of the other channels, k' = C', too, unless the layer
takes constants (Mixed.takes_constants): they are part of its bias. Its lowering asks the same values. An engine may compute more: TensorFlow and ONNX Runtime have no way
to leave out output channels of a convolution in groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayo.layers import GateParams, Shape, parameters
from mayo.layers.travel import Active, Flow, flow_after, read_of, reads_all
from mayo.net.graph import Graph, Node
from mayo.util.errors import UserError
from mayo.util.format import count
from mayo.util.lazy import lazy

numpy = lazy('numpy')
NUMBER_BYTES = 4  # float32


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one layer, for one image. With counts measured by `eval`, what is sparse is a mean over its images."""

    name: str
    type: str
    source: Shape  # of its first input
    shape: Shape  # of its output
    trainable: int  # parameters that training changes, the gate's included
    state: int  # and others: running statistics, frozen parameters
    gate_parameters: int  # of either kind, those of the gate
    dense: int
    macs: int
    executed: int
    gate_macs: int  # of `executed`, those that the gate adds
    density: float | None  # active channels / channels of a gated layer; None for another
    activation_bytes: int  # of its output
    weight_bytes: int  # of all its parameters


@dataclass(frozen=True)
class _Value:
    """What a layer passes on: the channels that it holds, and those that the published accounting counts."""

    shape: Shape
    flow: Flow
    published: Active
    cost: Cost | None = None
    executed: Active = 0  # of the layer that it comes from

    @property
    def active(self) -> Active:
        return self.flow.active(self.shape.channels)


@dataclass(frozen=True)
class Spread:
    """Of a number that differs from image to image: its mean, and what it is below for 5 % and for 95 % of the images."""

    mean: int
    p5: int
    p95: int

    @property
    def is_wide(self) -> bool:
        """Whether images differ at all, but for a few."""
        return self.p5 < self.p95

    def __str__(self) -> str:
        return f'mean {count(self.mean)}, p5 {count(self.p5)}, p95 {count(self.p95)}'


def estimate(graph: Graph, input_shape: Shape, counts: Mapping[str, Any] | None = None) -> list[Cost]:
    """The cost of every layer of `graph`, in its order.

    counts: {gated layer: array [images] of its active channels}, from `eval`; without it k = ceil(density C).
    Errors: UserError, with the place in the YAML, for a layer whose inputs do not fit.
    """
    return [cost for value in _values(graph, input_shape, counts or {}) if (cost := value.cost)]


def executed_spread(graph: Graph, input_shape: Shape, counts: Mapping[str, Any]) -> Spread:
    """Executed MACs of the whole network over the images of `counts`, which are those of `estimate`."""
    total = executed_each(graph, input_shape, counts)
    return Spread(round(total.mean()), *(round(numpy.percentile(total, part)) for part in (5, 95)))


def executed_each(graph: Graph, input_shape: Shape, counts: Mapping[str, Any]) -> Any:
    """Executed MACs of the whole network for each image of `counts`: an array [images]."""
    return numpy.asarray(sum(value.executed for value in _values(graph, input_shape, counts)), float)


def active_channels(graph: Graph, input_shape: Shape, counts: Mapping[str, Any]) -> dict[str, tuple[Active, Active]]:
    """Of every layer, how many channels that may be non-zero it reads, of all its inputs, and puts out. counts: as `estimate`."""
    values = {node.name: value for node, value in zip(graph.nodes, _values(graph, input_shape, counts), strict=True)}
    active = {name: value.active for name, value in values.items()} | dict.fromkeys(graph.inputs, input_shape.channels)
    return {node.name: (sum(active[name] for name in node.inputs), active[node.name]) for node in graph.nodes}


def _values(graph: Graph, input_shape: Shape, counts: Mapping[str, Any]) -> list[_Value]:
    """What each layer passes on, in the graph's order."""
    start = {name: _Value(input_shape, Flow(input_shape.channels), input_shape.channels) for name in graph.inputs}
    values = graph.walk(start, lambda node, inputs: _visit(node, inputs, counts))
    return [values[node.name] for node in graph.nodes]


def shapes(graph: Graph, input_shape: Shape) -> dict[str, Shape]:
    """The output shape of every layer, and of the inputs, by name. Errors: as `estimate`."""
    start = dict.fromkeys(graph.inputs, input_shape)
    return graph.walk(start, output_of)


def output_of(node: Node, sources: Sequence[Shape]) -> Shape:
    """The shape of a node's output. Errors: UserError, with the place in the YAML, for inputs that do not fit."""
    try:
        return node.params.output(sources)
    except UserError as error:
        raise UserError(f'{node}: {error}') from None


def _visit(node: Node, inputs: list[_Value], counts: Mapping[str, Any]) -> _Value:
    layer, read, sources = node.params, inputs[0], [value.shape for value in inputs]
    shape = output_of(node, sources)
    dense = layer.macs(sources)
    if layer.gate:
        active = counts.get(node.name, layer.gate.kept(shape.channels))
        return _gated(node, read, shape, layer.gate, active)
    flow = flow_after(layer.travel, [value.flow for value in inputs], sources, shape)
    macs = dense * (read.published / read.shape.channels) // 1
    executed = dense * read_of(layer.travel, read.flow, read.shape.channels) // read.shape.channels
    return _Value(shape, flow, shape.channels, _cost(node, sources[0], shape, dense, macs, executed), executed)


def _gated(node: Node, read: _Value, shape: Shape, gate: GateParams, active: Active) -> _Value:
    """A gated layer, of whose output channels `active` are computed."""
    source, dense = read.shape, node.params.macs([read.shape])
    density = active / shape.channels
    macs = (
        dense * (read.published / source.channels) * density // 1
        + gate.gate_macs(read.published // 1, shape.channels, shape.height)
        + shape.positions * shape.channels
    )
    inputs = read_of(node.params.travel, read.flow, source.channels)
    summed = read.active if reads_all(node.params.travel) else inputs
    scaling = shape.positions * active if gate.scales else 0
    gate_macs = gate.gate_macs(summed, shape.channels, shape.height) + scaling
    executed = dense * inputs * active // (source.channels * shape.channels) + gate_macs
    return _Value(shape, Flow(active), active, _cost(node, source, shape, dense, macs, executed, gate_macs, density), executed)


def _cost(
    node: Node,
    source: Shape,
    shape: Shape,
    dense: int,
    macs: Active,
    executed: Active,
    gate_macs: Active = 0,
    density: Any = None,
) -> Cost:
    layer = node.params
    trainable, state = parameters(layer, source.channels)
    gate = layer.gate.tensors(source.channels, shape.channels) if layer.gate else ()
    return Cost(
        name=node.name,
        type=node.type,
        source=source,
        shape=shape,
        trainable=trainable,
        state=state,
        gate_parameters=sum(tensor.size for tensor in gate),
        dense=dense,
        macs=round(_mean(macs)),
        executed=round(_mean(executed)),
        gate_macs=round(_mean(gate_macs)),
        density=None if density is None else float(_mean(density)),
        activation_bytes=NUMBER_BYTES * shape.size,
        weight_bytes=NUMBER_BYTES * (trainable + state),
    )


def _mean(number: Active) -> Any:
    """A number as it is; an array [images] as its mean."""
    return number.mean() if hasattr(number, 'mean') else number
