"""Writes docs/performance.md: the goals of compact execution, what is reached, and every figure behind it.

    python -m benchmarks.performance [--only cifarnet ...] [--rounds 20]        two hours on two quiet cores

Runs `bench` for each network, which leaves its figures in docs/performance/NAME.json and a picture beside them, and
makes the page of all figures there are. The last section of the page is written by hand and stays as it is.
"""

import argparse
import json
import os
import pathlib
import statistics
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
    """How many times as fast as the best dense engine of any precision compact execution has to be, and should be."""

    density: float
    least: float
    aim: float


@dataclass(frozen=True)
class Run:
    """One command. Density 1.0, where there is one, says what compact execution costs where it cannot win."""

    name: str
    words: tuple[str, ...]
    goals: tuple[Goal, ...]
    batch_size: int = 1
    densities: tuple[float, ...] = (0.5,)
    engines: tuple[str, ...] = ('onnxruntime', 'openvino', 'nncf', 'litert', 'native')

    @property
    def settings(self) -> list[str]:
        """The words before `bench` that say what is measured."""
        return [
            *self.words,
            f'bench.batch_sizes=[{self.batch_size}]',
            f'bench.densities=[{",".join(map(str, self.densities))}]',
            f'bench.precisions=[{",".join(PRECISIONS)}]',
            f'bench.engines=[{",".join(self.engines)}]',
        ]


def imagenet(name: str, *goals: Goal, **options: Any) -> Run:
    """A network of the zoo, one image of ImageNet's size at a time."""
    return Run(name, (f'models/gate/{name}.yaml', 'datasets/imagenet.yaml'), goals, **options)


PRECISIONS = ('float32', 'bfloat16', 'int8')
ALL = ('tensorflow', 'xla', 'onnxruntime', 'openvino', 'nncf', 'litert', 'native')
CIFARNET = ('models/gate/cifarnet.yaml', 'datasets/cifar10.yaml', 'system.checkpoint.load=gate50', 'bench.dense=pretrained')
RUNS = (
    imagenet('vgg16_bn', Goal(0.5, 1.8, 2.6), Goal(0.25, 4.0, 6.0), densities=(0.5, 0.25)),
    imagenet('resnet18', Goal(0.5, 1.3, 1.5), densities=(1.0, 0.5, 0.25), engines=ALL),
    imagenet('resnet50', Goal(0.5, 1.15, 1.35)),
    imagenet('mobilenet', Goal(0.5, 1.3, 1.9)),
    imagenet('mobilenet_v2', Goal(0.5, 1.15, 1.35)),
    imagenet('efficientnet_b0', Goal(0.5, 1.15, 1.35)),
    imagenet('densenet121', Goal(0.5, 1.15, 1.35)),
    imagenet('squeezenet_v11', Goal(0.5, 1.15, 1.35)),
    Run('cifarnet', CIFARNET, (Goal(0.5, 1.15, 1.4), Goal(0.25, 1.7, 2.2)), densities=(1.0, 0.7, 0.5, 0.35, 0.25), engines=ALL),
    Run('cifarnet-64', CIFARNET, (Goal(0.5, 1.6, 2.6),), 64, (1.0, 0.5, 0.25), ALL),
)

