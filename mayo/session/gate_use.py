"""What the gates of a network do with the validation images: which channels serve which classes, in one pass.

    active[class, channel] = share of the images of the class for which the channel is active

Shapes: N images of a batch, K classes, C channels of a layer. With a gate for each row, rows are averaged first.
"""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from mayo.config import Config
from mayo.estimate.liveliness import Liveliness, Use
from mayo.net.tf.gate.base import GateStats
from mayo.session import data
from mayo.session.base import Session
from mayo.util.errors import UserError
from mayo.util.progress import Progress

_log = logging.getLogger(__name__)
BINS = 1024  # of a histogram, over a range that doubles as it needs to


@dataclass(frozen=True)
class Example:
    """An image and how much it used a layer. pixels: [H, W, channels] as the network reads them."""

    pixels: np.ndarray
    label: int
    active: float  # channels
    strength: float  # sum of the saliencies of the active channels

    @property
    def used(self) -> tuple[float, float]:
        """What examples are ordered by: where all have as many channels, the strength decides."""
        return self.active, self.strength


class Histogram:
    """How often each saliency occurs: counts [2, BINS] of channels that lose and that win, over [0, top)."""

    def __init__(self) -> None:
        self.top = 0.0
        self.counts = np.zeros((2, BINS), np.int64)
        self.zeros = 0  # of all, those that are exactly 0

    def add(self, saliency: np.ndarray, mask: np.ndarray) -> None:
        """Count the values of `saliency`, whose `mask` is 0 or 1, each by itself."""
        most = float(saliency.max(initial=0.0))
        self.top = self.top or most
        while most >= self.top > 0:
            self.counts = np.pad(self.counts.reshape(2, BINS // 2, 2).sum(2), ((0, 0), (0, BINS // 2)))
            self.top *= 2
        bins = np.minimum(saliency * (BINS / self.top) if self.top else saliency, BINS - 1).astype(np.int64)
        for won in (0, 1):
            self.counts[won] += np.bincount(bins[mask.astype(bool) == bool(won)].ravel(), minlength=BINS)
        self.zeros += int((saliency == 0).sum())


@dataclass
class LayerUse:
    """Of one gated layer. active: [K, C], NaN for a class without images; counts: active channels [images].

    mean: saliency of each channel, whether it won or not, mean over images [C]. liveliness: of its gates.
    """

    name: str
    active: np.ndarray
    mean: np.ndarray
    counts: np.ndarray
    saliency: Histogram
    liveliness: Liveliness
    fewest: list[Example] = field(default_factory=list)  # the least used first
    most: list[Example] = field(default_factory=list)  # the most used first


@dataclass(frozen=True)
class GateUse:
    """Of every gated layer. images: how many of each class [K]."""

    classes: tuple[str, ...]
    images: np.ndarray
    layers: tuple[LayerUse, ...]


def gate_use(session: Session, max_images: int | None = None, examples: int = 0) -> GateUse:
    """Run the masked network over the validation images, or the first `max_images`; keep `examples` at each end of a layer."""
    session.load()
    config, network = session.config, session.network
    classes = class_labels(config)
    source = data.data_of(config, 'validate')
    batches = data.epoch_of(
        config, 'validate', data=source, batch_size=config.get('eval.batch_size') or config.get('system.batch_size')
    )
    run = tf.function(
        lambda images: network(images, training=False)[1], autograph=False, input_signature=[batches.element_spec[0]]
    )
    total = min(source.num_examples or 0, max_images or source.num_examples or 0)
    progress = Progress('gates', total, every_seconds=config.get('system.log.every_seconds'), quiet=not session.is_chief)
    gathering = _Gathering(len(classes), examples)
    with progress, source.reading():
        for images, labels in batches:
            left = None if max_images is None else max_images - gathering.images
            gathering.add(images.numpy()[:left], labels.numpy()[:left], run(images), left)
            if progress.due():
                progress.show(gathering.images)
            if max_images is not None and gathering.images >= max_images:
                break
    return gathering.result(classes)


def class_labels(config: Config) -> tuple[str, ...]:
    """The names of the classes, or `class 3` where nothing names them."""
    if config.get('dataset.labels') is not None:
        try:
            return tuple(data.class_names(config))
        except UserError as error:
            _log.warning('classes have numbers for names: %s', error)
    return tuple(f'class {number}' for number in range(config.require('dataset.task.num_classes', 'naming classes')))


class _Gathering:
    """What the batches so far say."""

    def __init__(self, num_classes: int, examples: int) -> None:
        self.per_class = np.zeros(num_classes, np.int64)
        self.examples = examples
        self.layers: dict[str, _Layer] = {}

    @property
    def images(self) -> int:
        return int(self.per_class.sum())

    def add(self, images: np.ndarray, labels: np.ndarray, stats: dict[str, GateStats], left: int | None) -> None:
        """images: [N, H, W, channels]; labels: [N]; of the stats, the first `left` images count."""
        of_class = np.eye(len(self.per_class), dtype=np.float32)[labels]  # [N, K]
        self.per_class += of_class.sum(0).astype(np.int64)
        for name, stat in stats.items():
            saliency, mask = stat.saliency.numpy()[:left], stat.mask.numpy()[:left]
            layer = self.layers.setdefault(name, _Layer(len(self.per_class), saliency.shape[-1]))
            layer.add(images, labels, of_class, saliency, mask, self.examples)

    def result(self, classes: Sequence[str]) -> GateUse:
        if not self.images:
            raise UserError('the validation records hold no image.')
        share = self.per_class[:, None].astype(np.float64)
        share[share == 0] = np.nan
        layers = (
            LayerUse(
                name,
                layer.active / share,
                layer.total / self.images,
                np.concatenate(layer.counts),
                layer.histogram,
                layer.use.liveliness(),
                layer.fewest,
                layer.most,
            )
            for name, layer in self.layers.items()
        )
        return GateUse(tuple(classes), self.per_class, tuple(layers))


class _Layer:
    """Sums over the images so far."""

    def __init__(self, num_classes: int, channels: int) -> None:
        self.active = np.zeros((num_classes, channels))
        self.total = np.zeros(channels)  # of the saliencies, whoever won
        self.counts: list[np.ndarray] = []
        self.histogram = Histogram()
        self.use = Use.none()
        self.fewest: list[Example] = []
        self.most: list[Example] = []

    def add(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        of_class: np.ndarray,
        saliency: np.ndarray,
        mask: np.ndarray,
        examples: int,
    ) -> None:
        """saliency, mask: [N, C], or [N, H, C] with a gate for each row."""
        self.histogram.add(saliency, mask)
        self.use += Use.of(mask.reshape(len(mask), -1))
        rows = tuple(range(1, mask.ndim - 1))
        strength = (saliency * mask).mean(rows).sum(-1)
        self.total += saliency.mean(rows).sum(0)
        mask = mask.mean(rows)
        counts = mask.sum(-1)
        self.counts.append(counts)
        self.active += of_class.T @ mask
        if examples:
            self._keep_examples(images, labels, counts, strength, examples)

    def _keep_examples(
        self, images: np.ndarray, labels: np.ndarray, counts: np.ndarray, strength: np.ndarray, examples: int
    ) -> None:
        order = np.lexsort((strength, counts))

        def of(indices: np.ndarray) -> list[Example]:
            return [Example(images[i].copy(), int(labels[i]), float(counts[i]), float(strength[i])) for i in indices]

        self.fewest = sorted(itertools.chain(self.fewest, of(order[:examples])), key=lambda example: example.used)[:examples]
        self.most = sorted(
            itertools.chain(self.most, of(order[::-1][:examples])), key=lambda example: example.used, reverse=True
        )[:examples]
