"""How good a gated network is before and after fine-tuning, by its start and its density; writes docs/warm_start.md.

    python -m benchmarks.warm_start [datasets/fashion_mnist.yaml] [--checkpoint pretrained] [--images 2000] [--fit-images 1024]
        [--tune EPOCHS]

The dense MCifarNet of the dataset, loaded into the gated one, is evaluated on the first `--images` validation images:

    warm        system.checkpoint.warm_start=true: phi = 0, rho = |gamma|
    fresh       system.checkpoint.warm_start=false: phi random, rho = 1, b = 0.1
    averages    warm, then batch norm's moving averages taken anew at the density, from training images
    fitted      warm, then fitted at the density to training images, averages too, as train.anneal.fit_images does:
                mayo/training/fit.py has the formulas

With --tune all but `averages` are then fine-tuned at TUNED as trainers/anneal.yaml says, but with no teacher, so many epochs.
Records are kept in docs/warm_start.json, a dataset each, and the page is written from them.
"""

import argparse
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf

from mayo.config import Config
from mayo.data.files import find_files
from mayo.session import data
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.training.fit import fit_gates_to, take_averages
from mayo.training.trainer import Trainer
from mayo.util.files import SHIPPED, whole_file

DENSITIES = (1.0, 0.9, 0.7, 0.5)
TUNED = 0.5  # density at which starts are fine-tuned
BATCH = 128
AS_EVALUATED = 'dataset.task.preprocess.train=$(dataset.task.preprocess.validate)'
RECORDS, PAGE = (SHIPPED / 'docs' / f'warm_start.{kind}' for kind in ('json', 'md'))
STARTS = {
    'warm': 'warm start',
    'fresh': 'fresh gates',
    'averages': 'warm start, averages taken anew',
    'fitted': 'fitted phi, averages taken anew',
}
TEXT = """# Where gates start

A dense checkpoint loaded into its gated model sets each gate so that the gated network at density 1.0 *is* the dense one
(`system.checkpoint.warm_start`, on unless it is set to false): rho is the size of batch norm's scale, whose sign goes into
the convolution, b is its shift, and phi is zero (`mayo/checkpoint/warm_start.py` has the formulas). So saliency is at first
the same for every image: the channels with small scales are suppressed always, until training has told images apart.

Top-1 of MCifarNet at each density before any fine-tuning, from a dense checkpoint. This page is written by
`python -m benchmarks.warm_start datasets/NAME.yaml`, which says in its first lines how each start is made.
"""
LESSONS = """
A gate both ranks channels and scales them. With phi = 0 it ranks by scale, the same for every image, and training changes that
only slowly. `train.anneal.fit_images` takes rank and scale apart before training (mayo/training/fit.py): each channel is scaled
so that all have nearly the same saliency, what reads it makes up for that, and the few percent by which saliencies still differ
are a prediction of how much the channel will matter, for this image, to what reads it.

Much of what is lost at high densities is not the choice at all: the maps of suppressed channels have lost their means, and
batch norm's averages in the layers behind still count on them. Taken anew at the density, they give that back; in fine-tuning
they follow by themselves.
"""


