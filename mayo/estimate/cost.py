"""What each layer costs: shapes, parameters, multiply-accumulates (MACs), memory; by the walk that builds the network.

`dense`: nothing skipped, no gate. `macs`: the accounting behind the published figures, where only a layer directly
after a gated one sees its sparsity. `executed`: what the compact network computes, with sparsity carried through
everything that keeps a zero channel zero. With k' of C' input channels active, k of C output channels, d = k / C,
output H x W, kernel K x K:

    macs     = int(dense d_in d_out) + int(C' d_in) C + H W C       of a gated layer; of another int(dense d_in)
    executed = H W K K k' k + k' C + H W k                          of a gated layer; of another H W K K k' C

The second term is the saliency (GateParams.gate_macs for other gates than the plain one), the third the scaling by
it, which `executed` leaves out for the naive policy: execution has no use for multiplying by a mask.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mayo.estimate.density import Count
from mayo.estimate.gate import GateParams
from mayo.estimate.rules import Layer, measure
from mayo.estimate.shape import Shape
from mayo.util.errors import UserError

NUMBER_BYTES = 4  # float32


class Graph(Protocol):
    """What walks its nodes in topological order; mayo.net.Graph is one, its nodes completed by `complete`."""

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Each with name, type and params, and a text that says where it is."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Their names."""

    def walk(self, start: Mapping[str, Any], visit: Callable[[Any, list[Any]], Any]) -> dict[str, Any]:
        """The value of each node and input, from those of its inputs."""


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
    """What a layer passes on: channels that may be non-zero, and those that the published accounting counts."""

    shape: Shape
    active: Count
    published: Count
    cost: Cost | None = None


def estimate(graph: Graph, input_shape: Shape, counts: Mapping[str, Any] | None = None) -> list[Cost]:
    """The cost of every layer of `graph`, in its order.

    counts: {gated layer: array [images] of its active channels}, from `eval`; without it k = ceil(density C).
    Errors: UserError, with the place in the YAML, for a layer whose inputs do not fit.
    """
    start = {name: _Value(input_shape, input_shape.channels, input_shape.channels) for name in graph.inputs}
    values = graph.walk(start, lambda node, inputs: _visit(node, inputs, counts or {}))
    return [values[node.name].cost for node in graph.nodes]


def shapes(graph: Graph, input_shape: Shape) -> dict[str, Shape]:
    """The output shape of every layer, and of the inputs, by name. Errors: as `estimate`."""
    start = dict.fromkeys(graph.inputs, input_shape)
    return graph.walk(start, lambda node, sources: _measured(node, sources).shape)


def _measured(node: Any, sources: list[Shape]) -> Layer:
    try:
        return measure(node.type, sources, node.params)
    except UserError as error:
        raise UserError(f'{node}: {error}') from None


def _visit(node: Any, inputs: list[_Value], counts: Mapping[str, Any]) -> _Value:
    sources = [value.shape for value in inputs]
    layer = _measured(node, sources)
    if layer.gate:
        kept = counts.get(node.name, layer.gate.kept(layer.shape.channels))
        return _gated(node, inputs[0], layer, layer.gate, kept)
    macs, executed = 0, 0
    if layer.dense:
        read = inputs[0]
        macs = layer.dense * (read.published / read.shape.channels) // 1
        executed = layer.dense * read.active // read.shape.channels
    active = layer.flow([value.active for value in inputs], sources, layer.shape)
    return _Value(layer.shape, active, layer.shape.channels, _cost(node, sources[0], layer, macs, executed))


def _gated(node: Any, read: _Value, layer: Layer, gate: GateParams, active: Count) -> _Value:
    """A gated layer, of whose output channels `active` are computed."""
    source, shape = read.shape, layer.shape
    positions = shape.height * shape.width
    density = active / shape.channels
    macs = (
        layer.dense * (read.published / source.channels) * density // 1
        + gate.gate_macs(read.published // 1, shape.channels, shape.height)
        + positions * shape.channels
    )
    scaling = 0 if gate.policy == 'naive' else positions * active
    gate_macs = gate.gate_macs(read.active, shape.channels, shape.height) + scaling
    executed = layer.dense * read.active * active // (source.channels * shape.channels) + gate_macs
    cost = _cost(node, source, layer, macs, executed, gate_macs, density)
    return _Value(shape, active, active, cost)


def _cost(
    node: Any, source: Shape, layer: Layer, macs: Count, executed: Count, gate_macs: Count = 0, density: Any = None
) -> Cost:
    shape = layer.shape
    return Cost(
        name=node.name,
        type=node.type,
        source=source,
        shape=shape,
        trainable=layer.trainable,
        state=layer.state,
        gate_parameters=layer.gate.gate_weights(source.channels, shape.channels) if layer.gate else 0,
        dense=layer.dense,
        macs=round(_mean(macs)),
        executed=round(_mean(executed)),
        gate_macs=round(_mean(gate_macs)),
        density=None if density is None else float(_mean(density)),
        activation_bytes=NUMBER_BYTES * shape.size,
        weight_bytes=NUMBER_BYTES * (layer.trainable + layer.state),
    )


def _mean(count: Count) -> Any:
    """A number as it is; an array [images] as its mean."""
    return count.mean() if hasattr(count, 'mean') else count
