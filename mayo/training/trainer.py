"""Training: epochs of steps, checkpoints on the way, and going on where an earlier run stopped.

    ./my models/cifarnet.yaml datasets/fashion_mnist.yaml trainers/one_cycle.yaml train
    ./my ... system.checkpoint.load=latest train                    goes on: step, optimizer, random state, order of images
    ./my ... system.checkpoint.load=NAME reset-num-epochs train     fine-tunes: same weights, everything else afresh

Where a run is follows from the images it has seen. Several workers (TF_CONFIG) run the same words, each seeing the same
files; they act on an interrupt or on the clock of any of them at the same step, and the first one writes.
"""

import contextlib
import itertools
import logging
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.checkpoint.history import History, path_of
from mayo.session import data
from mayo.session.base import Session
from mayo.session.evaluate import Evaluation, evaluate
from mayo.training.budget import Budget
from mayo.training.distill import distillation
from mayo.training.norms import renew_norms
from mayo.training.optimizer import optimizer
from mayo.training.schedule import Rate, learning_rate
from mayo.training.step import SCALE, Rules, Step
from mayo.util.errors import RunError, UserError
from mayo.util.files import require_room, shown
from mayo.util.format import amount
from mayo.util.interrupt import Interrupts
from mayo.util.progress import Progress

_log = logging.getLogger(__name__)
_AGREE_EVERY = 10  # steps between the moments at which several workers tell each other of interrupts
_GO_ON, _SAVE, _STOP = 0, 1, 2  # what a worker asks for, the most pressing last


def train(session: Session) -> None:
    """Train up to train.max_epochs; raises KeyboardInterrupt, after saving, if interrupted."""
    if session.is_chief:
        require_room(session.store.folder, 'system.checkpoint.path')
    session.load(fresh=True)
    Trainer(session).run()


