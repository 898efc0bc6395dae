"""docs/datasets.md lists every dataset file and every preprocessing step with its keys."""

import pathlib
import re

import pytest
import yaml

from mayo.data import augment

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/datasets.md').read_text(encoding='utf-8')


def test_every_dataset_is_listed() -> None:
    assert set(re.findall(r'^\| `(\w+\.yaml)` \|', PAGE, re.MULTILINE)) == {
        path.name for path in (ROOT / 'datasets').glob('*.yaml')
    }


def test_every_step_is_listed() -> None:
    assert set(re.findall(r'^\| `(\w+)` \|', PAGE, re.MULTILINE)) == set(augment.steps)


@pytest.mark.parametrize('name', augment.steps)
def test_every_key_of_a_step_is_listed_with_its_default(name: str) -> None:
    row = re.search(rf'^\| `{name}` \|([^|]*)\|', PAGE, re.MULTILINE)[1]
    listed = dict(re.findall(r'`(\w+)(?:: ([^`]*))?`', row))
    step = augment.steps[name]
    assert set(listed) == set(step.kinds)
    for key, text in listed.items():
        default = step.defaults.get(key)
        assert not text or yaml.safe_load(text) == (list(default) if isinstance(default, tuple) else default)
