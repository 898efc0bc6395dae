"""Writes docs/results.md: what networks reach on CIFAR-10, what they cost, and how long they take.

    python -m benchmarks.results [--only LABEL ...] [--rounds 40]          ten minutes on two quiet cores; 0: times stay
    python -m benchmarks.results --page                                    the page alone, from the records

Each network of NETWORKS is evaluated on the test images, and on the 5,000 training images on which every choice was made.
Then all are timed, an image at a time, in turns, beside the dense network in each engine that is installed. docs/results.json
keeps a record of each network, from which the page and docs/results.svg are written. Those whose checkpoint is not here keep
the record that they have.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from mayo.bench.command import subject
from mayo.bench.latency import cores, take_turns
from mayo.bench.worker import Worker
from mayo.config import Config
from mayo.estimate import estimate
from mayo.net.tf.compact import Program, lower_graph
from mayo.net.tf.engines import Job, engines
from mayo.report.curve import PUBLISHED, Point
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.util import picture
from mayo.util.extras import missing
from mayo.util.files import SHIPPED, whole_file

RECORDS, PAGE, CURVE = (SHIPPED / 'docs' / f'results.{kind}' for kind in ('json', 'md', 'svg'))
DATASETS = {'test': 'datasets/cifar10.yaml', 'held out': 'datasets/cifar10_holdout.yaml'}
DENSE = 'dense'
PEERS = ('tensorflow', 'xla', 'onnxruntime', 'openvino')
IMAGES = 16  # different ones that a network is timed on


@dataclass(frozen=True)
class Network:
    """A row. words: what names the network, before its dataset; published: what the paper has."""

    label: str
    group: str
    words: tuple[str, ...]
    checkpoint: str
    published: Point | None = None

    @property
    def command(self) -> str:
        """What evaluates it on the test images."""
        return ' '.join(['./my', *self.words, DATASETS['test'], f'system.checkpoint.load={self.checkpoint}', 'eval info'])


def gated(model: str, group: str, checkpoints: Mapping[float, str]) -> Iterator[Network]:
    """A row for each density, with the name of the weights; some were trained at another density than they run at."""
    for density, checkpoint in checkpoints.items():
        label = f'{group}, density {density:g}'
        yield Network(
            label,
            group,
            (f'models/gate/{model}.yaml', f'_gate.density={density:g}'),
            checkpoint,
            PAPER.get(f'{group} {density:g}'),
        )


PAPER = {point.name: point for point in PUBLISHED['cifarnet', 'cifar10']}
NETWORKS = (
    Network(DENSE, DENSE, ('models/cifarnet.yaml',), 'pretrained', PAPER[DENSE]),
    *gated(
        'cifarnet',
        'FBS',
        {1.0: 'pretrained', 0.9: 'gate70', 0.8: 'gate70', 0.7: 'gate70', 0.6: 'gate50', 0.5: 'gate50', 0.3: 'gate30'},
    ),
)


def record_of(network: Network) -> dict[str, Any]:
    """What `eval` and `info` say of it, on both sets of images."""
    record: dict[str, Any] = {'command': network.command, 'top1': {}, 'top5': {}}
    for name, dataset in DATASETS.items():
        session = Session(config_of(network, dataset))
        evaluation = evaluate(session)
        record['top1'][name], record['top5'][name] = evaluation.top1, evaluation.top5
        record['turnover'] = evaluation.mean_liveliness.turnover if evaluation.mean_liveliness else None
        if name == 'test':
            costs = estimate(session.graph, session.input_shape, evaluation.counts)
            record |= {key: sum(getattr(cost, key) for cost in costs) for key in ('dense', 'macs', 'executed')}
            record['density'] = evaluation.mean_density
        print(f'{network.label}: {name} {evaluation.render()}', flush=True)
    return record


def is_here(network: Network) -> bool:
    """Whether its checkpoint exists; says so if it does not."""
    exists = network.checkpoint in Session(config_of(network, DATASETS['test'])).store.names()
    if not exists:
        print(f'{network.label}: there is no checkpoint {network.checkpoint}; its record stays as it is')
    return exists


def config_of(network: Network, dataset: str) -> Config:
    """Its words, as on the command line."""
    config = Config.default()
    for word in (*network.words, dataset, f'system.checkpoint.load={network.checkpoint}'):
        config.merge_file(SHIPPED / word) if word.endswith('.yaml') else config.merge_word(word)
    return config


def program_of(network: Network) -> tuple[Program, tuple[int, ...]]:
    """What runs, and the shape of an image."""
    session = Session(config_of(network, DATASETS['test']))
    session.load()
    loaded = subject(session)
    return lower_graph(loaded.graph, loaded.input_shape, loaded.weights), loaded.input_shape.dims


def times(networks: Sequence[Network], rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds an image by label and engine: ours for all, the others for the dense network."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        running: dict[tuple[str, str], Worker] = {}
        for network in networks:
            program, dims = program_of(network)
            for engine in ('native', *(PEERS if network.label == DENSE else ())):
                file = engines[engine].network_file
                if file is not None and not missing(engines[engine].packages + file.packages):
                    path = pathlib.Path(name) / f'{len(running)}'
                    file.write(program, path, 1)
                    worker = Worker(Job(engine, str(path), dims, 1, IMAGES, cores()), path.with_suffix('.log'))
                    stack.callback(worker.kill)
                    worker.ready()
                    running[network.label, engine] = worker
        taken = take_turns({key: worker.turn for key, worker in running.items()}, rounds)
    milliseconds: dict[str, dict[str, float]] = {}
    for (label, engine), seconds in taken.items():
        milliseconds.setdefault(label, {})[engine] = 1000 * statistics.median(seconds)
        print(f'{label}, {engine}: {milliseconds[label][engine]:.3f} ms', flush=True)
    return milliseconds


def add_times(records: dict[str, dict[str, Any]], times: Mapping[str, Mapping[str, float]]) -> None:
    """Put milliseconds by label and engine into the records, and as a fraction of the dense network's in this run.

    The record of the dense network keeps the labels of all that were timed beside it.
    """
    for label, milliseconds in times.items():
        records[label] |= {
            'milliseconds': dict(milliseconds),
            'threads': cores(),
            'latency': milliseconds['native'] / min(times[DENSE].values()),
        }
    records[DENSE]['beside'] = list(times)


HEAD = """\
# Results on CIFAR-10

