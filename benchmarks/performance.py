"""Writes docs/performance.md: the goals of compact execution, what is reached, and every figure behind it.

    python -m benchmarks.performance [--only cifarnet ...] [--rounds 20]        half an hour on two quiet cores

Runs `bench` for each network, which leaves its figures in docs/performance/NAME.json and a picture beside them, and
makes the page of all figures there are. The last section of the page is written by hand and stays as it is.
"""

import argparse
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'performance.md'
FIGURES = ROOT / 'docs' / 'performance'
TRIED = '## What was tried and what it gave'


@dataclass(frozen=True)
class Goal:
    """How much faster than the best dense engine compact execution has to be, and should be."""

    density: float
    least: float
    aim: float


@dataclass(frozen=True)
class Run:
    """One command. Density 1.0 is in it to see what compact execution costs where it cannot win."""

    name: str
    words: tuple[str, ...]
    batch_size: int
    goals: tuple[Goal, ...]
    densities: tuple[float, ...]

    @property
    def settings(self) -> list[str]:
        """The words before `bench` that say what is measured."""
        densities = ','.join(map(str, self.densities))
        return [*self.words, f'bench.batch_sizes=[{self.batch_size}]', f'bench.densities=[{densities}]']


VGG16 = ('models/gate/vgg16_bn.yaml', 'datasets/imagenet.yaml')
RESNET18 = ('models/gate/resnet18.yaml', 'datasets/imagenet.yaml')
CIFARNET = ('models/gate/cifarnet.yaml', 'datasets/cifar10.yaml')
RUNS = (
    Run('vgg16_bn', VGG16, 1, (Goal(0.5, 2.0, 3.3), Goal(0.25, 4.5, 8.0)), (1.0, 0.5, 0.25)),
    Run('resnet18', RESNET18, 1, (Goal(0.5, 1.4, 2.2),), (1.0, 0.5, 0.25)),
    Run('cifarnet', CIFARNET, 1, (Goal(0.5, 1.2, 2.5), Goal(0.25, 2.0, 4.0)), (1.0, 0.7, 0.5, 0.35, 0.25)),
    Run('cifarnet-64', CIFARNET, 64, (Goal(0.5, 1.5, 2.5),), (1.0, 0.5, 0.25)),
)

HEAD = """\
# Performance

What `bench` measured on {cores} CPU cores with {threads} threads, in 32-bit floats, {weights}: each network in each engine,
in a process of its own, in turns with the others of its table. The best dense engine is the fastest of TensorFlow,
TensorFlow with XLA, ONNX Runtime, OpenVINO and our own, given the same network with constant weights and batch norm folded
into them. The static network has the widths that compact execution computes, the same channels for every image, and no gates:
the ceiling.

`python -m benchmarks.performance` measures all this and writes this page, but for its last section.

## Goals

"""
FULL = """
At density 1.0, where nothing can be skipped, compact execution may take 1.1 times as long as masked execution:

"""


def measure(run: Run, rounds: int) -> None:
    """Run its command; the figures and the picture go to FIGURES."""
    words = [
        f'bench.rounds={rounds}',
        'bench.format=json',
        f'bench.path={FIGURES / run.name}.json',
        f'bench.plot={FIGURES / run.name}.svg',
    ]
    subprocess.run([ROOT / 'my', *run.settings, *words, 'bench'], check=True)


def page(figures: Mapping[str, Any], cores: int, prose: str) -> str:
    """The whole page. figures: JSON of `bench` by the name of a run; prose: the last section."""
    runs = [run for run in RUNS if run.name in figures]
    threads, weights = (
        ' or '.join(dict.fromkeys(str(figures[run.name][key]) for run in runs)) for key in ('threads', 'weights')
    )
    parts = [
        HEAD.format(cores=cores, threads=threads, weights=weights),
        goals(runs, figures),
        FULL,
        full(runs, figures),
        '\n## Measurements\n',
    ]
    for run in runs:
        parts += section(run, figures[run.name])
    return ''.join(parts) + f'\n{TRIED}\n\n{prose.strip()}\n'


def goals(runs: Sequence[Run], figures: Mapping[str, Any]) -> str:
    """The table of goals and what is reached."""
    rows = []
    for run in runs:
        for goal in run.goals:
            group = group_of(figures[run.name], goal.density)
            dense, compact = best(group, 'dense'), best(group, 'compact')
            rows.append(
                [
                    *name_of(run, figures),
                    goal.density,
                    engine(dense),
                    engine(compact),
                    ratio(compact['speedup']),
                    ratio(goal.least),
                    ratio(goal.aim),
                    verdict(compact['speedup'], goal),
                    ratio(compact['of_static']),
                ]
            )
    return table(
        [
            'network',
            'batch',
            'density',
            'best dense, ms',
            'best compact, ms',
            'speedup',
            'at least',
            'aim',
            'reached',
            'of static',
        ],
        rows,
    )


