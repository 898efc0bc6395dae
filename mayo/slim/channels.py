"""Which channels go together, and how much each matters: one walk over the graph that carries sets of channels.

A channel that one layer makes travels on (mayo.layers.travel) through layers that treat channels apart (pooling, activation, a
depthwise convolution), meets others (`add` and `mul` tie the channels that they combine; `concat` puts them side by side), and is
read, at last, by a layer that mixes channels (a convolution, say). All that stays tied is one *set*: it is kept whole or
dropped whole. With gamma the scales of batch norm, a channel's scale s along the way is

    s = |gamma|         after a convolution or fully connected layer; infinite where no norm scales it
    s = min(s, |gamma|) after a depthwise convolution or a batch norm: a chain is as strong as its weakest link
    s = max(s1, s2)     of a sum: either input may matter
    s = min(s1, s2)     of a product

and the scale of a set, by which it is chosen, is the largest with which anything reads it. The inputs of the network, what its outputs
or a layer over several channels reads (softmax, groups), and what a convolution in groups makes are infinite, whatever scales them
on the way: they stay.

In a gated network the scale of a channel is its *use*, the share of images for which its gate picks it: 0 of one that never
wins, 1 of one that always does. Layers without a gate have none, so what they make is infinite.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from mayo.layers import Shape
from mayo.layers.base import Weighted
from mayo.layers.travel import Apart, Joined, Mixed, Padded, Tied, Whole
from mayo.net.graph import Graph, Node
from mayo.util.errors import UserError

GAMMA = '/BatchNorm/gamma'


@dataclass(frozen=True)
class Channels:
    """Of a network: the set of each channel [C] of each value by name, and the scale of each set.

    counted: for each set, how many scales of batch norm, or uses, are in it. layers: those with weights, in order.
    """

    sets: Mapping[str, np.ndarray]
    scale: np.ndarray
    counted: np.ndarray
    layers: tuple[str, ...]

    @property
    def can_go(self) -> np.ndarray:
        """Whether each set may be dropped, [sets]."""
        return np.isfinite(self.scale)


@dataclass(frozen=True)
class _Value:
    """What travels: the set of each channel, and its scale so far, both [C]."""

    sets: np.ndarray
    scale: np.ndarray


def channels_of(
    graph: Graph, shapes: Mapping[str, Shape], tensors: Mapping[str, np.ndarray], uses: Mapping[str, np.ndarray] | None = None
) -> Channels:
    """The sets of channels of `graph`.

    shapes: of every value (mayo.estimate.shapes). tensors: the weights by name, 'conv0/BatchNorm/gamma'.
    uses: of a gated network, the use [C] of each gated layer by name; the scales of batch norm then count no more.
    Errors: UserError where there is nothing to choose by.
    """
    scales = (
        {name: np.abs(value) for name, value in uses.items()}
        if uses
        else {
            name.removesuffix(GAMMA): np.abs(tensor).astype(np.float64)
            for name, tensor in tensors.items()
            if name.endswith(GAMMA)
        }
    )
    walk = _Walk(shapes, scales)
    start = {name: walk.fresh(shapes[name].channels, None) for name in graph.inputs}
    for value in start.values():
        walk.read(value, pinned=True)
    values = graph.walk(start, walk.visit)
    for name in graph.outputs:
        walk.read(values[name], pinned=True)
    channels = walk.channels(graph, {name: value.sets for name, value in values.items()})
    if not channels.can_go.any():
        raise UserError(
            'this network has no batch norm with a scale (gamma) whose channels could be dropped; slimming '
            'chooses by that. Expected e.g. models/cifarnet.yaml, or models/vgg16_bn.yaml instead of vgg16.'
        )
    return channels


class _Walk:
    """The sets, tied as the walk goes, and who read which with what scale."""

    def __init__(self, shapes: Mapping[str, Shape], scales: Mapping[str, np.ndarray]) -> None:
        """scales: those that layers give their channels, [C], by the layers' names."""
        self.shapes, self.scales = shapes, scales
        self._parents: list[int] = []  # of each set: one that it is tied to, or itself
        self._reads: list[tuple[np.ndarray, np.ndarray]] = []

    def fresh(self, count: int, scale: np.ndarray | None) -> _Value:
        """Channels that nothing had before, each a set of its own. Without a scale they stay."""
        start = len(self._parents)
        self._parents += range(start, start + count)
        return _Value(np.arange(start, start + count), np.full(count, np.inf) if scale is None else scale)

    def visit(self, node: Node, sources: list[_Value]) -> _Value:
        """What a layer passes on, as channels travel through it."""
        travel, value, own = node.params.travel, sources[0], self.scales.get(node.name)
        channels = self.shapes[node.name].channels
        match travel:
            case Apart():
                times = channels // len(value.sets)
                many = np.repeat if travel.adjacent else np.tile
                scale = many(value.scale, times)
                return _Value(many(value.sets, times), scale if own is None else np.minimum(scale, own))
            case Mixed():
                self.read(value, pinned=travel.needs_all)
                fresh = self.fresh(channels, None if travel.needs_all else own)
                if travel.needs_all:
                    self.read(fresh, pinned=True)
                return fresh
            case Whole():
                self.read(value, pinned=True)
                return value
            case Joined():
                return _side_by_side(sources)
            case Padded():  # zeros matter nothing
                before, after = (self.fresh(count, np.zeros(count)) for count in (travel.before, travel.after))
                return _side_by_side([before, value, after])
            case Tied():
                return self._tied(sources, channels, np.minimum if travel.product else np.maximum)
        assert_never(travel)

    def _tied(self, sources: list[_Value], channels: int, join: Any) -> _Value:
        """An input of one channel for all of them is read by all."""
        wide = [value for value in sources if len(value.sets) == channels]
        for value in sources:
            if len(value.sets) != channels:
                self.read(value, pinned=True)
        for value in wide[1:]:
            self.tie(wide[0].sets, value.sets)
        return _Value(wide[0].sets, join.reduce([value.scale for value in wide]))

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """From now on, the sets of each pair are the same."""
        for left, right in zip(first.tolist(), second.tolist(), strict=True):
            lower, higher = sorted((self._root(left), self._root(right)))
            self._parents[higher] = lower

    def read(self, value: _Value, pinned: bool = False) -> None:
        """A layer mixes these channels; pinned: it needs all of them."""
        self._reads.append((value.sets, np.full_like(value.scale, np.inf) if pinned else value.scale))

    def channels(self, graph: Graph, sets: Mapping[str, np.ndarray]) -> Channels:
        """The result, with sets numbered from 0."""
        roots = np.array([self._root(number) for number in range(len(self._parents))])
        _, number = np.unique(roots, return_inverse=True)
        scale = np.zeros(number.max() + 1)
        for read, with_scale in self._reads:
            np.maximum.at(scale, number[read], with_scale)
        numbered = {name: number[before] for name, before in sets.items()}
        counted = np.zeros(len(scale), int)
        for node in graph.nodes:
            if node.name in self.scales:
                np.add.at(counted, numbered[node.name], 1)
        layers = tuple(node.name for node in graph.nodes if isinstance(node.params, Weighted))
        return Channels(numbered, scale, counted, layers)

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number


def _side_by_side(values: list[_Value]) -> _Value:
    return _Value(np.concatenate([value.sets for value in values]), np.concatenate([value.scale for value in values]))
