"""Which channels go together, and how much each matters: one walk over the graph that carries sets of channels.

A channel that one layer makes travels on through layers that treat channels apart (pooling, activation, a depthwise
convolution), meets others (`add` and `mul` tie the channels that they combine; `concat` puts them side by side), and is
read, at last, by a layer that mixes channels (a convolution, say). All that stays tied is one *set*: it is kept whole or
dropped whole. With gamma the scales of batch norm, a channel's scale s along the way is

    s = |gamma|         after a convolution or fully connected layer; infinite where no norm scales it
    s = min(s, |gamma|) after a depthwise convolution or a batch norm: a chain is as strong as its weakest link
    s = max(s1, s2)     of a sum: either input may matter
    s = min(s1, s2)     of a product

and the scale of a set, by which it is chosen, is the largest with which anything reads it. What the network's outputs or a
layer over several channels reads (softmax, groups) is infinite: it stays.

In a gated network the scale of a channel is its *use*, the share of images for which its gate picks it: 0 of one that never
wins, 1 of one that always does. Layers without a gate have none, so what they make is infinite.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.estimate import Shape
from mayo.net.graph import Graph, Node
from mayo.util.errors import UserError
from mayo.util.registry import Registry

WEIGHTED = ('convolution', 'gated_convolution', 'depthwise_convolution', 'fully_connected', 'batch_normalization')
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
    values = graph.walk(start, lambda node, inputs: rules[node.type](walk, node, inputs))
    for name in graph.outputs:
        walk.read(values[name], pinned=True)
    found = walk.channels(graph, {name: value.sets for name, value in values.items()})
    if not found.can_go.any():
        raise UserError(
            'this network has no batch norm with a scale (gamma) whose channels could be dropped; slimming '
            'chooses by that. Expected e.g. models/cifarnet.yaml, or models/vgg16_bn.yaml instead of vgg16.'
        )
    return found


class _Walk:
    """What the rules of one walk share: the sets, tied as it goes, and who read which with what scale."""

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

    def tie(self, one: np.ndarray, other: np.ndarray) -> None:
        """From now on, the sets of each pair are the same."""
        for left, right in zip(one.tolist(), other.tolist(), strict=True):
            first, second = sorted((self._root(left), self._root(right)))
            self._parents[second] = first

    def read(self, value: _Value, pinned: bool = False) -> None:
        """A layer mixes these channels; pinned: it needs all of them."""
        self._reads.append((value.sets, np.full_like(value.scale, np.inf) if pinned else value.scale))

    def channels(self, graph: Graph, sets: Mapping[str, np.ndarray]) -> Channels:
        """The result, with sets numbered from 0."""
        roots = np.array([self._root(one) for one in range(len(self._parents))])
        _, number = np.unique(roots, return_inverse=True)
        scale = np.zeros(number.max() + 1)
        for read, with_scale in self._reads:
            np.maximum.at(scale, number[read], with_scale)
        numbered = {name: number[one] for name, one in sets.items()}
        counted = np.zeros(len(scale), int)
        for node in graph.nodes:
            if node.name in self.scales:
                np.add.at(counted, numbered[node.name], 1)
        layers = tuple(node.name for node in graph.nodes if node.type in WEIGHTED)
        return Channels(numbered, scale, counted, layers)

    def _root(self, one: int) -> int:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one


Rule = Callable[[_Walk, Node, list[_Value]], _Value]
rules: Registry[Rule] = Registry('layer type')


@rules.register('convolution')
@rules.register('gated_convolution')
@rules.register('fully_connected')
def mixed(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Reads every channel and makes new ones. Groups must stay as wide as they are."""
    in_groups = node.params.get('num_groups', 1) > 1
    walk.read(sources[0], pinned=in_groups)
    return walk.fresh(walk.shapes[node.name].channels, None if in_groups else walk.scales.get(node.name))


@rules.register('depthwise_convolution')
@rules.register('batch_normalization')
def scaled(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Each channel by itself; a depth multiplier makes several of each, which go together."""
    times = node.params.get('depth_multiplier', 1)
    sets, scale = np.repeat(sources[0].sets, times), np.repeat(sources[0].scale, times)
    own = walk.scales.get(node.name)
    return _Value(sets, scale if own is None else np.minimum(scale, own))


@rules.register('concat')
def concat(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Side by side."""
    return _Value(np.concatenate([value.sets for value in sources]), np.concatenate([value.scale for value in sources]))


@rules.register('add')
def add(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Tied; a channel matters if it does in any input."""
    return _tied(walk, node, sources, np.maximum)


@rules.register('mul')
def mul(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Tied; a channel matters if it does in every input."""
    return _tied(walk, node, sources, np.minimum)


def _tied(walk: _Walk, node: Node, sources: list[_Value], join: Any) -> _Value:
    """An input of one channel for all of them is read by all."""
    wide = [value for value in sources if len(value.sets) == walk.shapes[node.name].channels]
    for value in sources:
        if len(value.sets) != walk.shapes[node.name].channels:
            walk.read(value, pinned=True)
    for value in wide[1:]:
        walk.tie(wide[0].sets, value.sets)
    return _Value(wide[0].sets, join.reduce([value.scale for value in wide]))


@rules.register('flatten')
@rules.register('space_to_depth')
def repeated(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Positions become channels: all channels of one position, then all of the next."""
    times = walk.shapes[node.name].channels // len(sources[0].sets)
    return _Value(np.tile(sources[0].sets, times), np.tile(sources[0].scale, times))


@rules.register('pad')
def pad(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Channels of zeros on either side are new, and matter nothing."""
    before, after = (walk.fresh(count, np.zeros(count)) for count in node.params['channels'])
    return concat(walk, node, [before, sources[0], after])


@rules.register('reduce_mean')
def reduce_mean(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """A mean over the channels divides by their number, so that all stay."""
    last = len(walk.shapes[node.inputs[0]].dims)
    if not {last, -1} & set(node.params['axis']):
        return sources[0]
    walk.read(sources[0], pinned=True)
    return walk.fresh(1, None)


@rules.register('softmax')
@rules.register('local_response_normalization')
def pinned(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Looks at several channels for each: all stay."""
    walk.read(sources[0], pinned=True)
    return sources[0]


@rules.register('average_pool')
@rules.register('max_pool')
@rules.register('activation')
@rules.register('dropout')
@rules.register('identity')
@rules.register('squeeze')
@rules.register('crop')
def passed(walk: _Walk, node: Node, sources: list[_Value]) -> _Value:
    """Each channel by itself, or none at all."""
    return sources[0]
