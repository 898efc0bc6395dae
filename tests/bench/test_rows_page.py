"""The rows of docs/results.md that benchmarks.reproduce made: the page shows what the records say, and nothing else."""

import json
import pathlib
from typing import Any

import pytest

from benchmarks import rows_page
from benchmarks.recipe import GROUPS, ROWS
from mayo.util.errors import RunError


def record(top1: float, executed: int, **more: Any) -> dict[str, Any]:
    top1s = {'held out': top1, 'test': top1 - 0.01}
    return {'seed': 'seed0', 'top1': top1s, 'executed': executed, 'turnover': 0.05, 'epochs': 8.0, 'precision': None} | more


def test_a_row_tells_the_mean_and_the_spread_over_seeds() -> None:
    two = [record(0.90, 44_000_000), record(0.92, 46_000_000, turnover=0.07, precision='float32')]
    assert rows_page.line(ROWS[0], two) == (
        '| gates, density 0.5 | 91.00 % ± 1.41 | 90.00 % ± 1.41 | 45.0M | 0.060 | 8 | mixed_bfloat16, float32 | `short-gate50` |\n'
    )
    static = [record(0.90, 44_000_000, turnover=None, epochs=None)]
    assert rows_page.line(ROWS[1], static).split(' | ')[4:7] == ['-', 'as in the stage', 'mixed_bfloat16']


def test_labels_tell_rows_apart() -> None:
    assert len({row.label for row in ROWS}) == len(ROWS)


def test_rows_that_are_not_made_yet_are_not_told() -> None:
    assert rows_page.part({}) == 'None yet.\n'
    last = ROWS[-1]
    text = rows_page.part({last.label: {'seeds': [record(0.9, 1000)]}})
    assert [heading in text for heading in GROUPS] == [False, True]
    assert len([line for line in text.splitlines() if line.startswith('|')]) == 3


def test_new_rows_replace_those_of_the_records_and_the_rest_of_the_page_stays(tmp_path: pathlib.Path) -> None:
    records, page, rows = tmp_path / 'rows.json', tmp_path / 'page.md', tmp_path / 'made.json'
    page.write_text(f'before\n{rows_page.BEGIN}old\n{rows_page.END}after\n')
    first, second = ROWS[:2]
    for label, top1 in ((first.label, 0.5), (second.label, 0.6), (first.label, 0.7)):
        rows.write_text(json.dumps({label: {'seeds': [record(top1, 1000)]}}))
        rows_page.publish([rows], records, page)
    text = page.read_text()
    assert text.startswith(f'before\n{rows_page.BEGIN}')
    assert text.endswith(f'{rows_page.END}after\n')
    assert [line.split(' | ')[1] for line in text.splitlines() if line.startswith(f'| {first.label[:6]}')] == ['70.00 %']
    assert '60.00 %' in text
    assert 'old' not in text


def test_a_page_without_the_markers_is_told_and_left_as_it_is(tmp_path: pathlib.Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('mine\n')
    with pytest.raises(RunError, match='has no lines <!-- benchmarks'):
        rows_page.publish([], tmp_path / 'rows.json', page)
    assert page.read_text() == 'mine\n'
    assert not (tmp_path / 'rows.json').exists()


def test_the_page_is_that_of_the_records() -> None:
    records = json.loads(rows_page.RECORDS.read_text(encoding='utf-8')) if rows_page.RECORDS.exists() else {}
    text = rows_page.PAGE.read_text(encoding='utf-8')
    assert rows_page.replaced(text, rows_page.part(records)) == text, 'python -m benchmarks.rows_page writes it anew'
