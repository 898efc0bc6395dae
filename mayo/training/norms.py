"""Batch norm's averages anew, for weights that have changed more than a short training lets them follow.

    moving = mean over batches of the batch's own        each batch 1 / n of it, whatever the momentum; dropout is off

After n steps of momentum m, m^n of an average is still what it was before: 15 % after 188 steps of 0.99.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from mayo.net.tf.network import Network
from mayo.session import data
from mayo.session.base import Session

NORM_BATCH = 128  # images whose mean and variance are one of those that are averaged


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
    norms = [part for part in _parts(network) if hasattr(part, 'moving_mean') and hasattr(part, 'momentum')]
    with (
        _with(norms, 'momentum'),
        _with([part for part in _parts(network) if isinstance(part, keras.layers.Dropout)], 'rate', 0),
    ):
        for number, images in enumerate(batches):
            for norm in norms:
                norm.momentum = number / (number + 1)
            network(images, training=True)


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
