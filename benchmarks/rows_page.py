"""Puts the rows that benchmarks.rows evaluated into docs/results.md, between two markers, so that no figure there is by hand.

    python -m benchmarks.rows_page [results/rows.json ...]      without a file: from the records that are in docs/rows.json

docs/rows.json keeps the record of each row until it is made again. Top-1 is the mean over the seeds, with their spread, the standard
deviation, where there are several; MACs are executed ones, the mean over images and seeds.
"""

import argparse
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.recipe import GROUPS, SETS, Row
from mayo.util.errors import RunError
from mayo.util.files import SHIPPED, whole_file
from mayo.util.format import percent, short

RECORDS, PAGE = SHIPPED / 'docs' / 'rows.json', SHIPPED / 'docs' / 'results.md'
BEGIN, END = '<!-- benchmarks.rows_page writes from here -->\n', '<!-- to here -->\n'
COLUMNS = ('network', *(f'top-1, {name}' for name in SETS), 'MACs', 'turnover', 'epochs', 'precision', 'stage')
Records = Mapping[str, Mapping[str, Any]]


def publish(files: Sequence[pathlib.Path], records: pathlib.Path = RECORDS, page: pathlib.Path = PAGE) -> None:
    """Take the rows of the files among the records, and write those into the page. RunError: a page without the markers."""
    known: dict[str, Any] = json.loads(records.read_text(encoding='utf-8')) if records.exists() else {}
    for file in files:
        known |= json.loads(file.read_text(encoding='utf-8'))
    written = replaced(page.read_text(encoding='utf-8'), part(known))
    for path, text in ((records, json.dumps(known, indent=1) + '\n'), (page, written)):
        with whole_file(path) as file:
            file.write_text(text, encoding='utf-8')


def replaced(text: str, own: str) -> str:
    """The page with `own` between the markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise RunError(f'{PAGE.name} has no lines {BEGIN.strip()} and {END.strip()}, between which the rows belong.')
    return f'{before}{BEGIN}{own}{END}{after}'


def part(records: Records) -> str:
    """The tables of the groups that have a row, each under what its rows have in common."""
    tables = []
    for heading, rows in GROUPS.items():
        lines = [line(row, records[row.label]['seeds']) for row in rows if row.label in records]
        if lines:
            tables.append(f'{heading}\n\n{"".join([cells(COLUMNS), cells(["---"] * len(COLUMNS)), *lines])}')
    return '\n'.join(tables) or 'None yet.\n'


def line(row: Row, seeds: Sequence[Mapping[str, Any]]) -> str:
    """The row in Markdown. seeds: a record for each."""
    shares = [told([record['top1'][name] for record in seeds]) for name in SETS]
    turnovers = [record['turnover'] for record in seeds if record['turnover'] is not None]
    macs = short(statistics.mean(record['executed'] for record in seeds))
    turnover = f'{statistics.mean(turnovers):.3f}' if turnovers else '-'
    epochs = ', '.join(
        dict.fromkeys('as in the stage' if record['epochs'] is None else f'{record["epochs"]:g}' for record in seeds)
    )
    precision = ', '.join(dict.fromkeys(record['precision'] or 'mixed_bfloat16' for record in seeds))
    return cells([row.label, *shares, macs, turnover, epochs, precision, f'`{row.stage}`'])


def cells(texts: Sequence[str]) -> str:
    """A line of a table."""
    return f'| {" | ".join(texts)} |\n'


def told(shares: Sequence[float]) -> str:
    """Their mean, and the spread of several.

    >>> told([0.9]), told([0.9, 0.91, 0.92])
    ('90.00 %', '91.00 % ± 1.00')
    """
    spread = f' ± {100 * statistics.stdev(shares):.2f}' if len(shares) > 1 else ''
    return percent(statistics.mean(shares)) + spread


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('files', nargs='*', type=pathlib.Path)
    publish(parser.parse_args().files)


if __name__ == '__main__':
    main()
