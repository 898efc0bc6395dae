"""Accuracy over the mean time of an image, where a threshold gives each image a budget of its own, against the same for all.

    python -m benchmarks.budget [datasets/fashion_mnist.yaml] [--checkpoint gate50] [--densities 0.6 0.5 0.4]
        [--fit-images 2000] [--images 8000] [--timed 500]

MCifarNet with gates and one set of weights, each density with `threshold` online, local and global. Thresholds are set, without
training, as training would: to the mean of the images' own cuts, layer after layer as gated so far, on the first --fit-images
validation images. Top-1 and executed MACs are those of the next --images of them. Then the first --timed of these run in the
native engine one by one, all networks in turns on each image.
"""

import argparse
import os
import time
from collections.abc import Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf

from mayo.config import Config
from mayo.estimate import executed_spread
from mayo.net.tf.compact import lower
from mayo.net.tf.compact.native import NativeNetwork
from mayo.net.tf.gate.threshold import best_loser, best_loser_of_all
from mayo.session import data
from mayo.session.base import Session
from mayo.util.files import SHIPPED
from mayo.util.format import percent, short, table

KINDS = ('online', 'local', 'global')
BATCH = 500
STRICT = 'system.checkpoint.strict=false'  # thresholds are not in weights that were trained without them


def session_of(dataset: str, checkpoint: str, density: float, kind: str) -> Session:
    """The gated network with its weights."""
    config = Config.default()
    for file in ('models/gate/cifarnet.yaml', dataset):
        config.merge_file(SHIPPED / file)
    for word in (f'_gate.density={density}', f'_gate.threshold={kind}', f'system.checkpoint.load={checkpoint}', STRICT):
        config.merge_word(word)
    session = Session(config)
    session.load()
    return session


def validation_images(dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """All of them, as the network reads them, and their labels."""
    config = session_of_data(dataset)
    batches = [(images.numpy(), labels.numpy()) for images, labels in data.epoch_of(config, 'validate', batch_size=BATCH)]
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def session_of_data(dataset: str) -> Config:
    """The configuration that reads them."""
    config = Config.default()
    for file in ('models/gate/cifarnet.yaml', dataset):
        config.merge_file(SHIPPED / file)
    return config


def set_thresholds(session: Session, kind: str, images: np.ndarray) -> None:
    """Each at the mean of its cuts; a pass for every layer, as what one layer computes depends on those before it."""
    network = session.network
    gates = {name: layer.gate for name, layer in network.node_layers.items() if getattr(layer, 'gate', None) is not None}
    run = tf.function(lambda batch: network(batch, training=False)[1], autograph=False)
    for _ in range(len(gates) if kind != 'online' else 0):
        batches = [run(tf.constant(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
        if kind == 'global':
            keeps = [gate.keep for gate in gates.values()]
            cuts = [best_loser_of_all([stats[name].saliency for name in gates], keeps) for stats in batches]
            assert network.threshold is not None
            network.threshold.average.assign(tf.reduce_mean(tf.concat(cuts, 0)))
        else:
            for name, gate in gates.items():
                cuts = [best_loser(stats[name].saliency, gate.keep) for stats in batches]
                gate.threshold.average.assign(tf.reduce_mean(tf.concat(cuts, 0)))


def milliseconds(networks: Sequence[NativeNetwork], images: np.ndarray) -> list[np.ndarray]:
    """Of each network, what each image took; the networks take turns."""
    taken: list[list[float]] = [[] for _ in networks]
    for network in networks:
        network.run(images[:8])
    for position in range(len(images)):
        image = images[position : position + 1]
        for network, own in zip(networks, taken, strict=True):
            start = time.perf_counter()
            network.run(image)
            own.append(1000 * (time.perf_counter() - start))
    return [np.array(own) for own in taken]


def main() -> None:
    """Print a row for each density and threshold."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('dataset', nargs='?', default='datasets/fashion_mnist.yaml')
    parser.add_argument('--checkpoint', default='gate50')
    parser.add_argument('--densities', nargs='+', type=float, default=[0.6, 0.5, 0.4])
    parser.add_argument('--fit-images', type=int, default=2000)
    parser.add_argument('--images', type=int, default=8000)
    parser.add_argument('--timed', type=int, default=500)
    told = parser.parse_args()
    images, labels = validation_images(told.dataset)
    fit, images = images[: told.fit_images], images[told.fit_images :][: told.images]
    labels = labels[told.fit_images :][: told.images]
    networks: list[NativeNetwork] = []
    figures: list[list[Any]] = []
    for density in told.densities:
        for kind in KINDS:
            session = session_of(told.dataset, told.checkpoint, density, kind)
            set_thresholds(session, kind, fit)
            network = NativeNetwork(lower(session.network, session.input_shape))
            outputs, masks = network.run(images)
            ends = np.cumsum(list(network.widths.values()))[:-1]
            counts = {name: mask.sum(1) for name, mask in zip(network.widths, np.split(masks, ends, axis=1), strict=True)}
            spread = executed_spread(session.graph, session.input_shape, counts)
            top1 = float((outputs.argmax(-1) == labels).mean())
            networks.append(network)
            figures.append([f'{density:g}', kind, percent(top1), short(spread.mean), short(spread.p5), short(spread.p95)])
            print(*figures[-1], flush=True)
    times = milliseconds(networks, images[: told.timed])
    rows = [
        [*row, f'{own.mean():.3f}', f'{np.percentile(own, 5):.3f}', f'{np.percentile(own, 95):.3f}']
        for row, own in zip(figures, times, strict=True)
    ]
    print(table(['density', 'threshold', 'top-1', 'MACs, mean', 'p5', 'p95', 'ms, mean', 'p5', 'p95'], rows))


if __name__ == '__main__':
    main()
