"""What surrounds the code says what is so: workflows call what exists, versions and dates agree."""

import pathlib
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import mayo

from .test_structure import FLOORS

ROOT = pathlib.Path(__file__).resolve().parents[1]
TARGETS = set(re.findall(r'^([\w.-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
WORKFLOWS = sorted((ROOT / '.github/workflows').glob('*.yml'))
FORMS = sorted((ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml'))
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']


def targets_of(script: str) -> Iterator[str]:
    """The targets that `make` is called with."""
    for words in re.findall(r'^\s*(?:\w+=\S+ )*make\b(.*)$', script, re.MULTILINE):
        yield from (word for word in words.split() if not word.startswith('-') and '=' not in word)


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow['jobs'].values() for step in job['steps']]


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_only_what_exists(path: pathlib.Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    scripts = [step['run'] for step in steps(workflow) if 'run' in step]
    assert scripts
    for script in scripts:
        assert script == '.ci/run' or list(targets_of(script))
        assert set(targets_of(script)) <= TARGETS
    assert all('uses' in step or 'run' in step for step in steps(workflow))


def test_what_lands_is_linted_and_tested_by_targets_that_exist() -> None:
    script = ROOT / '.ci/run'
    assert script.stat().st_mode & 0o111
    targets = set(targets_of(script.read_text()))
    assert {'ready', 'lint', 'test'} <= targets <= TARGETS


def test_the_workflow_tests_pythons_that_the_project_says_it_runs_on() -> None:
    text = ''.join(path.read_text() for path in WORKFLOWS)
    tested = set(re.findall(r"'(3\.\d+)'", text))
    named = {line.rpartition(' ')[2] for line in PROJECT['classifiers'] if re.search(r'Python :: 3\.\d', line)}
    assert len(tested) >= 2
    assert tested <= named
    assert f'>={min(named)}' == PROJECT['requires-python']


@pytest.mark.parametrize('path', [path for path in FORMS if path.name != 'config.yml'], ids=lambda path: path.name)
def test_a_form_for_an_issue_asks_something(path: pathlib.Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert {'name', 'description', 'body'} <= form.keys()
    assert all({'type', 'id', 'attributes'} <= field.keys() for field in form['body'])
    assert any(field.get('validations', {}).get('required') for field in form['body'])


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert citation['version'] == mayo.__version__
    assert f'## {mayo.__version__}, {citation["date-released"]}\n' in (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')


def test_the_changelog_has_a_date_at_each_version_and_the_newest_first() -> None:
    headings = re.findall(r'^## (.*)$', (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'), re.MULTILINE)
    released = [heading for heading in headings if heading != 'Unreleased']
    assert all(re.fullmatch(r'\d+\.\d+\.\d+, \d{4}-\d\d-\d\d', heading) for heading in released)
    versions = [tuple(map(int, heading.partition(',')[0].split('.'))) for heading in released]
    assert versions == sorted(versions, reverse=True)
    assert 'Unreleased' not in headings[1:]


def layout() -> list[tuple[str, list[str]]]:
    """(folder, the names on a line in it) of README's layout, top to bottom."""
    block = re.search(r'^## Layout\n\n((?: {4}.*\n)+)', (ROOT / 'README.md').read_text(encoding='utf-8'), re.MULTILINE)
    assert block
    lines = [line[4:].rstrip('\n') for line in block[1].splitlines()]
    return [('mayo/' if line.startswith(' ') else '', line[:31].split()) for line in lines]


def test_every_line_of_the_layout_in_the_readme_exists() -> None:
    named = [folder + name for folder, names in layout() for name in names]
    assert [name for name in named if not (ROOT / name).exists() or name.endswith('/') != (ROOT / name).is_dir()] == []


def test_every_package_of_mayo_is_in_the_layout_of_the_readme() -> None:
    named = {name.partition('/')[0] for folder, names in layout() if folder for name in names}
    assert named == {path.parent.name for path in (ROOT / 'mayo').glob('*/__init__.py')}


def test_the_layout_of_the_readme_goes_down_floor_by_floor() -> None:
    floors = [FLOORS[name.rstrip('/').replace('/', '.')] for folder, names in layout() if folder for name in names]
    assert floors == sorted(floors, reverse=True)