def main() -> None:
    """Evaluate one dataset, keep its record, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('dataset', nargs='?', default='datasets/fashion_mnist.yaml')
    parser.add_argument('--checkpoint', default='pretrained')
    parser.add_argument('--images', type=int, default=2000)
    parser.add_argument('--fit-images', type=int, default=1024)
    parser.add_argument('--tune', type=float, default=0)
    told = parser.parse_args()
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        words = [
            f'system.checkpoint.load={told.checkpoint}',
            *first_records(told.dataset, 'validate', told.images, pathlib.Path(folder)),
        ]
        to_fit = [
            f'system.checkpoint.load={told.checkpoint}',
            *first_records(told.dataset, 'train', told.fit_images, pathlib.Path(folder)),
            AS_EVALUATED,
        ]
        name = config_of(told.dataset, words).get('dataset.name')
        images = [batch for batch, _ in data.epoch_of(config_of(told.dataset, to_fit), 'train', batch_size=BATCH)]
        figures = measured(told.dataset, words, images)
        chosen = session_of(config_of(told.dataset, words), TUNED)
        fit_gates_to(chosen, images)
        record = {'images': told.images, 'fit_images': told.fit_images, 'top1': figures, 'varying': varying(chosen, images)}
        if told.tune:
            record |= {'epochs': told.tune, 'tuned': tuned(told.dataset, words, images, told.tune, folder)}
    records[name] = record
    with whole_file(RECORDS) as file:
        file.write_text(json.dumps(records, indent=1) + '\n')
    with whole_file(PAGE) as file:
        file.write_text(page(records))


def first_records(dataset: str, mode: str, count: int, folder: pathlib.Path) -> list[str]:
    """Words that make the first `count` images the whole of `mode`."""
    files = find_files(config_of(dataset, []).get(f'dataset.path.{mode}'), f'dataset.path.{mode}')
    path = folder / f'{mode}.tfrecord'
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in tf.data.TFRecordDataset(files).take(count):
            writer.write(record.numpy())
    return [f'dataset.path.{mode}={path}', f'dataset.num_examples_per_epoch.{mode}={count}']


def config_of(dataset: str, words: Sequence[str]) -> Config:
    """MCifarNet with gates on the dataset."""
    config = Config.default()
    for word in ('models/gate/cifarnet.yaml', dataset, *words):
        config.merge_file(SHIPPED / word) if word.endswith('.yaml') else config.merge_word(word)
    return config


def measured(dataset: str, words: Sequence[str], images: Sequence[tf.Tensor]) -> dict[str, dict[str, float]]:
    """Top-1 by start and density, told as they come."""
    figures: dict[str, dict[str, float]] = {start: {} for start in STARTS}
    for density in DENSITIES:
        for start in STARTS:
            session = session_of(config_of(dataset, [*words, starting(start)]), density)
            if start == 'averages':
                take_averages(session, images)
            if start == 'fitted':
                fit_gates_to(session, images)
            figures[start][f'{density:g}'] = accuracy = top1(session)
            print(f'density {density:g} {STARTS[start]}: {accuracy:.2%}', flush=True)
    return figures


def tuned(dataset: str, words: Sequence[str], images: Sequence[tf.Tensor], epochs: float, folder: str) -> dict[str, float]:
    """Top-1 by start after so many epochs at density TUNED. Nothing is kept: checkpoints go to `folder`."""
    load = session_of(config_of(dataset, words), TUNED).store.resolve(words[0].partition('=')[2])
    figures = {}
    for start in ('warm', 'fresh', 'fitted'):
        session = session_of(
            config_of(
                dataset,
                [
                    'trainers/anneal.yaml',
                    *words,
                    starting(start),
                    'train.distill.checkpoint=null',
                    f'train.max_epochs={epochs}',
                    'train.validate=false',
                    f'system.checkpoint.load={load}',
                    f'system.checkpoint.save={start}',
                    f'system.checkpoint.path={folder}',
                ],
            ),
            TUNED,
        )
        if start == 'fitted':
            fit_gates_to(session, images)
        Trainer(session).run()
        figures[start] = top1(session)
        print(f'{STARTS[start]}, {epochs:g} epochs at density {TUNED:g}: {figures[start]:.2%}', flush=True)
    return figures


def starting(start: str) -> str:
    """The word that says whether gates start warm."""
    return f'system.checkpoint.warm_start={str(start != "fresh").lower()}'


def session_of(config: Config, density: float) -> Session:
    """A session with its checkpoint loaded."""
    session = Session(config, density)
    session.load()
    return session


def top1(session: Session) -> float:
    """Over the validation images, in masked execution."""
    return evaluate(session, quiet=True, execution='masked').top1


def varying(session: Session, images: Sequence[tf.Tensor]) -> dict[str, float]:
    """By gated layer, the share of channels that win for more than 2 % and fewer than 98 % of the images."""
    masks = [{name: stat.mask.numpy() for name, stat in session.network(batch)[1].items()} for batch in images]
    often = {name: np.concatenate([mask[name] for mask in masks]).mean(0) for name in masks[0]}
    return {name: float(((share > 0.02) & (share < 0.98)).mean()) for name, share in often.items()}


def page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page: a table for each dataset."""
    parts = [TEXT]
    for dataset, record in records.items():
        parts.append(
            f'\n## {dataset}\n\nThe first {record["images"]:,} validation images; the last two rows use '
            f'{record["fit_images"]:,} training images.\n\n'
        )
        parts.append('| start | ' + ' | '.join(f'{density:g}' for density in DENSITIES) + ' |\n')
        parts.append('|---|' + '---|' * len(DENSITIES) + '\n')
        for start, label in STARTS.items():
            cells = [f'{100 * record["top1"][start][f"{density:g}"]:.2f} %' for density in DENSITIES]
            parts.append(f'| {label} | ' + ' | '.join(cells) + ' |\n')
        shares = ', '.join(f'{name} {100 * share:.0f} %' for name, share in record['varying'].items())
        parts.append(
            f'\nWith fitted phi, at density {TUNED:g}, so many of the channels win for some images and\nnot for '
            f'others: {shares}. With phi = 0 none do.\n'
        )
        if 'tuned' in record:
            reached = ', '.join(f'{STARTS[start]} {100 * value:.2f} %' for start, value in record['tuned'].items())
            length = f'{record["epochs"]:g} epoch{"s" * (record["epochs"] != 1)}'
            parts.append(f'\nAfter {length} of fine-tuning at density {TUNED:g} (`--tune {record["epochs"]:g}`): {reached}.\n')
    return ''.join([*parts, LESSONS])


if __name__ == '__main__':
    main()
