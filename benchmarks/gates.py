"""What the choice by image is worth, without any training: networks with other choices in place of their own.

    python -m benchmarks.gates [--checkpoints gate70 gate50 gate30] [--densities 0.9 0.8 0.7 0.5] [--images 5000]

First the gated networks of MCifarNet on CIFAR-10 that ship, each with

    gates       its own choice
    fixed       for every image the k channels that most images pick; saliency goes on scaling them by image
    static      the same channels, each scaled by the mean of its saliency: what a network without gates computes
    chance      the channels that more than 95 % of the images pick; to make up k, any others that its gates ever pick

then the dense network, whose gates have policy `select`, each layer fed by layers that choose, too:

    oracle      for each image the k channels of largest strength, their mean activation, known only after computing all
    regression  the k channels that gates foresee to be the strongest, as `fit-gates` fits them
    fixed       the k channels of largest mean strength, for every image

Top-1 is that of held-out images, in 16 bits; use and means are those of training images. Batch norm keeps its averages.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf

from mayo.config import Config
from mayo.estimate.liveliness import ALWAYS, Liveliness, Use, mean_liveliness
from mayo.net.tf.gate.base import Values
from mayo.net.tf.layer.conv import GatedConvolution
from mayo.session import data
from mayo.session.base import Session
from mayo.training.fit import fit_gates
from mayo.util.files import SHIPPED

MODEL, DATASET = 'models/gate/cifarnet.yaml', 'datasets/cifar10_holdout.yaml'
LEARN_FROM = 2048  # training images

# (name of the layer, the layer, its input [N, H, W, C'], g [N, C]) -> what scales, and the mask, both [N, C]
Choice = Callable[[str, GatedConvolution, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Result:
    """Of one choice."""

    top1: float
    liveliness: Liveliness


def forward(session: Session, images: tf.Tensor, choose: Choice) -> tuple[tf.Tensor, dict[str, Any]]:
    """The logits, and the mask of each gated layer."""
    values, masks = dict.fromkeys(session.graph.inputs, images), {}
    for node in session.graph:
        sources = [values[name] for name in node.inputs]
        layer = session.network.node_layers[node.name]
        if isinstance(layer, GatedConvolution):
            [source] = sources
            gate = layer.gate
            _, summary = gate.observe(source)
            saliency, mask = choose(node.name, layer, source, gate.predict(summary))
            features = layer.convolved(source)
            given = Values(gate, features, layer.norm, summary, saliency, mask, training=False)
            values[node.name], _ = gate.policy.apply(given)
            masks[node.name] = mask
        else:
            values[node.name] = layer(sources[0] if len(sources) == 1 else sources, training=False)
    return values[session.graph.outputs[0]], masks


def own(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """As the gate has it."""
    return saliency, layer.gate.winners(saliency)


def oracle(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """By the strength of what the layer computes."""
    outputs = layer(source, training=False, keep=tf.constant(layer.gate.channels))[0]
    return saliency, layer.gate.winners(layer.gate.strength(outputs))


def of_one_ranking(ranks: Mapping[str, np.ndarray], scales: Mapping[str, np.ndarray] | None = None) -> Choice:
    """The channels of largest `ranks` [C] for every image. scales: what they are scaled by [C]; None: by their saliency."""

    def choose(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mask = np.zeros(layer.gate.channels, np.float32)
        mask[np.argsort(-ranks[name], kind='stable')[: layer.gate.keep]] = 1
        scale = saliency if scales is None else tf.broadcast_to(np.float32(scales[name]), tf.shape(saliency))
        return scale, tf.broadcast_to(mask, tf.shape(saliency))

    return choose


def by_chance(use: Mapping[str, np.ndarray]) -> Choice:
    """Channels used by more than ALWAYS of the images, and any of the others that are used at all, up to k. use: [C] by layer."""
    random = tf.random.Generator.from_seed(0)

    def choose(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = 2.0 * (use[name] > ALWAYS) + 1.0 * (use[name] > 0)
        return saliency, layer.gate.winners(random.uniform(tf.shape(saliency)) + np.float32(order))

    return choose


def batches(session: Session, mode: str, images: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """(images, labels), those of training as in evaluation."""
    config = session.config.copy()
    config.merge_word('dataset.task.preprocess.train=$(dataset.task.preprocess.validate)')
    size = config.get('system.batch_size')
    yield from data.epoch_of(config, mode, batch_size=size).take(-(-images // size))


def measure(session: Session, choose: Choice, held_out: int) -> Result:
    """Top-1 and liveliness under a choice."""
    right, seen = 0, 0
    use: dict[str, Use] = {}
    run = tf.function(lambda images: forward(session, images, choose), autograph=False, reduce_retracing=True)
    for images, labels in batches(session, 'validate', held_out):
        logits, masks = run(images)
        right += int((logits.numpy().argmax(1) == labels.numpy()).sum())
        seen += len(labels)
        for name, mask in masks.items():
            use[name] = use.get(name, Use.none()) + Use.of(mask.numpy())
    return Result(right / seen, mean_liveliness(layer.liveliness() for layer in use.values()))


def session_of(checkpoint: str, *words: str) -> Session:
    """The gated network with these weights."""
    config = Config.default()
    for word in (MODEL, DATASET, 'system.precision=mixed_bfloat16', *words, f'system.checkpoint.load={checkpoint}'):
        config.merge_file(SHIPPED / word) if word.endswith('.yaml') else config.merge_word(word)
    session = Session(config)
    session.load()
    return session


def shipped(checkpoint: str, held_out: int) -> Iterator[tuple[str, Result]]:
    """The choices for a gated network, by name."""
    session = session_of(checkpoint, f'_gate.density={int(checkpoint[-2:]) / 100}')
    use: dict[str, Any] = {}
    total: dict[str, Any] = {}

    def watch(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mask = layer.gate.winners(saliency)
        use[name] = use.get(name, 0) + mask.numpy().sum(0)
        total[name] = total.get(name, 0) + (saliency * mask).numpy().sum(0)
        return saliency, mask

    seen = 0
    for images, _ in batches(session, 'train', LEARN_FROM):
        forward(session, images, watch)
        seen += len(images)
    means = {name: total[name] / np.maximum(use[name], 1) for name in use}
    choices = {
        'gates': own,
        'fixed': of_one_ranking(use),
        'static': of_one_ranking(use, means),
        'chance': by_chance({name: count / seen for name, count in use.items()}),
    }
    for name, choose in choices.items():
        yield name, measure(session, choose, held_out)


def starts(density: float, held_out: int) -> Iterator[tuple[str, Result]]:
    """The choices for the dense network at a density, by name."""
    session = session_of('pretrained', '_gate.policy=select', f'_gate.density={density}')
    strengths: dict[str, Any] = {}

    def watch(name: str, layer: GatedConvolution, source: tf.Tensor, saliency: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = layer(source, training=False, keep=tf.constant(layer.gate.channels))[0]
        strengths[name] = strengths.get(name, 0) + layer.gate.strength(outputs).numpy().sum(0)
        return saliency, tf.ones_like(saliency)

    for images, _ in batches(session, 'train', LEARN_FROM):
        forward(session, images, watch)
    yield 'oracle', measure(session, oracle, held_out)
    yield 'fixed', measure(session, of_one_ranking(strengths), held_out)
    norms = [(variable, variable.numpy()) for variable in session.network.variables if 'moving' in variable.path]
    fit_gates(session, LEARN_FROM)
    for variable, value in norms:
        variable.assign(value)
    yield 'regression', measure(session, own, held_out)


def table(title: str, rows: Iterable[tuple[str, str, Result]]) -> None:
    """Print rows as they come, in Markdown."""
    print(f'| {title} | choice | top-1 | turnover | always / sometimes / never |\n' + '| --- ' * 5 + '|', flush=True)
    for label, name, result in rows:
        live = result.liveliness
        shares = f'{live.always:.2f} / {live.sometimes:.2f} / {live.never:.2f}'
        print(f'| {label} | {name} | {100 * result.top1:.2f} % | {live.turnover:.3f} | {shares} |', flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--checkpoints', nargs='*', default=['gate70', 'gate50', 'gate30'], help='their names end with the density'
    )
    parser.add_argument('--densities', nargs='*', type=float, default=[0.9, 0.8, 0.7, 0.5])
    parser.add_argument('--images', type=int, default=5000, help='held-out images')
    told = parser.parse_args(arguments)
    if told.checkpoints:
        table('network', ((name, *row) for name in told.checkpoints for row in shipped(name, told.images)))
    if told.densities:
        table('density', ((f'{density:g}', *row) for density in told.densities for row in starts(density, told.images)))


if __name__ == '__main__':
    main()
