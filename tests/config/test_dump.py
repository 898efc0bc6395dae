"""A configuration as YAML that says the same."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mayo.config import Config
from mayo.config.dump import dump
from mayo.config.node import Origin, node_of


def test_mappings_are_blocks_and_lists_of_values_lines(configured: Callable[..., Config]) -> None:
    config = configured('a: {b: 1, c: [1, x], d: {}, e: []}\nf: [{g: 1, h: [2]}, [3, [4]]]\ni: "1"\n')
    assert config.to_yaml() == (
        'a:\n    b: 1\n    c: [1, x]\n    d: {}\n    e: []\n'
        'f:\n    -   g: 1\n        h: [2]\n    -   - 3\n        - [4]\n'
        'i: "1"\n'
    )


def test_with_origins_each_value_says_who_set_it(configured: Callable[..., Config]) -> None:
    config = configured('a:\n    b: [1,\n        2]\n    c: $(.b)\n    d: [x]\n', words=['a.e=1', 'a.d+=[y]'])
    assert config.to_yaml(origin=True) == (
        'a:\n'
        '    b:\n        - 1  # 1.yaml:2\n        - 2  # 1.yaml:3\n'
        '    c:\n        - 1  # 1.yaml:2\n        - 2  # 1.yaml:3\n'
        '    d:\n        - x  # 1.yaml:5\n        - y  # command line: a.d+=[y]\n'
        '    e: 1  # command line: a.e=1\n'
    )


def test_an_empty_configuration_is_an_empty_mapping() -> None:
    assert Config().to_yaml() == '{}\n'


@pytest.mark.parametrize(
    'text',
    [
        '',
        ' ',
        '- x',
        '-',
        '---',
        '--- x',
        '...',
        '1e-4',
        '010',
        'yes',
        'Null',
        '~',
        '.inf',
        'a: b',
        'a #b',
        '#',
        '*x',
        '&x',
        '!x',
        '%x',
        '@x',
        '`x',
        "'",
        '"',
        '\\',
        'a\nb',
        '\t',
        '\x00',
        '\x7f',
        '\x85',
        '\ufeff',
        '\u2028',
        '\ue000',
        '😀',
        'é',
        '[x',
        '{x',
        ', x',
        'x,',
        '?',
        '? x',
        '<<',
        '=',
        'a.b',
        '.5x',
        'a b  c',
        ' a',
        'a ',
        '0x',
        '1:30',
        '$',
        '^(x)_y',
        '|',
        '>',
    ],
)
def test_awkward_text_reads_back_as_it_was(text: str) -> None:
    config = Config()
    config.merge_text(yaml.safe_dump({'a': text, 'b': [text], 'c': [{'d': text}]}, default_style='"'), 'x.yaml')
    assert config.get('a') == text
    for origin in (False, True):
        again = Config()
        again.merge_text(config.to_yaml(origin), 'y.yaml')
        assert again.to_dict() == {'a': text, 'b': [text], 'c': [{'d': text}]}


@pytest.mark.parametrize('text', ['$(x)', '$(', 'a $(b', '$$(env:HOME)', '!text $(a)', '$(a)\n- b', "it's $(x)"])
def test_text_that_looks_like_a_reference_reads_back_as_it_was(text: str) -> None:
    config = Config()
    config.merge_values({'a': text, 'b': [text], 'c': [{'d': text}]}, 'here')
    config.merge_word('e=!arith "[\'^(n)\', $(a)]"')
    for origin in (False, True):
        again = Config()
        again.merge_text(config.to_yaml(origin), 'y.yaml')
        assert {key: again.get(key) for key in 'abc'} == {'a': text, 'b': [text], 'c': [{'d': text}]}
        assert again.get('e').compute({'n': 'n'}.get) == ['n', text]


def test_text_of_the_environment_reads_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MAYO_TEXT', '$(a) !arith 1')
    config, again = Config(), Config()
    config.merge_text('a: $(env:MAYO_TEXT)', 'x.yaml')
    again.merge_text(config.to_yaml(), 'y.yaml')
    assert again.get('a') == '$(a) !arith 1'


KEYS = st.text(min_size=1, max_size=8).filter(lambda key: '$(' not in key and '\\' not in key and key != '_import')
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.text('$(){}ab.', max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=15,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_everything_reads_back_as_it_was(values: Any, origin: Any) -> None:
    config = Config()
    config.merge_text(dump(node_of(values, Origin('x\n# y', 1)), origin), 'x.yaml')
    assert config.to_dict() == values
