"""docs/layers.md names every layer type with its keys and defaults, and its example builds."""

import pathlib
import re
from typing import Any

import pytest
import yaml

from mayo.actions.info import info
from mayo.config import Config
from mayo.layers import declared_keys, layer_types, read_layer
from mayo.layers.keys import REQUIRED

PAGE = (pathlib.Path(__file__).parents[1] / 'docs/layers.md').read_text(encoding='utf-8')
ROWS = dict(re.findall(r'^\| (`\w+`|\.\.\. all of these) \| (.*?) ?\|', PAGE, re.MULTILINE))


def keys_of(row: Any) -> dict[str, Any]:
    """{key: default}, as `key: default` of YAML, or `key` alone."""
    layers: dict[str, Any] = {}
    for text in re.findall(r'`([^`]*)`', row):
        parsed = yaml.safe_load(text)
        layers.update(parsed if isinstance(parsed, dict) else {parsed: REQUIRED})
    return layers


@pytest.mark.parametrize('kind', layer_types)
def test_the_page_says_each_key_and_its_default(kind: Any) -> None:
    row = ROWS[f'`{kind}`']
    told = keys_of(row)
    if told.pop('convolution', None):
        told.update(keys_of(ROWS['`convolution`']), gate_params={})
    if 'those below' in row or kind == 'gated_convolution':
        told.update(keys_of(ROWS['... all of these']))
    declared = declared_keys(kind)
    assert set(told) == set(declared)
    needed: dict[str, Any] = {key: 1 for key, default in declared.items() if default is REQUIRED and key != 'mode'}
    needed.update({'mode': 'relu'} if 'mode' in declared else {})
    assert {key for key, default in told.items() if default is REQUIRED} == set(needed)
    given = {key: default for key, default in told.items() if default is not REQUIRED}
    assert read_layer(kind, {**given, **needed}) == read_layer(kind, needed)


def test_the_page_has_no_type_that_does_not_exist() -> None:
    assert {name.strip('`') for name in ROWS} - {'... all of these'} == set(layer_types)


def test_the_example_of_the_page_builds() -> None:
    config = Config.default()
    config.merge_text(re.search(r'```yaml\n(.*?)```', PAGE, re.DOTALL).group(1), 'layers.md')
    config.merge_text('dataset.task: {num_classes: 10, preprocess.shape: {height: 8, width: 8, channels: 3}}', 'd.yaml')
    shapes = {cost.name: str(cost.shape) for cost in info(config).layers}
    assert shapes == {
        'stem': '8x8x16',
        'fire/wide': '8x8x32',
        'fire/cat': '8x8x48',
        'pool': '1x1x48',
        'logits': '1x1x10',
        'flatten': '10',
    }
