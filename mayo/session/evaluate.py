"""How good the network is: top-1, top-5, loss and measured density, every image exactly once."""

import csv
import io
import logging
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mayo.estimate import Spread, executed_spread
from mayo.estimate.liveliness import Liveliness, Use, mean_liveliness
from mayo.net.tf.loss import cross_entropy
from mayo.session import data
from mayo.session.base import Session
from mayo.session.execution import execution_of, runner
from mayo.session.spec import model_graph
from mayo.session.stored import as_trained
from mayo.util.errors import UserError
from mayo.util.progress import Progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Fractions of `images` whose label was the first, or among the first five; mean loss; what the gates did."""

    top1: float
    top5: float
    loss: float
    images: int
    images_per_second: float  # of this process, without the first batch: it waits for TensorFlow's graph
    density: Mapping[str, float] = field(default_factory=dict)  # by gated layer, mean over images
    counts: Mapping[str, np.ndarray] = field(default_factory=dict)  # by gated layer, active channels [images]
    liveliness: Mapping[str, Liveliness] = field(default_factory=dict)  # by gated layer
    executed: Spread | None = None  # MACs of compact execution; None without gates

    @property
    def mean_density(self) -> float | None:
        """Mean over the gated layers; None without any."""
        return float(np.mean(list(self.density.values()))) if self.density else None

    @property
    def mean_liveliness(self) -> Liveliness | None:
        """Mean over the gated layers; None without any."""
        return mean_liveliness(self.liveliness.values()) if self.liveliness else None

    def render(self) -> str:
        """What `eval` prints.

        >>> print(Evaluation(0.9273, 0.9991, 0.21, 10000, 640.2).render())
        top-1 92.73 %, top-5 99.91 %, loss 0.2100, of 10,000 images at 640 images/s
        """
        line = (
            f'top-1 {self.top1:.2%}, top-5 {self.top5:.2%}, loss {self.loss:.4f}, of {self.images:,} images '
            f'at {self.images_per_second:.0f} images/s'
        ).replace('%', ' %')
        if not self.density:
            return line
        if self.executed and self.executed.is_wide:
            line += f'\nexecuted MACs of an image: {self.executed}'
        densities = ', '.join(f'{name} {density:.3f}' for name, density in self.density.items())
        if not self.liveliness:
            return f'{line}\nmeasured density {self.mean_density:.4f}: {densities}'
        turnovers = ', '.join(f'{name} {layer.turnover:.3f}' for name, layer in self.liveliness.items())
        shares = ', '.join(f'{name} {layer.shares}' for name, layer in self.liveliness.items())
        mean = mean_liveliness(self.liveliness.values())
        return (
            f'{line}\nmeasured density {self.mean_density:.4f}: {densities}'
            f'\nturnover {mean.turnover:.4f}: {turnovers}'
            f'\nchannels always/sometimes/never active {mean.shares}: {shares}'
        )


def evaluate(session: Session, quiet: bool = False, execution: str | None = None) -> Evaluation:
    """Run the network over the validation images once; execution: `masked` or `compact`, None as system.execution says."""
    session.load()
    execution = execution or execution_of(session)
    config = session.config
    source = data.data_of(config, 'validate')
    batches = data.epoch_of(
        config, 'validate', data=source, batch_size=config.get('eval.batch_size') or config.get('system.batch_size')
    )
    batches = session.strategy.experimental_distribute_dataset(batches)
    meter = _Meter(session, batches.element_spec, execution)
    progress = Progress(
        'eval',
        source.num_examples or 0,
        every_seconds=config.get('system.log.every_seconds'),
        quiet=quiet or not session.is_chief,
    )
    with progress, session.together(), source.reading():
        for images, labels in batches:
            meter.add(images, labels)
            if progress.due():
                progress.show(meter.images, f'top-1 {meter.top1:.2%}')
        return meter.result()


class Evaluations(NamedTuple):
    """Of several checkpoints: CSV text, a line each; and why some are left out, a sentence each."""

    text: str
    left_out: tuple[str, ...]


class Epochs(NamedTuple):
    """Which checkpoints to evaluate, by the number at the end of their names; `last` -1 is all."""

    first: int = 0
    last: int = -1
    step: int = 1

    def has(self, name: str) -> bool:
        """Whether a checkpoint is among them.

        >>> [Epochs(10, 30, 10).has(name) for name in ('checkpoint-20', 'checkpoint-25', 'epoch-40', 'pretrained')]
        [True, False, False, False]
        """
        number = re.search(r'(?:^|-)(\d+(?:\.\d+)?)$', name)
        if self == ALL_EPOCHS or number is None:
            return self == ALL_EPOCHS
        epoch = float(number[1])
        return self.first <= epoch and self.last in (-1, max(epoch, self.last)) and (epoch - self.first) % self.step == 0


ALL_EPOCHS = Epochs()


def evaluate_all(session: Session, epochs: Epochs = ALL_EPOCHS) -> Evaluations:
    """Every checkpoint of the folder that is of this network, evaluated, each with its gates as it was trained."""
    names = session.store.names()
    if not names:
        raise UserError(f'`eval-all` found no checkpoint in {session.store.folder}.')
    if not any(map(epochs.has, names)):
        raise UserError(f'eval.range leaves none of the checkpoints in {session.store.folder}: {", ".join(names)}.')
    names = list(filter(epochs.has, names))
    text, left_out = io.StringIO(), []
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['checkpoint', 'epochs', 'top1', 'top5', 'loss', 'density', 'images', 'images_per_second'])
    current = session
    for name in names:
        try:
            current = _session_of(current, session, name)
        except UserError as error:
            left_out.append(f'left out: {error}')
            continue
        result = evaluate(current)
        density = '' if result.mean_density is None else f'{result.mean_density:.6f}'
        writer.writerow(
            [
                name,
                f'{current.epochs_seen():g}',
                f'{result.top1:.6f}',
                f'{result.top5:.6f}',
                f'{result.loss:.6f}',
                density,
                result.images,
                f'{result.images_per_second:.1f}',
            ]
        )
        _log.info('%s: %s', name, result.render())
    return Evaluations(text.getvalue(), tuple(left_out))


def _session_of(current: Session, start: Session, name: str) -> Session:
    """`current` with the weights of a checkpoint if its network serves, else another session as `start` is."""
    config = start.config.copy()
    config.merge_values({'system': {'checkpoint': {'load': name}}}, 'eval-all')
    trained, _ = as_trained(config)
    if model_graph(trained) != current.graph:
        current = start.sibling(trained)
    current.load_from(start.store.resolve(name))
    return current


class _Width(NamedTuple):
    """Of a gated layer: its channels, and its gates, which are more where each row of the output has its own."""

    channels: int
    gates: int


class _Batch(NamedTuple):
    """What one batch says. N images, L gated layers, G gates of all layers side by side.

    sums: [loss, top-1, top-5, images]. active: channels [N, L]. used: sums over the images, as `Use` has them, [2, G].
    """

    sums: tf.Tensor
    active: tf.Tensor
    used: tf.Tensor


class _Classifier:
    """The network as a TensorFlow function that says how each batch went: built once a session, it takes seconds."""

    def __init__(self, session: Session, spec: object, execution: str) -> None:
        self.network, self.strategy = session.network, session.strategy
        self.run = runner(session, execution)
        self.layers: dict[str, _Width] = {}  # by gated layer, in the order of `active`'s columns and of `used`
        self.on_batch = tf.function(self._on_all, input_signature=spec, autograph=False)
        self.of_all_workers = tf.function(
            lambda rows: self.strategy.gather(self.strategy.run(tf.identity, args=(rows,)), axis=0)
        )

    def _on_all(self, images: tf.Tensor, labels: tf.Tensor) -> '_Batch':
        return self.strategy.run(self._on_replica, args=(images, labels))

    def _on_replica(self, images: tf.Tensor, labels: tf.Tensor) -> '_Batch':
        """What a replica's part of the batch adds up to."""
        outputs, masks = self.run(images)
        self.layers = {name: _Width(mask.shape[-1], math.prod(mask.shape[1:])) for name, mask in masks.items()}
        best = tf.math.top_k(outputs, min(5, outputs.shape[-1])).indices == labels[:, None]  # [N, 5], best first
        loss = cross_entropy(outputs, labels, self.network.is_probability)
        sums = [tf.reduce_sum(tf.cast(values, tf.float32)) for values in (loss, best[:, 0], best, tf.ones_like(labels))]
        gates = [tf.reshape(tf.cast(mask, tf.float32), [-1, self.layers[name].gates]) for name, mask in masks.items()]
        if not gates:
            return _Batch(tf.stack(sums), tf.zeros([tf.shape(labels)[0], 0]), tf.zeros([2, 0]))
        open_gates = [tf.reduce_sum(gate, 1, keepdims=True) for gate in gates]  # [N, 1]
        active = [number * width.channels / width.gates for number, width in zip(open_gates, self.layers.values(), strict=True)]
        weights = [gate / tf.maximum(number, 1.0) for gate, number in zip(gates, open_gates, strict=True)]
        used = [tf.reduce_sum(tf.concat(each, 1), 0) for each in (gates, weights)]
        return _Batch(tf.stack(sums), tf.concat(active, 1), tf.stack(used))


