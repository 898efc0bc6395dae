"""docs/mayo.md: each of its tables says what the code does, and leaves nothing out."""

import inspect
import pathlib
import re
from typing import Any

import pytest

from mayo.config import Config
from mayo.config.dialect import IGNORED, RENAMED, STANDS_FOR, is_layer_key
from mayo.config.names import _SAME, REQUIRED, object_spec
from mayo.config.old_names import MACHINERY, OLD_NAMES
from mayo.layers.old_keys import GATE_KEYS, GATE_VALUES, LAYER_KEYS

PAGE = (pathlib.Path(__file__).parents[1] / 'docs/mayo.md').read_text(encoding='utf-8')


def rows(heading: str) -> list[Any]:
    """The rows of the tables under a heading, each a list of its cells, each of those its `texts`."""
    section = re.search(rf'^## {heading}\n(.*?)(?=^## |\Z)', PAGE, re.MULTILINE | re.DOTALL).group(1)
    cells = [line.strip('|').split(' | ') for line in section.splitlines() if line.startswith('| `')]
    return [[re.findall(r'`([^`]*)`', cell) for cell in row] for row in cells]


def test_the_keys_and_what_they_are_today() -> None:
    told = {
        old: row[1][0]
        for row in rows('Keys')
        if not row[0][0].startswith(('load', 'save')) and row[0] != ['system.checkpoint']
        for old in row[0]
    }
    assert told == RENAMED
    for key in ('system.num_gpus', 'system.max_gpus'):
        assert STANDS_FOR[key] == 1
        assert f'`{key}`' in PAGE


@pytest.mark.parametrize('row', [row for row in rows('Keys') if row[0][0].startswith(('load', 'save'))], ids=str)
def test_the_forms_of_checkpoints(row: Any) -> None:
    for form in row[0]:
        key, value = form.replace('FOLDER/', 'some/').split(': ')
        config = Config.default()
        config.merge_word(f'system.checkpoint.{key}={value}')
        expected = row[1][0] if row[1] else 'null'
        assert config.get(f'system.checkpoint.{key}') == (None if expected == 'null' else expected)


def test_the_keys_that_do_nothing_and_why() -> None:
    section = PAGE.partition('## Keys that do nothing')[2].partition('\n## ')[0]
    lines = re.findall(r'^\| (`.*?) \| (.*?) \|$', section, re.MULTILINE)
    assert {key: why for keys, why in lines for key in re.findall('`([^`]*)`', keys)} == dict(IGNORED)
    assert all(map(is_layer_key, ('overrider', 'weights_overrider', 'activation_overrider')))


def test_the_spellings_of_layers_and_gates() -> None:
    told = {(row[0][0], row[1][0]): row[2][0] if row[2] else '' for row in rows('Layers and gates')}
    expected = {(kind, old): new for kind, names in LAYER_KEYS.items() for old, new in names.items()}
    expected |= {('gate_params', old): new for old, new in GATE_KEYS.items()} | {('gate_params', 'weight'): 'regularizer.l1'}
    expected |= {
        ('gate_params', f'{key}: {old}'): f'{key}: {new}' for key in ('policy', 'pool') for old, new in GATE_VALUES[key].items()
    }
    expected |= {('convolution', 'rate: 1'): '', ('depthwise_convolution', 'num_outputs: null'): ''}
    assert told == expected
    assert {name for name in MACHINERY if f'`{name}`' not in PAGE} == set()


def test_the_names_and_what_they_are_today() -> None:
    told = {old: row[1][0] for row in rows('Names') for old in row[0]}
    expected = {old: new for old, new in _SAME.items() if old.startswith('tensorflow.')}
    for name, function in OLD_NAMES.items():
        needed = {
            key: [1, 2] if key in ('boundaries', 'values') else 0.5
            for key, parameter in inspect.signature(function).parameters.items()
            if parameter.default is REQUIRED
        }
        expected[name] = object_spec({'type': name, **needed}, 'x').name
    assert told == expected
