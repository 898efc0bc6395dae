"""A search as the original Mayo's: hyperparameters step to where accuracy ends, with backtracking and fine-tuning.

    every number that search.variables names starts `from`;  again and again:
    step all of them, or those of the layer that costs most; update the overriders; train for max_epochs.fine_tune
    accuracy >= baseline (1 - tolerance)?   yes: this is the network, saved as the checkpoint `backtrack`
                                            no: back to the one before, and the step is halved; below min_step it ends

Accuracy is that of training, over the last epoch of each fine-tuning, which follows train.learning_rate from its beginning.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.estimate import estimate
from mayo.override import table as overridden
from mayo.session import overriders
from mayo.session.base import Session
from mayo.training.norms import renew_norms
from mayo.training.ranges import Plan, Range, halved
from mayo.training.trainer import Trainer
from mayo.util.errors import RunError, UserError, did_you_mean
from mayo.util.format import count, percent, table

_log = logging.getLogger(__name__)
BACKTRACK = 'backtrack'
MEMORY = 'memory'
_OLD_COSTS = {'mem_weights': 'weight_bytes', 'mem_activation': 'activation_bytes', 'weights': 'trainable'}
COSTS = (MEMORY, 'dense', 'macs', 'executed', 'trainable', 'weight_bytes', 'activation_bytes')


@dataclass(eq=False)
class Knob:
    """A number that is stepped. name: of its variable; layer: that it belongs to."""

    name: str
    layer: str
    variable: Any
    range: Range
    value: float = field(init=False)
    step: float = field(init=False)

    def __post_init__(self) -> None:
        self.value, self.step = self.range.first, self.range.step

    def next(self) -> float | None:
        """The value after the next step, which is halved until it stays in the range; None: there is none."""
        while not self.is_done():
            if self.range.holds(self.value + self.step):
                return self.value + self.step
            self.halve()
        return None

    def halve(self) -> None:
        """Go on in smaller steps."""
        self.step = halved(self.step, self.range.is_whole)

    def is_done(self) -> bool:
        """Whether the step has become too small."""
        return abs(self.step) < self.range.min_step


@dataclass(frozen=True)
class Trial:
    """Values that were tried, by the names of their knobs; memory: bits of the weights."""

    values: Mapping[str, float]
    top1: float
    is_kept: bool
    memory: int


def stepped(session: Session, plan: Plan) -> str:
    """Search; the table of trials. The session's network is the best one, which is the checkpoint `backtrack`, too."""
    _check_cost(plan)
    session.load()
    if session.weights is None:
        raise UserError(
            '`search` steps from weights that are good, but they are random; set system.checkpoint.load or train before it.'
        )
    knobs = _knobs(session, plan.variables)
    config = session.config
    session.config = config.copy()
    session.config.merge_values({'train': {'max_epochs': plan.tune_epochs}}, '`search`')
    try:
        return _Search(session, plan, knobs).run()
    finally:
        session.config = config


def _check_cost(plan: Plan) -> None:
    key = _OLD_COSTS.get(plan.cost_key, plan.cost_key)
    if key not in COSTS:
        hint = did_you_mean(key, COSTS) or '.'
        raise UserError(f'search.cost_key is {plan.cost_key}{hint} Expected one of {", ".join([*COSTS, *_OLD_COSTS])}.')


def _knobs(session: Session, ranges: Mapping[str, Range]) -> list[Knob]:
    """The numbers that the expressions match. UserError: one that matches none, or one that cannot take its steps."""
    steppable = {name: variable for name, variable in session.named().items() if _is_steppable(variable)}
    knobs: dict[str, Knob] = {}
    for pattern, own in ranges.items():
        names = [name for name in steppable if re.search(pattern, name)]
        if not names:
            raise UserError(
                f'search.variables: {pattern} is in no name of a number that can be stepped. {_examples(steppable)}'
            )
        for name in names:
            if 'int' in steppable[name].dtype and not own.is_whole:
                raise UserError(
                    f'search.variables: {name} holds whole numbers, expected whole numbers in the range of {pattern}.'
                )
            if name in knobs:
                raise UserError(f'search.variables: {pattern} and another expression both match {name}; keep one of them.')
            knobs[name] = Knob(name, _layer_of(session, name), steppable[name], own)
    return list(knobs.values())