class Trainer:
    """One training of a session's network."""

    def __init__(self, session: Session, first_epoch: int = 0) -> None:
        """first_epoch: how the order of images goes on, where a training follows others."""
        self.session, self.config, self.first_epoch = session, session.config, first_epoch
        self.data = data.data_of(self.config, 'train')
        self.batch_size: int = self.config.get('system.batch_size')
        self.steps_per_epoch = self._steps_per_epoch()
        self.max_epochs: float = self.config.require('train.max_epochs', '`train`')
        self.total_steps = round(self.max_epochs * self.steps_per_epoch)
        self.steps = round(session.images_seen / self.batch_size)
        self.rate: Rate = learning_rate(
            self.config.require('train.learning_rate', '`train`'), _where(self.config, 'train.learning_rate'), self.max_epochs
        )
        self.validates = bool(self.config.get('train.validate') and self.config.get('dataset.path.validate'))
        self.best = -1.0
        self.saved_steps, self.saved_time = self.steps, time.monotonic()
        self.save_seconds: float = 60 * self.config.get('system.checkpoint.every_minutes')
        self.first_step = self.steps  # of this process
        self.history = History(path_of(session.store.folder, session.run), self.epoch)
        self.step = self._make_step()
        self._restore()

    @property
    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.steps / self.steps_per_epoch

    def run(self) -> None:
        """Every epoch that is left, then the last checkpoint."""
        if self.steps >= self.total_steps:
            _log.info(
                'nothing to train: %g of %g epochs are done; train.max_epochs=N goes on, reset-num-epochs starts again',
                self.epoch,
                self.max_epochs,
            )
            self._use_averages()
            self.session.training_state = {}
            return
        self._warn_of_earlier()
        progress = Progress(
            'train',
            self.total_steps * self.batch_size,
            self.steps * self.batch_size,
            self.config.get('system.log.every_seconds'),
            quiet=not self.session.is_chief,
        )
        claim = self.session.store.training(self.session.run) if self.session.is_chief else contextlib.nullcontext()
        with claim, Interrupts(patience=1) as interrupts, progress, self.session.together(), self.data.reading():
            while self.steps < self.total_steps:
                self._run_epoch(progress, interrupts)
        self._use_averages()
        self.session.training_state = {}

    def _run_epoch(self, progress: Progress, interrupts: Interrupts) -> None:
        """From where the run is to the end of the epoch, or of training; then validation and the checkpoint."""
        end = min(self.total_steps, (self.steps // self.steps_per_epoch + 1) * self.steps_per_epoch)
        for images, labels in self._batches():
            self.step(images, labels, self.rate(self.epoch))
            self.steps += 1
            if progress.due():
                self._check_finite()
                progress.show(self.steps * self.batch_size, self._news())
            if self.steps == end:
                break
            self._heed(interrupts)
        self._check_finite()
        self._end_epoch(progress)
        if self._agreed(_STOP if interrupts.noted else _GO_ON, now=True) == _STOP:
            self._save()
            raise interrupts.error

    def _batches(self) -> Any:
        """The batches of this epoch that are left, spread over the replicas."""
        return self._batches_of(*divmod(self.steps, self.steps_per_epoch))

    def _batches_of(self, epoch: int, skip: int) -> Any:
        batches = data.epoch_of(
            self.config,
            'train',
            epoch=self.first_epoch + epoch,
            skip_batches=skip,
            batch_size=self.batch_size,
            drop_remainder=True,
            data=self.data,
        )
        return self.session.strategy.experimental_distribute_dataset(batches)

    def endless_batches(self) -> Iterator[Any]:
        """(images, labels) of epoch after epoch, spread over the replicas, for who counts the steps itself."""
        for epoch in itertools.count():
            yield from self._batches_of(epoch, skip=0)

    def _heed(self, interrupts: Interrupts) -> None:
        """Between two steps: save if it is time to; stop if somebody asks."""
        late = time.monotonic() - self.saved_time >= self.save_seconds
        request = self._agreed(_STOP if interrupts.noted else _SAVE if late else _GO_ON)
        if request:
            self._save()
        if request == _STOP:
            raise interrupts.error

    def _agreed(self, request: int, now: bool = False) -> int:
        """The most pressing request of all workers, which they all learn at the same step."""
        if self.session.is_alone:
            return request
        if not now and self.steps % _AGREE_EVERY:
            return _GO_ON
        votes = self.step.sum_of_workers(tf.one_hot(request, _STOP + 1, dtype=tf.int32)).numpy()  # workers of each request
        return int(np.flatnonzero(votes).max())

    def _end_epoch(self, progress: Progress) -> None:
        """Validate, remember the best, and save if it is time to."""
        is_last, result = self.steps >= self.total_steps, None
        if is_last:
            self._renew_norms()
        if self.validates:
            self.step.synchronize()
            with self._averages_in_place():
                result = evaluate(self.session, quiet=True, execution='masked')
                progress.say(f'epoch {self.epoch:g} of {self.max_epochs:g}: {result.render()}')
                if result.top1 > self.best:
                    self.best = result.top1
                    self._write(self._name('best'), {})
        self._note_epoch(result)
        every = self.config.get('system.checkpoint.every_epochs')
        if is_last or (self.steps - self.saved_steps) / self.steps_per_epoch >= every - 1e-6:
            self._save()

    def _save(self) -> None:
        """A checkpoint from which the run goes on as if it had never stopped."""
        self._check_finite()
        if self.steps == self.saved_steps:
            return
        self.step.synchronize()
        state = self.step.state() | {'best': np.array(self.best)}
        state |= {f'random/{name}': variable.numpy() for name, variable in self._random().items()}
        name = self._name(f'epoch-{round(self.epoch, 3):g}')
        with self._averages_in_place():
            self._write(name, {names.TRAINING + key: value for key, value in state.items()})
        if self.session.is_chief:
            self.session.store.record(name, self.config.get('system.checkpoint.keep'))
        self.session.weights = name
        self.saved_steps, self.saved_time = self.steps, time.monotonic()

    def _write(self, name: str, state: dict[str, np.ndarray]) -> None:
        """Every worker reads its variables, which may take all of them; the first one writes."""
        self.session.images_seen = self.steps * self.batch_size
        tensors = self.session.tensors()
        if self.session.is_chief:
            bundle.write(self.session.store.folder / name, tensors | state)
            _log.info('saved %s', shown(self.session.store.folder / name))

    def _name(self, name: str) -> str:
        return f'{self.session.run}-{name}' if self.session.run else name

    def _restore(self) -> None:
        """Take up the state of the run that left the loaded checkpoint, if there is one."""
        state = self.session.training_state
        if not state:
            return
        self.best = float(state.get('best', -1.0))
        if not self.step.restore(state):
            _log.warning('the optimizer or what it trains differs from the checkpoint: it starts afresh')
        for name, variable in self._random().items():
            if f'random/{name}' in state:
                variable.assign(state[f'random/{name}'])
        _log.info('going on at epoch %g', self.epoch)

    def _random(self) -> dict[str, Any]:
        return self.session.network.random_variables()

    def _warn_of_earlier(self) -> None:
        """A new run takes the place of an earlier one of the same name, a checkpoint at a time."""
        earlier = self.session.store.newest_of(self.session.run)
        if self.steps == 0 and earlier is not None:
            _log.warning(
                'this training will replace the checkpoints of an earlier one, up to %s; '
                'system.checkpoint.load=latest goes on with it, system.checkpoint.save=NAME keeps them apart',
                earlier,
            )

    def _steps_per_epoch(self) -> int:
        examples = self.config.require('dataset.num_examples_per_epoch.train', '`train`')
        if examples < self.batch_size:
            raise UserError(
                f'system.batch_size is {self.batch_size}, but an epoch has {examples} images; expected {examples} or less.'
            )
        replicas = self.session.strategy.num_replicas_in_sync
        if self.batch_size % replicas:
            raise UserError(
                f'system.batch_size is {self.batch_size}, expected a multiple of {replicas}, the devices that share it.'
            )
        return examples // self.batch_size

    def _make_step(self) -> Step:
        train = self.config.get('train')
        network = self.session.network
        pattern = re.compile(train['trainable'] or '')
        trainable = {id(variable) for variable in network.trainable_variables}
        variables = {
            name: variable
            for name, variable in network.named_variables().items()
            if id(variable) in trainable and pattern.search(name)
        }
        if not variables:
            raise UserError(f'train.trainable is {train["trainable"]!r}, which no trainable variable of the network matches.')
        if train['scale_l1'] and not any(name.endswith(SCALE) for name in variables):
            raise UserError(
                f'{_where(self.config, "train.scale_l1")} is {train["scale_l1"]:g}, but no batch norm with a scale '
                'trains here (a gate takes the place of its scale).'
            )
        gate_factor = train['gate_learning_rate']
        with self.session.strategy.scope():
            algorithm = optimizer(train['optimizer'], _where(self.config, 'train.optimizer'))
        rules = Rules(
            label_smoothing=train['label_smoothing'],
            clip_norm=train['clip_norm'],
            weight_decay=train['weight_decay'] + (algorithm.weight_decay or 0.0),
            average=train['average'],
            loss_scale=2.0**15 if self.config.get('system.precision') == 'mixed_float16' else None,
            factor=lambda name: gate_factor if '/gate/' in name else 1.0,
            distillation=distillation(self.session),
            scale_l1=train['scale_l1'],
            budget=self._budget(),
        )
        return Step(network, variables, algorithm, rules, self.session.strategy)

    def _budget(self) -> Budget | None:
        """What pulls the executed MACs to train.target_macs, if that is set."""
        target, weight = (self.config.get(f'train.{key}') for key in ('target_macs', 'target_macs_weight'))
        return None if target is None else Budget(self.session.network, self.session.input_shape, amount(target), weight)

    @contextlib.contextmanager
    def _averages_in_place(self) -> Iterator[None]:
        """The moving averages, if there are any, stand where the weights are."""
        before = {name: variable.numpy() for name, variable in self.step.averaged.items()}
        self._use_averages()
        try:
            yield
        finally:
            for name, variable in self.step.averaged.items():
                variable.assign(before[name])

    def _renew_norms(self) -> None:
        """Batch norm's averages over train.norm_images, for the weights that are evaluated and saved."""
        images = self.config.get('train.norm_images')
        if not images:
            return
        with self._averages_in_place():
            renew_norms(self.session, images)
            for name, average in self.step.averages.items():
                average.assign(self.step.averaged[name])

    def _use_averages(self) -> None:
        for name, variable in self.step.averaged.items():
            variable.assign(self.step.averages[name])

    def _news(self) -> str:
        totals = self.history.add(self.step.read_totals())
        density = '' if totals.density is None else f', density {totals.density:.3f}'
        return (
            f'epoch {self.epoch:.2f}, loss {totals.loss:.4f}, top-1 {totals.top1:.2%}{density}, '
            f'rate {self.rate(self.epoch):.3g}'
        )

    def _note_epoch(self, result: Evaluation | None) -> None:
        """A line in the record of the training, which `plot` draws."""
        self.history.add(self.step.read_totals())
        if self.session.is_chief:
            self.history.write(self.epoch, self.steps, self.rate(self.epoch), result)

    def _check_finite(self) -> None:
        """RunError if a step was not finite: which, its learning rate, and the first layer that its images break."""
        taken = int(self.step.bad_step.numpy())
        if taken < 0:
            return
        self.steps = self.first_step + taken
        last = self.session.store.newest_of(self.session.run)
        good = f'The last good checkpoint is {last}. ' if last else ''
        raise RunError(
            f'train: the loss is not finite at step {self.steps} (epoch {self.epoch:.2f}), learning rate '
            f'{self.rate(self.epoch):.3g}; {self._first_broken()}. {good}'
            'A lower learning rate, a warm-up, or train.clip_norm may help.'
        )

    def _first_broken(self) -> str:
        """The first layer whose output is not finite for the batch of the bad step, whose weights the network still has."""
        images, labels = next(iter(self._batches()))
        images, _ = (self.session.strategy.experimental_local_results(value)[0] for value in (images, labels))
        for name, outputs in self.session.network.activations(images, training=True).items():
            if not math.isfinite(float(tf.reduce_sum(tf.abs(tf.cast(outputs, tf.float32))))):
                return f'the first layer affected is {name}'
        return 'every layer is finite, the gradients are not'


def _where(config: Any, key: str) -> str:
    return f'{config.origin(key)}: {key}'
