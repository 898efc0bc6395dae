"""docs/datasets.md lists every dataset file and every preprocessing step with its keys."""

import inspect
import pathlib
import re

import pytest
import yaml

from mayo.data import augment

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/datasets.md').read_text(encoding='utf-8')


def test_every_dataset_is_listed():
    assert set(re.findall(r'^\| `(\w+\.yaml)` \|', PAGE, re.MULTILINE)) == {
        path.name for path in (ROOT / 'datasets').glob('*.yaml')
    }


def test_every_step_is_listed():
    assert set(re.findall(r'^\| `(\w+)` \|', PAGE, re.MULTILINE)) == set(augment.steps)


@pytest.mark.parametrize('name', augment.steps)
def test_every_key_of_a_step_is_listed_with_its_default(name):
    row = re.search(rf'^\| `{name}` \|([^|]*)\|', PAGE, re.MULTILINE)[1]
    listed = dict(re.findall(r'`(\w+)(?:: ([^`]*))?`', row))
    keys = {
        key: parameter.default
        for key, parameter in inspect.signature(augment.steps[name]).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert set(listed) == set(keys)
    for key, said in listed.items():
        assert not said or yaml.safe_load(said) == (list(keys[key]) if isinstance(keys[key], tuple) else keys[key])