class _Meter:
    """Adds up what the classifier says of each batch; every worker of several sees its part of the images."""

    def __init__(self, session: Session, spec: object, execution: str) -> None:
        self.classifier: _Classifier = session.kept.get('classifier') or _Classifier(session, spec, execution)
        if execution == 'masked':  # a compact network has constant weights: it does not serve twice
            session.kept['classifier'] = self.classifier
        self.is_alone = session.is_alone
        self.graph, self.input_shape = session.graph, session.input_shape
        self.sums: list[np.ndarray] = []  # [loss, top-1, top-5, images] of each batch and replica
        self.active: list[np.ndarray] = []  # [N, gated layers]
        self.used: np.ndarray | float = 0.0  # [2, gates], summed over batches and replicas
        self.started, self.first_batch = time.monotonic(), 0

    @property
    def images(self) -> int:
        return int(sum(sums[3] for sums in self.sums))

    @property
    def top1(self) -> float:
        return float(sum(sums[1] for sums in self.sums) / max(self.images, 1))

    def add(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        sums, active, used = (
            [value.numpy() for value in self.classifier.strategy.experimental_local_results(of_replicas)]
            for of_replicas in self.classifier.on_batch(images, labels)
        )
        self.sums += sums
        self.active += active
        self.used = self.used + np.sum(used, 0, dtype=np.float64)
        if not self.first_batch:
            self.first_batch, self.started = self.images, time.monotonic()

    def result(self) -> Evaluation:
        here, seconds = self.images, max(time.monotonic() - self.started, 1e-9)
        loss, top1, top5, images = (
            self._of_all_workers(np.stack([np.zeros(4, np.float32), *self.sums])).astype(np.float64).sum(0)
        )
        if not images:
            raise UserError('the validation records hold no image.')
        active = self._of_all_workers(np.concatenate(self.active))
        counts = {name: active[:, index] for index, name in enumerate(self.classifier.layers)}
        widths = self.classifier.layers
        density = {name: float(counts[name].mean(dtype=np.float64)) / width.channels for name, width in widths.items()}
        timed = here - self.first_batch or here
        return Evaluation(
            top1=top1 / images,
            top5=top5 / images,
            loss=loss / images,
            images=int(images),
            images_per_second=timed / seconds,
            density=density,
            counts=counts,
            executed=executed_spread(self.graph, self.input_shape, counts) if counts else None,
            liveliness=self._liveliness(int(images)),
        )

    def _liveliness(self, images: int) -> dict[str, Liveliness]:
        widths = self.classifier.layers
        used = self._of_all_workers(np.asarray(self.used, np.float32)[None]).sum(0, dtype=np.float64)
        ends = np.cumsum([width.gates for width in widths.values()])[:-1]
        each = (np.split(row, ends) for row in used)
        return (
            {name: Use(images, counts, weights).liveliness() for name, counts, weights in zip(widths, *each, strict=True)}
            if widths
            else {}
        )

    def _of_all_workers(self, rows: np.ndarray) -> np.ndarray:
        """`rows` of this worker and then of the others, as every worker has them.

        Rows without a number, of a network without gates, are not sent: TensorFlow's gathering reads beyond the end of a tensor
        that has no elements, and ends the process.
        """
        return rows if self.is_alone or not math.prod(rows.shape[1:]) else self.classifier.of_all_workers(rows).numpy()
