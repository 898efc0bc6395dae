"""The table of what benchmarks.reproduce made: each row of benchmarks/recipe.py with every seed, on held-out and test images.

    python -m benchmarks.rows results [WORD ...]            writes results/rows.json and results/rows.md

It is the last stage of `make results`. Top-1 is the mean over the seeds, with their spread, the standard deviation, where there are
several; MACs are executed ones, the mean over images and seeds. WORDs are merged over every row's.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from benchmarks.recipe import ROWS, SETS, Row
from mayo.config import Config
from mayo.estimate import estimate
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.util.files import SHIPPED, whole_file
from mayo.util.format import percent, short

COLUMNS = ('network', *(f'top-1, {name}' for name in SETS), 'MACs', 'turnover', 'recipe')


def config_of(row: Row, dataset: str, folder: pathlib.Path, words: Sequence[str]) -> Config:
    """The words of a row, as on the command line."""
    config = Config.default()
    own = (*row.words, dataset, f'system.checkpoint.path={folder}/checkpoints', f'system.checkpoint.load={row.checkpoint}')
    for word in (word.replace('{folder}', str(folder)) for word in (*own, *words)):
        config.merge_file(SHIPPED / word) if word.endswith('.yaml') and '=' not in word else config.merge_word(word)
    return config


def record_of(row: Row, folder: pathlib.Path, words: Sequence[str]) -> dict[str, Any]:
    """What `eval` and `info` say of it with one seed."""
    record: dict[str, Any] = {'top1': {}}
    for name, dataset in SETS.items():
        session = Session(config_of(row, dataset, folder, words))
        result = evaluate(session, quiet=True)
        record['top1'][name] = result.top1
        record['executed'] = sum(cost.executed for cost in estimate(session.graph, session.input_shape, result.counts))
        live = result.mean_liveliness
        record['turnover'] = live.turnover if live else None
        print(f'{folder}: {row.label}, {name}: {result.render().splitlines()[0]}', flush=True)
    return record


def line(row: Row, records: Sequence[dict[str, Any]]) -> str:
    """The row in Markdown."""
    shares = [told([record['top1'][name] for record in records]) for name in SETS]
    turnovers = [record['turnover'] for record in records if record['turnover'] is not None]
    macs = short(statistics.mean(record['executed'] for record in records))
    cells = [row.label, *shares, macs, f'{statistics.mean(turnovers):.3f}' if turnovers else '-', row.stage]
    return f'| {" | ".join(cells)} |\n'


def told(shares: Sequence[float]) -> str:
    """Their mean, and the spread of several.

    >>> told([0.9]), told([0.9, 0.91, 0.92])
    ('90.00 %', '91.00 % ± 1.00')
    """
    spread = f' ± {100 * statistics.stdev(shares):.2f}' if len(shares) > 1 else ''
    return percent(statistics.mean(shares)) + spread


def page(records: dict[str, list[dict[str, Any]]], seeds: Sequence[str]) -> str:
    """The table."""
    rows = ''.join(line(row, records[row.label]) for row in ROWS)
    head = ''.join(f'| {" | ".join(cells)} |\n' for cells in (COLUMNS, ['---'] * len(COLUMNS)))
    return f'Made by `make results`; {", ".join(seeds)}. The recipe is a stage of `benchmarks/recipe.py`.\n\n{head}{rows}'


def main() -> None:
    """Evaluate every row with every seed that has a folder, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('folder', type=pathlib.Path)
    parser.add_argument('words', nargs='*')
    told_words = parser.parse_args()
    folder = told_words.folder
    seeds = sorted(path.name for path in (SHIPPED / folder).glob('seed*') if path.is_dir())
    records = {row.label: [record_of(row, folder / seed, told_words.words) for seed in seeds] for row in ROWS}
    with whole_file(SHIPPED / folder / 'rows.json') as file:
        file.write_text(
            json.dumps({row.label: dataclasses.asdict(row) | {'seeds': records[row.label]} for row in ROWS}, indent=1)
        )
    with whole_file(SHIPPED / folder / 'rows.md') as file:
        file.write_text(page(records, seeds), encoding='utf-8')
    print((SHIPPED / folder / 'rows.md').read_text(encoding='utf-8'))


if __name__ == '__main__':
    main()
