"""What magnitudes the values of a network have, and which arguments of quantizers suit them.

    top = mean over batches of the p-th percentile of |v|        v: weights, biases, activations, gradients, of each layer
    point, exponent_bias, mantissa_width                          of each quantizer: mayo.override, `profiled`

The network trains without its overriders up to epoch `start`; then, up to `end`, some batches are looked at, at equal distances.
What is found is written as an overlay, in which dynamic fixed point becomes fixed point at the point that was found.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.config.overlay import layers, overlay
from mayo.layers.linear import Linear
from mayo.net.graph import Graph, Node
from mayo.net.tf.loss import cross_entropy
from mayo.override import Around, Overrider, of_layer
from mayo.override.base import Array, State, Tensor
from mayo.override.chain import ChainOverrider
from mayo.override.parse import ACTIVATION, ERROR, GRADIENT, KEY, LINEAR
from mayo.override.parse import overlay as layer_overlay
from mayo.session import data
from mayo.session.base import Session
from mayo.session.spec import model_graph
from mayo.training.profiled import MARK, Asked, Plan
from mayo.training.trainer import Trainer
from mayo.util.errors import RunError
from mayo.util.files import require_ours, shown, whole_file
from mayo.util.format import percent, table
from mayo.util.progress import Progress

SAMPLE = 4096  # values of a batch that are kept, at most, by which errors are computed


@dataclass
class Seen:
    """What was seen of one value of a layer. tops: the percentiles of the batches, by percentage."""

    count: int = 0
    mean: float = 0.0
    most: float = 0.0
    tops: dict[float, float] = field(default_factory=dict)
    sample: list[np.ndarray] = field(default_factory=list)

    def add(self, value: Array, percentages: Collection[float]) -> None:
        """Let another batch's value count."""
        size = np.abs(value, dtype=np.float64).ravel()
        own = np.percentile(size, list(percentages))
        self.mean += (float(size.mean()) - self.mean) / (self.count + 1)
        self.most = max(self.most, float(size.max()))
        for percentage, top in zip(percentages, own, strict=True):
            before = self.tops.get(percentage, 0.0)
            self.tops[percentage] = before + (float(top) - before) / (self.count + 1)
        flat = np.ravel(value)
        self.sample.append(flat[:: -(-flat.size // SAMPLE) | 1])  # an odd step, which meets every channel
        self.count += 1

    @property
    def values(self) -> np.ndarray:
        """Some of the values of all batches."""
        return np.concatenate(self.sample).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Watch(Overrider):
    """Leaves the value as it is, and lets `see` look at it when overriders are updated."""

    see: Callable[[Array], None]

    def apply(self, value: Tensor, state: State) -> Tensor:
        return tf.identity(value)

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        self.see(value)
        return {}


@dataclass(frozen=True)
class Suited:
    """A quantizer of a value with the arguments that suit it."""

    layer: str
    target: str
    seen: Seen
    top: float
    after: Overrider

    def row(self) -> list[str]:
        """Of the table."""
        quantizer = next(inner for inner in _with_inner(self.after) if inner.profiles)
        arguments = ', '.join(f'{name} {getattr(quantizer, name)}' for name in ('width', *quantizer.profiles))
        sizes = (f'{value:.4g}' for value in (self.seen.mean, self.top, self.seen.most))
        return [self.layer, self.target, *sizes, quantizer.name, arguments, percent(error(quantizer, self.seen.values))]


HEADER = ['layer', 'value', 'mean', 'top', 'maximum', 'quantizer', 'arguments', 'error']


def error(overrider: Overrider, values: np.ndarray) -> float:
    """Root of the mean square of f(v) - v, by that of v."""
    size = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
    overridden = overrider.overridden(tf.constant(values), overrider.initial(values.shape)).numpy()
    return float(np.sqrt(np.mean(np.square(overridden - values, dtype=np.float64)))) / size if size else 0.0


def profile(session: Session, plan: Plan) -> str:
    """Look at the values, write the overlay; the table of what was seen and found."""
    require_ours(plan.path, MARK, 'profile', 'profile.path')
    session.load(fresh=plan.end > 0)
    seen = _watched(session, plan)
    if plan.saves:
        session.save(f'{session.model_name}_profiled')
    rows, chains = _suited_of_all(session.graph, seen, plan.asked)
    if not rows:
        raise RunError(
            'profile: no quantizer of the network has arguments that a profile finds; docs/overriders.md says which have.'
        )
    _write(session, plan, chains)
    return '\n'.join([table(HEADER, [entry.row() for entry in rows], left=2), f'written: {shown(plan.path)}'])


# ---- looking


def _watched(session: Session, plan: Plan) -> dict[tuple[str, str], Seen]:
    """What is seen of each value: (layer, target). The session's network has the weights at the end of it."""
    seen: dict[tuple[str, str], Seen] = {}

    def see(layer: str, target: str, value: Array) -> None:
        percentages = sorted({asked.percentile(target) for asked in plan.asked.values()})
        seen.setdefault((layer, target), Seen()).add(value, percentages)

    watching = session.sibling(session.config)
    watching.__dict__['graph'] = _with_watches(session.graph, see)
    network = watching.network
    variables = network.named_variables()
    own = session.network.named_variables()
    _copy(own, variables)
    size, every = (session.config.get(f'system.{key}') for key in ('batch_size', 'log.every_seconds'))
    with Progress('profile', plan.samples * size, every_seconds=every) as progress:
        for number, (images, labels) in enumerate(_batches(watching, plan), 1):
            _look(watching, images, labels, see)
            if progress.due():
                progress.show(number * size)
    _copy(variables, own)
    session.images_seen = watching.images_seen or session.images_seen
    return seen


def _copy(source: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    for name in source.keys() & target.keys():
        target[name].assign(source[name])


def _with_watches(graph: Graph, see: Callable[[str, str, Array], None]) -> Graph:
    """The graph without its overriders, in which activations and errors of layers with weights are seen."""

    def changed(node: Node) -> Node:
        if not isinstance(node.params, Linear):
            return replace(node, overriders={})
        watches = {
            target: _Watch(see=lambda value, target=target: see(node.name, target, value))  # type: ignore[misc]
            for target in (ACTIVATION, f'{GRADIENT}/{ERROR}')
        }
        return replace(
            node, overriders={KEY: {ACTIVATION: watches[ACTIVATION], GRADIENT: {ERROR: watches[f'{GRADIENT}/{ERROR}']}}}
        )

    return replace(graph, nodes=tuple(map(changed, graph.nodes)))


def _batches(session: Session, plan: Plan) -> Iterator[tuple[Any, Any]]:
    """The batches that are looked at, while the network trains between them."""
    if not plan.end:
        source = data.data_of(session.config, 'train')
        with source.reading():
            yield from data.epoch_of(session.config, 'train', data=source).repeat().take(plan.samples)
        return
    config = session.config.copy()
    if config.get('train.max_epochs') is None:
        config.merge_values({'train': {'max_epochs': plan.end}}, '`profile`')
        session.config = config
    trainer = Trainer(session)
    first, last = (round(epoch * trainer.steps_per_epoch) for epoch in (plan.start, plan.end))
    looks = {first + round(index * (last - first) / plan.samples) for index in range(plan.samples)}
    with trainer.data.reading():
        for step, (images, labels) in enumerate(trainer.endless_batches()):
            if step in looks:
                yield images, labels
            if step >= last:
                break
            trainer.step(images, labels, trainer.rate(step / trainer.steps_per_epoch))
    if int(trainer.step.bad_step.numpy()) >= 0:
        raise RunError('profile: the loss is not finite; a lower learning rate may help.')
    session.images_seen += last * trainer.batch_size


def _look(session: Session, images: Any, labels: Any, see: Callable[[str, str, Array], None]) -> None:
    """See the variables and their gradients here; activations and errors are seen by the watches."""
    network = session.network
    variables = {
        (node.name, target): variable
        for node in session.graph
        if isinstance(node.params, Linear)
        for target in LINEAR
        if (variable := network.named_variables().get(f'{node.name}/{target}')) is not None
    }

    def run() -> None:
        with tf.GradientTape() as tape:
            outputs, stats = network(images, training=False)
            loss = tf.reduce_mean(cross_entropy(outputs, labels, network.is_probability)) + network.regularization(stats)
        gradients = tape.gradient(loss, [variable.value for variable in variables.values()])
        for (layer, target), gradient in zip(variables, gradients, strict=True):
            if gradient is not None:
                see(layer, f'{GRADIENT}/{target}', tf.convert_to_tensor(gradient).numpy())

    for (layer, target), variable in variables.items():
        see(layer, target, variable.numpy())
    network.update_overriders(run)


# ---- what follows from it


def _suited_of_all(
    graph: Graph, seen: Mapping[tuple[str, str], Seen], asked: Mapping[str, Asked]
) -> tuple[list[Suited], dict[str, dict[str, Overrider]]]:
    """The quantizers that were found, and all chains of each layer of which some are among them."""
    rows: list[Suited] = []
    chains: dict[str, dict[str, Overrider]] = {}
    is_overridden = any(of_layer(node.overriders, str(node)) for node in graph)
    for node in graph:
        if is_overridden:
            own = of_layer(node.overriders, str(node))
            tries = [(target, member) for target, chain in own.items() for member in chain.members()]
        else:
            targets = [target for layer, target in seen if layer == node.name and not target.startswith(GRADIENT)]
            tries = [(target, asked[name].start()) for target in targets for name in asked]
        changes: dict[tuple[str, int], Overrider] = {}
        for target, member in tries:
            entry = _suited(node.name, target, member, seen, asked)
            if entry is not None:
                rows.append(entry)
                changes[target, id(member)] = entry.after
        if is_overridden and changes:
            chains[node.name] = {
                target: _rechained(chain, [changes.get((target, id(member)), member) for member in chain.members()])
                for target, chain in own.items()
                if (node.name, target) in seen or target not in LINEAR
            }
        elif changes:
            chains[node.name] = {}
            for target, member in tries:
                chains[node.name].setdefault(target, changes[target, id(member)])
    return rows, chains


def _suited(
    layer: str, target: str, member: Overrider, seen: Mapping[tuple[str, str], Seen], asked: Mapping[str, Asked]
) -> Suited | None:
    """The member with the arguments that suit it; None if it has none to find, or is not asked for."""
    quantizer = next((inner for inner in _with_inner(member) if inner.profiles and inner.name in asked), None)
    value = seen.get((layer, target))
    if quantizer is None or value is None:
        return None
    own = asked[quantizer.name]
    top = value.tops[own.percentile(target)]
    return Suited(layer, target, value, top, member.profiled(top, value.values, own.targets))


def _with_inner(member: Overrider) -> Iterator[Overrider]:
    yield member
    for inner in member.inner():
        yield from _with_inner(inner.overrider)


def _rechained(chain: Overrider, members: Sequence[Overrider]) -> Overrider:
    return replace(chain, chain=tuple(members)) if isinstance(chain, ChainOverrider) else members[0]


def _write(session: Session, plan: Plan, chains: Mapping[str, Mapping[str, Overrider]]) -> None:
    """The overlay, after it is seen to make the chains of the model. RunError where the model's YAML does not let it."""
    load = session.config.get('system.checkpoint.load') or 'NAME'
    comments = [
        f'{MARK} for {session.model_name} on {session.config.get("dataset.name")}, from {plan.samples} batches of training images.',
        f'  ./my MODEL.yaml DATASET.yaml {shown(plan.path)} system.checkpoint.load={load} eval info',
    ]
    settings = {node.name: node.overriders for node in session.graph}
    text = overlay(layers({name: layer_overlay(settings[name], own) for name, own in chains.items()}), comments)
    config = session.config.copy()
    config.merge_text(text, str(plan.path))
    wrong = [
        node.name
        for node in model_graph(config)
        if node.name in chains and of_layer(node.overriders, str(node)) != dict(chains[node.name])
    ]
    if wrong:
        raise RunError(
            f'profile: an overlay cannot set the overriders of {", ".join(wrong)}, which the model takes from elsewhere.'
        )
    with whole_file(plan.path) as temporary:
        temporary.write_text(text, encoding='utf-8')
