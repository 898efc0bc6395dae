"""Batch norm's averages in a short training, whose weights change more than they follow: faster, or taken anew at the end.

    moving = mean over batches of the batch's own        each batch 1 / n of it, whatever the momentum; dropout is off

After n steps of momentum m, m^n of an average is still what it was before: 15 % after 188 steps of 0.99.
"""

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from mayo.net.tf.network import Network
from mayo.session import data
from mayo.session.base import Session

_LEFT = 0.01  # of what an average was at first, after a quarter of the training
_log = logging.getLogger(__name__)
NORM_BATCH = 128  # images whose mean and variance are one of those that are averaged


@contextlib.contextmanager
def following(network: Network, steps: int, momentum: float | None = None) -> Iterator[None]:
    """Inside, batch norm's averages have `momentum` or, where that is None, their own, or less where steps are few.

    min(own, 0.01^(4 / steps)), so that after a quarter of the steps 1 % is left of what an average was: 24 steps, 0.46;
    240 steps, 0.93; from 1833 steps on, 0.99. Step functions are traced inside.
    """
    norms = _norms(network)
    most = _LEFT ** (4 / max(steps, 1)) if momentum is None else momentum
    lowered = [norm for norm in norms if norm.momentum > most] if momentum is None else norms
    if lowered and momentum is None:
        _log.info('batch norm takes its averages with momentum %.2f, since %d steps are few', most, steps)
    with _with(lowered, 'momentum', most):
        yield


def renew_norms(session: Session, images: int) -> None:
    """The averages over the first `images` training images, seen as in evaluation."""
    config = session.config.copy()
    config.merge_word('dataset.task.preprocess.train=$(dataset.task.preprocess.validate)')
    size = min(images, NORM_BATCH)
    source = data.data_of(config, 'train')
    with source.reading():
        batches = data.epoch_of(config, 'train', data=source, batch_size=size, drop_remainder=True)
        take_averages(session.network, (batch for batch, _ in batches.take(images // size)))


def take_averages(network: Network, batches: Iterable[tf.Tensor]) -> None:
    """The averages over batches of images [N, H, W, C], each of which counts alike."""
    norms = _norms(network)
    with (
        _with(norms, 'momentum'),
        _with([part for part in _parts(network) if isinstance(part, keras.layers.Dropout)], 'rate', 0),
    ):
        for number, images in enumerate(batches):
            for norm in norms:
                norm.momentum = number / (number + 1)
            network(images, training=True)


def _norms(network: Network) -> list[Any]:
    return [part for part in _parts(network) if hasattr(part, 'moving_mean') and hasattr(part, 'momentum')]


def _parts(network: Network) -> list[Any]:
    return list(itertools.chain.from_iterable(layer._flatten_layers() for layer in network.node_layers.values()))


@contextlib.contextmanager
def _with(layers: Iterable[Any], attribute: str, value: float | None = None) -> Iterator[None]:
    """An attribute of layers is `value`, if that is given, and afterwards what it was."""
    layers = list(layers)
    before = [getattr(layer, attribute) for layer in layers]
    for layer in layers if value is not None else ():
        setattr(layer, attribute, value)
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            setattr(layer, attribute, own)