def _is_steppable(variable: Any) -> bool:
    return tuple(variable.shape) == () and ('int' in variable.dtype or 'float' in variable.dtype)


def _examples(steppable: Mapping[str, Any]) -> str:
    kinds = sorted({name.rpartition('/')[2] for name in steppable})
    return (
        f'Of this network these can: {", ".join(kinds)}.'
        if kinds
        else 'This network has none: its overriders have no such state.'
    )


def _layer_of(session: Session, name: str) -> str:
    inner = name.removeprefix(f'{session.model_name}/')
    return max((node.name for node in session.graph if inner.startswith(f'{node.name}/')), key=len, default='')


class _Search:
    def __init__(self, session: Session, plan: Plan, knobs: list[Knob]) -> None:
        self.session, self.plan, self.knobs = session, plan, knobs
        self.trials: list[Trial] = []
        self.trainer = Trainer(session)
        self.step = self.trainer.step
        self.fresh = self.step.state()  # of the optimizer
        self.images = 0

    def run(self) -> str:
        with self.trainer.data.reading():
            self.batches = self.trainer.endless_batches()
            baseline = self.plan.baseline or self._baseline()
            tolerable = baseline * (1 - self.plan.tolerance)
            _log.info('search: training accuracy without overriders %s, tolerable %s', percent(baseline), percent(tolerable))
            start = {knob.name: knob.range.first for knob in self.knobs}
            if not self._try(start, tolerable):
                raise RunError(
                    f'search: with search.variables at `from`, training accuracy is {percent(self.trials[0].top1)} already, below '
                    f'{percent(tolerable)}; start from milder values, or set search.accuracy.tolerance or '
                    'search.max_epochs.fine_tune higher.'
                )
            self._search(tolerable)
        return self._render(baseline, tolerable)

    def _search(self, tolerable: float) -> None:
        while self.plan.max_steps is None or len(self.trials) <= self.plan.max_steps:
            values = {knob: value for knob in self._group() if (value := knob.next()) is not None}
            if not values:
                break
            is_kept = self._try({knob.name: value for knob, value in values.items()}, tolerable)
            for knob, value in values.items():
                if is_kept:
                    knob.value = value
                else:
                    knob.halve()

    def _group(self) -> list[Knob]:
        """The knobs of the next step: all that are not done, or those of the layer of most cost."""
        left = [knob for knob in self.knobs if knob.next() is not None]
        if self.plan.mode == 'global' or not left:
            return left
        costs = self._costs()
        most = max(left, key=lambda knob: costs.get(knob.layer, 0)).layer
        return [knob for knob in left if knob.layer == most]

    def _try(self, values: Mapping[str, float], tolerable: float) -> bool:
        """Whether the network with these values, updated and fine-tuned, is good enough; else it is as it was before."""
        before = {name: variable.numpy() for name, variable in self.session.named().items()}
        for knob in self.knobs:
            if knob.name in values:
                knob.variable.assign(np.asarray(values[knob.name]).astype(knob.variable.dtype))
        if self.session.network.overriding:
            overriders.update(self.session)
        top1 = self._tuned()
        is_kept = top1 >= tolerable
        self.trials.append(Trial(dict(values), top1, is_kept, self._memory()))
        _log.info('search, step %d: %s; %s', len(self.trials) - 1, self._line(self.trials[-1]), 'kept' if is_kept else 'undone')
        if is_kept:
            if images := self.session.config.get('train.norm_images'):
                renew_norms(self.session, images)
            self.session.images_seen += self.images
            self.session.save(BACKTRACK)
        else:
            for name, variable in self.session.named().items():
                variable.assign(before[name])
        return is_kept

    def _tuned(self) -> float:
        """Training accuracy over the last epoch of a fine-tuning; 0 if the loss is not finite."""
        self.step.restore(self.fresh)
        self.step.bad_step.assign(-1)
        per_epoch = self.trainer.steps_per_epoch
        steps = max(round(self.plan.tune_epochs * per_epoch), 1)
        for number in range(steps):
            if number == max(steps - per_epoch, 0):
                self.step.read_totals()
            images, labels = next(self.batches)
            self.step(images, labels, self.trainer.rate(number / per_epoch))
        self.step.synchronize()
        self.images = steps * self.trainer.batch_size
        totals = self.step.read_totals()
        return totals.top1 if int(self.step.bad_step.numpy()) < 0 else 0.0

    def _baseline(self) -> float:
        """Training accuracy over max_epochs.profile, of the network as it is, without its overriders."""
        network, strategy = self.session.network, self.session.strategy

        def correct(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            outputs, _ = network(images, training=True)
            return tf.reduce_sum(tf.cast(tf.argmax(outputs, -1, labels.dtype) == labels, tf.float32))

        measure = tf.function(
            lambda *batch: strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(correct, args=batch), axis=None),
            autograph=False,
        )
        before = {name: variable.numpy() for name, variable in self.session.named().items()}
        steps = max(round(self.plan.profile_epochs * self.trainer.steps_per_epoch), 1)
        with network.without_overriders():
            total = sum(float(measure(*next(self.batches))) for _ in range(steps))
        for name, variable in self.session.named().items():
            variable.assign(before[name])
        return total / (steps * self.trainer.batch_size)

    def _costs(self) -> dict[str, float]:
        """By layer, what search.cost_key says."""
        costs = estimate(self.session.graph, self.session.input_shape)
        key = _OLD_COSTS.get(self.plan.cost_key, self.plan.cost_key)
        if key != MEMORY:
            return {cost.name: getattr(cost, key) for cost in costs}
        bits: dict[str, float] = {cost.name: 8.0 * cost.weight_bytes for cost in costs}
        for row in self._stored():
            bits[row.layer] += row.memory_bits - 32 * row.values
        return bits

    def _stored(self) -> Iterator[overridden.Row]:
        return (row for row in overriders.rows(self.session) if row.is_stored)

    def _memory(self) -> int:
        costs = estimate(self.session.graph, self.session.input_shape)
        return round(
            sum(8 * cost.weight_bytes for cost in costs) + sum(row.memory_bits - 32 * row.values for row in self._stored())
        )

    def _line(self, trial: Trial) -> str:
        return f'{_values(trial.values)}: top-1 in training {percent(trial.top1)}'

    def _render(self, baseline: float, tolerable: float) -> str:
        rows = [
            [str(number), _values(trial.values), percent(trial.top1), 'yes' if trial.is_kept else 'no', count(trial.memory)]
            for number, trial in enumerate(self.trials)
        ]
        chosen = table(['variable', 'value'], [[knob.name, f'{knob.value:g}'] for knob in self.knobs])
        return (
            f'{table(["step", "tried", "top-1", "kept", "memory bits"], rows, left=2)}\n\n{chosen}\n\n'
            f'top-1 in training: {percent(baseline)} without overriders, {percent(tolerable)} tolerable; '
            f'saved as checkpoint {BACKTRACK}'
        )


def _values(values: Mapping[str, float]) -> str:
    """Each number with who has it: one name, or how many of the same kind.

    >>> _values({'net/a/weights/X.alpha': 1.0, 'net/b/weights/X.alpha': 1.0, 'net/c/biases/Y.width': 4})
    '2 x X.alpha 1, net/c/biases/Y.width 4'
    """
    alike: dict[tuple[str, float], list[str]] = {}
    for name, value in values.items():
        alike.setdefault((name.rpartition('/')[2], value), []).append(name)
    return ', '.join(
        f'{names[0] if len(names) == 1 else f"{len(names)} x {kind}"} {value:g}' for (kind, value), names in alike.items()
    )
