"""What benchmarks.reproduce made, on held-out and test images: each row of benchmarks/recipe.py with every seed.

    python -m benchmarks.rows results/rows.json [--only STAGE ...] [WORD ...]

The file's folder is that of the results. Rows whose stage is not done yet are left out. WORDs are merged over every row's. After
it benchmarks/rows_page.py puts the rows into docs/results.md.
"""

import argparse
import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from benchmarks.recipe import ROWS, SETS, Row
from mayo.config import Config
from mayo.estimate import estimate
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.util.files import SHIPPED, whole_file


def config_of(row: Row, dataset: str, folder: pathlib.Path, words: Sequence[str]) -> Config:
    """The words of a row, as on the command line."""
    config = Config.default()
    own = (*row.words, dataset, f'system.checkpoint.path={folder}/checkpoints', f'system.checkpoint.load={row.checkpoint}')
    for word in (word.replace('{folder}', str(folder)) for word in (*own, *words)):
        config.merge_file(SHIPPED / word) if word.endswith('.yaml') and '=' not in word else config.merge_word(word)
    return config


def record_of(row: Row, folder: pathlib.Path, words: Sequence[str]) -> dict[str, Any]:
    """What `eval` and `info` say of it with one seed, and what its training was told."""
    record: dict[str, Any] = {'seed': folder.name, **training_of(stage_record(row, folder)['words']), 'top1': {}}
    for name, dataset in SETS.items():
        session = Session(config_of(row, dataset, folder, words))
        result = evaluate(session, quiet=True)
        record['top1'][name] = result.top1
        record['executed'] = sum(cost.executed for cost in estimate(session.graph, session.input_shape, result.counts))
        live = result.mean_liveliness
        record['turnover'] = live.turnover if live else None
        print(f'{folder}: {row.label}, {name}: {result.render().splitlines()[0]}', flush=True)
    return record


def stage_record(row: Row, folder: pathlib.Path) -> dict[str, Any]:
    """What benchmarks.reproduce wrote down of the row's stage; empty if it is not done."""
    file = SHIPPED / folder / 'records' / f'{row.stage}.json'
    record: dict[str, Any] = json.loads(file.read_text(encoding='utf-8')) if file.exists() else {}
    return record if record.get('done') else {}


def training_of(words: Sequence[str]) -> dict[str, Any]:
    """The epochs and the precision that the words of a stage set last; None where they set none.

    >>> training_of(['trainers/anneal.yaml', 'train.max_epochs=8', 'train.max_epochs=0.5', 'train'])
    {'epochs': 0.5, 'precision': None}
    """
    told = dict(word.split('=', 1) for word in words if '=' in word)
    epochs = told.get('train.max_epochs')
    return {'epochs': float(epochs) if epochs else None, 'precision': told.get('system.precision')}


def main() -> None:
    """Evaluate every row with every seed that made it, and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('file', type=pathlib.Path)
    parser.add_argument(
        '--only', action='append', metavar='STAGE', help='the rows of these stages, or patterns such as "gate*"'
    )
    told, words = parser.parse_known_args()
    seeds = sorted(path for path in (SHIPPED / told.file.parent).glob('seed*') if path.is_dir())
    records: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        folders = [told.file.parent / seed.name for seed in seeds]
        is_asked = told.only is None or any(fnmatchcase(row.stage, pattern) for pattern in told.only)
        seeds_made = [record_of(row, folder, words) for folder in folders if is_asked and stage_record(row, folder)]
        if seeds_made:
            records[row.label] = dataclasses.asdict(row) | {'seeds': seeds_made}
    with whole_file(SHIPPED / told.file) as file:
        file.write_text(json.dumps(records, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