Two questions: what does a gated network lose against the dense one, and does its choice of channels *by image* make the difference, or
would the same channels for every image do? In short, for MCifarNet and as far as it is measured:

- At density 0.7 nothing is lost for half of the multiply-accumulates, at 0.5 0.7 points for a quarter, at 0.3 2.8 for a tenth.
- The gates that ship look at the image little (turnover 0.03 to 0.08). Fixed to the channels that they use most, the networks lose 0.4,
  0.9 and 1.6 points without any training; what gates do besides, scaling channels by image, is worth more: 2.3, 3.2 and 10.4.
- After a short training on equal terms, a static network of the same channels is 1.0 point behind at 0.5. Gates that choose more by image
  have not beaten fixed channels in the budgets tried.

## What ships

| column | |
| --- | --- |
| top-1, top-5 | of the 10,000 test images, which are read for this table alone |
| loss | points of top-1 below the dense network |
| held out | top-1 of 5,000 training images that no training saw (`datasets/cifar10_holdout.yaml`), on which every choice was made |
| turnover | share of an image's active channels that another image has not ([fbs.md](fbs.md#what-is-counted)): 0 is a static network |
| published, executed | multiply-accumulates (MACs) of an image, in the accounting of the paper and as they run |
| latency | of an image in our engine, {cores} threads, over that of the dense network in its fastest engine, {fastest}; *: of an earlier run |

"""
TAIL = """
MCifarNet on a copy of CIFAR-10 that went through JPEG, which makes the images harder to tell apart: published figures are not of the
same images. The weights of 0.9 and 0.8 are those of 0.7, the weights of 0.6 those of 0.5: `gate70`,
`gate50` and `gate30` ship, and the dense network, `pretrained`. They came out of three trainings of different length, so
no line joins them. `python -m benchmarks.results` wrote the table and the picture.

![Top-1 over executed MACs](results.svg)

