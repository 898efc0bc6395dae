"""The network under many choices of density: one TensorFlow function and images in memory, so that a choice takes seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from mayo.net.tf.layer.conv import GatedConvolution
from mayo.net.tf.loss import cross_entropy
from mayo.session import data
from mayo.session.base import Session
from mayo.util.errors import UserError


@dataclass(frozen=True)
class Score:
    """Fraction of images whose label came first, and the mean cross entropy."""

    top1: float
    loss: float


class Candidates:
    """Masked execution of the first validation images with any number of active channels in each gated layer."""

    def __init__(self, session: Session, max_images: int | None = None) -> None:
        """UserError: the network has no gates, or gates whose number of active channels no density fixes."""
        session.load()
        self.network = session.network
        gates = {name: layer.gate for name, layer in self.network.node_layers.items() if isinstance(layer, GatedConvolution)}
        self.channels: dict[str, int] = {name: gate.channels for name, gate in gates.items()}
        self.configured: dict[str, int] = {name: gate.keep for name, gate in gates.items()}
        _check(session, {name: gate.params.threshold for name, gate in gates.items()})
        self.batches = _batches(session, max_images)
        self.images = sum(len(labels) for _, labels in self.batches)
        self._sums = tf.function(self._on_batch, autograph=False, reduce_retracing=True)

    def evaluate(self, keeps: Mapping[str, int]) -> Score:
        """keeps: active channels by gated layer."""
        counts = tf.constant([keeps[name] for name in self.channels])
        sums = [self._sums(images, labels, counts).numpy() for images, labels in self.batches]
        correct, loss = (sum(float(batch[index]) for batch in sums) for index in (0, 1))
        return Score(correct / self.images, loss / self.images)

    def _on_batch(self, images: tf.Tensor, labels: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        keeps = dict(zip(self.channels, tf.unstack(counts, len(self.channels)), strict=True))
        outputs, _ = self.network(images, training=False, keeps=keeps)
        correct = tf.reduce_sum(tf.cast(tf.argmax(outputs, -1, labels.dtype) == labels, tf.float32))
        return tf.stack([correct, tf.reduce_sum(cross_entropy(outputs, labels, self.network.is_probability))])


def _check(session: Session, thresholds: Mapping[str, str]) -> None:
    origin = session.config.origin('model.layers')
    if not thresholds:
        raise UserError(f'{origin}: `search` needs a model with gates, e.g. models/gate/cifarnet.yaml; this one has none.')
    others = {name: threshold for name, threshold in thresholds.items() if threshold != 'online'}
    if others:
        name, threshold = next(iter(others.items()))
        raise UserError(
            f'{session.graph[name]}: `search` chooses how many channels are active for each image, expected '
            f'gate_params.threshold online; here it is {threshold}.'
        )


def _batches(session: Session, max_images: int | None) -> list[tuple[tf.Tensor, tf.Tensor]]:
    config = session.config
    source = data.data_of(config, 'validate')
    batches: list[tuple[tf.Tensor, tf.Tensor]] = []
    left = max_images
    with source.reading():
        for images, labels in data.epoch_of(
            config, 'validate', data=source, batch_size=config.get('eval.batch_size') or config.get('system.batch_size')
        ):
            batches.append((images[:left], labels[:left]))
            if left is not None:
                left -= len(batches[-1][1])
                if left <= 0:
                    break
    if not batches:
        raise UserError('the validation records hold no image.')
    return batches
