"""docs/reliability.md has a row for each campaign, and each row a campaign that exists and has written its figures."""

import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
PAGE = (TESTS.parent / 'docs/reliability.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| ([^|]+) \| `([\w/.]+)::(\w+)` \| ([^|]*)\|$', PAGE, re.MULTILINE)
CAMPAIGN = re.compile(r'^@pytest\.mark\.faults\n(?:@.*\n)*def (test_\w+)\((.*(?:\n    .*)*)', re.MULTILINE)


def campaigns() -> set[tuple[str, str]]:
    """The file and name of each test that writes figures."""
    return {
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob('test_*.py')
        for name, parameters in CAMPAIGN.findall(path.read_text(encoding='utf-8'))
        if 'figures' in parameters
    }


def test_every_campaign_has_one_row() -> None:
    rows = [(file, name) for _, file, name, _ in ROWS]
    assert rows
    assert sorted(rows) == sorted(campaigns())


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[2])
def test_a_row_states_figures(row: tuple[str, ...]) -> None:
    assert re.search(r'\d', row[3]), 'make test-faults writes them'