HEAD = """\
# Performance

What `bench` measured on {cores} CPU cores with {threads} threads, a processor on which our engine uses {instructions}, {weights}: each
network in each engine, in a process of its own, in turns with the others of its table. The best dense engine is the fastest of
those in the table, of any precision, given the same network with constant weights and batch norm folded into them; an engine that
loses accuracy in int8 counts, and where there is a checkpoint a column says what it loses. The static network has the widths that
compact execution computes, the same channels for every image, and no gates: the ceiling.

`python -m benchmarks.performance` measures all this and writes this page, but for its last section.

## Against the best dense engine of any precision

"""
MEANS = """
## Against the same precision

Geometric means over the networks, density 0.5. `dense`: our dense network's speed over that of the best other engine; `compact`: our
compact network's speed over that of the best static network of the same widths, ours among them.

"""
FULL = """
At density 1.0, where nothing can be skipped, compact execution may take 1.1 times as long as masked execution (float32):

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
        HEAD.format(cores=cores, threads=threads, weights=weights, instructions=instructions()),
        goals(runs, figures),
        MEANS,
        means(runs, figures),
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
            if not is_there(figures[run.name], goal.density):
                continue
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


def means(runs: Sequence[Run], figures: Mapping[str, Any]) -> str:
    """The table of geometric means, a row for each precision."""
    rows = []
    for precision in PRECISIONS:
        dense: list[float] = []
        compact: list[float] = []
        for run in runs:
            if not is_there(figures[run.name], 0.5):
                continue
            group = group_of(figures[run.name], 0.5)
            own = [timed for timed in group['measurements'] if timed.get('precision', 'float32') == precision]
            times = {(timed['network'], timed['engine']): median(timed) for timed in own}
            others = [time for (network, name), time in times.items() if network == 'dense' and name != 'native']
            fixed = [time for (network, _), time in times.items() if network == 'static']
            if others and ('dense', 'native') in times:
                dense.append(min(others) / times['dense', 'native'])
            if fixed and ('compact', 'native') in times:
                compact.append(min(fixed) / times['compact', 'native'])
        if dense or compact:
            rows.append([precision, mean(dense), len(dense), mean(compact), len(compact)])
    return table(['precision', 'dense', 'networks', 'compact', 'networks'], rows)


def mean(ratios: Sequence[float]) -> str:
    """The geometric one; a dash for none."""
    return ratio(statistics.geometric_mean(ratios) if ratios else None)


def full(runs: Sequence[Run], figures: Mapping[str, Any]) -> str:
    """The table of density 1.0."""
    rows = []
    for run in runs:
        if not is_there(figures[run.name], 1.0):
            continue
        group = group_of(figures[run.name], 1.0)
        if any(timed['network'] == 'masked' for timed in group['measurements']):
            masked, compact = best(group, 'masked'), best(group, 'compact', 'native', 'float32')
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
                ratio(timed.get('of_dense')),
                ratio(timed['of_static']),
                ratio(timed['macs'] / group['dense_macs'], ''),
                '-' if timed.get('top1') is None else f'{timed["top1"]:.1%}'.replace('%', ' %'),
                f'{timed["peak_bytes"] / 2**20:.0f}',
            ]
            for timed in group['measurements']
        ]
        yield f'\nDensity {group["density"]:g}:\n\n'
        yield table(['', 'ms', 'p5', 'p95', 'images/s', 'speedup', 'of same', 'of static', 'MACs', 'top-1', 'MiB'], rows)
    for note in figures['notes']:
        yield f'\n{note}\n'


def group_of(figures: Any, density: float) -> Any:
    """What was measured at one density."""
    return next(group for group in figures['groups'] if group['density'] == density)


def is_there(figures: Any, density: float) -> bool:
    """Whether a density was measured."""
    return any(group['density'] == density for group in figures['groups'])


def best(group: Any, network: str, engine: str | None = None, precision: str | None = None) -> Any:
    """The fastest engine of a network, or that engine; of any precision, or of one."""
    candidates = [
        timed
        for timed in group['measurements']
        if timed['network'] == network
        and engine in (None, timed['engine'])
        and precision in (None, timed.get('precision', 'float32'))
    ]
    return min(candidates, key=median)


def instructions() -> str:
    """The best set of instructions that our engine has here."""
    from mayo.net.tf.compact.native import instruction_sets

    return next(iter(instruction_sets()), 'none, as it was not built')


def median(measurement: Any) -> float:
    """The median of its times in seconds."""
    return float(measurement['seconds']['median'])


def name_of(run: Run, figures: Mapping[str, Any]) -> tuple[str, int]:
    """The first two cells of a row: the network and the batch."""
    return figures[run.name]['model'], run.batch_size


def engine(timed: Any) -> str:
    """Its name, its precision unless float32, and its time."""
    precision = timed.get('precision', 'float32')
    return f'{timed["engine"]}{"" if precision == "float32" else f" {precision}"}, {number(1000 * median(timed))}'


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