def verdict(speedup: float, goal: Goal) -> str:
    """Which of a goal's two numbers the speedup reaches: `aim`, at least the lower one (`yes`), or none (`no`)."""
    return 'aim' if speedup >= goal.aim else 'yes' if speedup >= goal.least else 'no'


def full(runs: Sequence[Run], figures: Mapping[str, Any]) -> str:
    """The table of density 1.0."""
    rows = []
    for run in runs:
        group = group_of(figures[run.name], 1.0)
        masked, compact = best(group, 'masked'), best(group, 'compact', 'native')
        rows.append([*name_of(run, figures), engine(masked), engine(compact), ratio(median(compact) / median(masked))])
    return table(['network', 'batch', 'masked, ms', 'compact, ms', 'compact / masked'], rows)


def section(run: Run, figures: Any) -> Iterator[str]:
    """Every figure of one run."""
    yield f'\n### {figures["model"]}, batch {run.batch_size}\n\n    ./my {" ".join(run.settings)} bench\n'
    if (FIGURES / f'{run.name}.svg').exists():
        yield f'\n![Time over density]({FIGURES.name}/{run.name}.svg)\n'
    for group in figures['groups']:
        rows = [
            [
                timed['label'],
                *(number(1000 * timed['seconds'][part]) for part in ('median', 'p5', 'p95')),
                number(timed['images_per_second']),
                ratio(timed['speedup']),
                ratio(timed['of_static']),
                ratio(timed['macs'] / group['dense_macs'], ''),
                ratio(timed['efficiency'], ''),
                f'{timed["peak_bytes"] / 2**20:.0f}',
            ]
            for timed in group['measurements']
        ]
        yield f'\nDensity {group["density"]:g}:\n\n'
        yield table(['', 'ms', 'p5', 'p95', 'images/s', 'speedup', 'of static', 'MACs', 'efficiency', 'MiB'], rows)
    for note in figures['notes']:
        yield f'\n{note}\n'


def group_of(figures: Any, density: float) -> Any:
    """What was measured at one density."""
    return next(group for group in figures['groups'] if group['density'] == density)


def best(group: Any, network: str, engine: str | None = None) -> Any:
    """The fastest engine of a network, or that engine."""
    candidates = [timed for timed in group['measurements'] if timed['network'] == network and engine in (None, timed['engine'])]
    return min(candidates, key=median)


def median(measurement: Any) -> float:
    """The median of its times in seconds."""
    return float(measurement['seconds']['median'])


def name_of(run: Run, figures: Mapping[str, Any]) -> tuple[str, int]:
    """The first two cells of a row: the network and the batch."""
    return figures[run.name]['model'], run.batch_size


def engine(timed: Any) -> str:
    """Its name and its time."""
    return f'{timed["engine"]}, {number(1000 * median(timed))}'


def number(value: float) -> str:
    """Three digits, or all of a whole part that has more."""
    return f'{value:.0f}' if value >= 1000 else f'{value:#.3g}'.rstrip('.')


def ratio(value: float | None, unit: str = 'x') -> str:
    """With two decimals and its unit; a dash if there is none."""
    return '-' if value is None else f'{value:.2f}{unit}'


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """In Markdown."""
    return ''.join(f'| {" | ".join(map(str, cells))} |\n' for cells in (header, ['---'] * len(header), *rows))


def prose_of(text: str) -> str:
    """The section of a page that is written by hand."""
    return text.partition(f'{TRIED}\n')[2].strip() or 'This section is written by hand.'


def main() -> None:
    """Measure the networks that --only names, and write the page from all that was measured."""
    parser = argparse.ArgumentParser(description='Measure compact execution and write docs/performance.md.')
    parser.add_argument(
        '--only',
        nargs='*',
        choices=[run.name for run in RUNS],
        default=[run.name for run in RUNS],
        help='the networks to measure again; none: only write the page',
    )
    parser.add_argument('--rounds', type=int, default=20)
    options = parser.parse_args()
    for run in RUNS:
        if run.name in options.only:
            measure(run, options.rounds)
    figures = {path.stem: json.loads(path.read_text()) for path in FIGURES.glob('*.json')}
    prose = prose_of(PAGE.read_text() if PAGE.exists() else '')
    PAGE.write_text(page(figures, os.cpu_count() or 1, prose))


if __name__ == '__main__':
    main()