Published on the original images: by the authors (https://openreview.net/forum?id=BJxh2j0qYm, table 4), the dense network
91.37 %, and at density 0.5, 90.54 % (top-5 99.75 %), a loss of 0.83 points; by an independent reproduction with the authors' code,
91.23 % at 0.7 and 89.88 % at 0.5.

"""
BY_HAND = '## Does the choice by image pay?\n'


def page(records: Mapping[str, Mapping[str, Any]], by_hand: str) -> str:
    """The whole page. by_hand: its last sections, under the headline BY_HAND."""
    dense = records[DENSE]
    fastest = min(dense['milliseconds'], key=dense['milliseconds'].get)
    rows = [row(network, records[network.label], records) for network in NETWORKS if network.label in records]
    return (
        HEAD.format(cores=dense['threads'], fastest=fastest)
        + table(
            [
                'network',
                'top-1',
                'top-5',
                'loss',
                'held out',
                'turnover',
                'published',
                'executed',
                'latency',
                'top-1 published',
                'MACs published',
            ],
            rows,
        )
        + TAIL
        + f'{BY_HAND}\n{by_hand.strip()}\n'
    )


def row(network: Network, record: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Its cells."""
    paper = network.published
    loss = 100 * (records[DENSE]['top1']['test'] - record['top1']['test'])
    return [
        network.label,
        *(f'{100 * share:.2f} %' for share in (record['top1']['test'], record['top5']['test'])),
        '' if network.label == DENSE else f'{loss:.2f}',
        f'{100 * record["top1"]["held out"]:.2f} %',
        '' if record.get('turnover') is None else f'{record["turnover"]:.3f}',
        *(f'{record[key] / 1e6:.1f}M' for key in ('macs', 'executed')),
        f'{record["latency"]:.2f}{"" if network.label in records[DENSE]["beside"] else " *"}',
        *([f'{100 * paper.top1:.2f} %', f'{paper.macs / 1e6:.0f}M'] if paper else ['', '']),
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """In Markdown."""
    return ''.join(f'| {" | ".join(map(str, cells))} |\n' for cells in (header, ['---'] * len(header), *rows))


def draw(records: Mapping[str, Mapping[str, Any]]) -> Any:
    """Top-1 over executed MACs, a point for each network; none are joined, as each has a training of its own."""
    figure = picture.figure(7.5, 4.5)
    axes = figure.subplots()
    for group, mark in zip(dict.fromkeys(network.group for network in NETWORKS), 'so^Dv', strict=False):
        members = [records[network.label] for network in NETWORKS if network.group == group and network.label in records]
        axes.plot(
            [record['executed'] / 1e6 for record in members],
            [100 * record['top1']['test'] for record in members],
            color=picture.INK,
            marker=mark,
            markersize=6,
            linestyle='none',
            label=group,
            markerfacecolor=picture.INK if group == 'FBS' else 'white',
        )
    axes.set(xlabel='million executed multiply-accumulates (MACs) an image', ylabel='top-1 on the test images, %')
    axes.set_xlim(left=0)
    axes.grid(color=picture.PALE, linewidth=0.5)
    axes.legend(loc='lower right')
    return figure


def main() -> None:
    """Evaluate, time, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--only',
        nargs='+',
        choices=[network.label for network in NETWORKS],
        metavar='LABEL',
        help='the networks to evaluate again; all are timed',
    )
    parser.add_argument('--page', action='store_true', help='write the page alone')
    parser.add_argument('--rounds', type=int, default=40)
    told = parser.parse_args()
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    if not told.page:
        here = [network for network in NETWORKS if is_here(network)]
        for network in here:
            if told.only is None or network.label in told.only:
                records[network.label] = record_of(network)
        if told.rounds:
            add_times(records, times([network for network in here if network.label in records], told.rounds))
        with whole_file(RECORDS) as file:
            file.write_text(json.dumps(records, indent=1) + '\n')
    picture.save(draw(records), CURVE)
    by_hand = PAGE.read_text().partition(BY_HAND)[2] if PAGE.exists() else ''
    with whole_file(PAGE) as file:
        file.write_text(page(records, by_hand))


if __name__ == '__main__':
    main()
