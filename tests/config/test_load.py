"""YAML text to values, each with its line; everything dangerous or ambiguous refused."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mayo.config import Config, load
from mayo.util.errors import UserError


def test_values_are_typed_and_know_their_line(configured: Callable[..., Config]) -> None:
    config = configured('a: 1\nb:\n    c: [x, 2.5,\n        yes]\n    d: "1"\n    e:\nf: |\n    text\n')
    assert config.to_dict() == {'a': 1, 'b': {'c': ['x', 2.5, True], 'd': '1', 'e': None}, 'f': 'text\n'}
    lines = {key: config.origin(key) for key in ('a', 'b', 'b.c', 'b.c.0', 'b.c.2', 'b.d', 'b.e', 'f')}
    assert lines == {
        'a': '1.yaml:1',
        'b': '1.yaml:2',
        'b.c': '1.yaml:3',
        'b.c.0': '1.yaml:3',
        'b.c.2': '1.yaml:4',
        'b.d': '1.yaml:5',
        'b.e': '1.yaml:6',
        'f': '1.yaml:7',
    }


@pytest.mark.parametrize('text', ['', '# nothing\n', '---\n', '~'])
def test_an_empty_file_says_nothing(configured: Callable[..., Config], text: str) -> None:
    assert configured('a: 1', text).to_dict() == {'a': 1}


def test_dotted_keys_nest_and_a_backslash_keeps_the_dot(configured: Callable[..., Config]) -> None:
    config = configured('a.b.c: 1\na:\n    b.d: 2\nurls:\n    x\\.gz: 3\n"y\\\\.gz": 4\n')
    assert config.to_dict() == {'a': {'b': {'c': 1, 'd': 2}}, 'urls': {'x.gz': 3}, 'y.gz': 4}
    assert (config.get(r'urls.x\.gz'), config.origin('a.b.d')) == (3, '1.yaml:3')


def test_keys_are_text_as_it_is_written(configured: Callable[..., Config]) -> None:
    assert configured('{1: a, on: b, 1e-4: c, 010: d, null: e}').to_dict() == {
        '1': 'a',
        'on': 'b',
        '1e-4': 'c',
        '010': 'd',
        'null': 'e',
    }


def test_aliases_and_merge_keys_keep_the_origin_of_what_they_bring(configured: Callable[..., Config]) -> None:
    config = configured(
        '_x: &x {a: 1, b: {c: 2}}\n'
        '_y: &y\n'
        '    a: 3\n'
        '    d: 4\n'
        'one: {<<: *x, b: 5}\n'
        'two:\n'
        '    <<: [*x, *y]\n'
        '    b.e: 6\n'
        'three: *x\n'
    )
    values = config.to_dict(scratch=False)
    assert values == {'one': {'a': 1, 'b': 5}, 'two': {'a': 1, 'b': {'c': 2, 'e': 6}, 'd': 4}, 'three': {'a': 1, 'b': {'c': 2}}}
    keys = ('one.a', 'one.b', 'two.a', 'two.d', 'two.b.c', 'two.b.e', 'three', 'three.b.c')
    assert [config.origin(key).removeprefix('1.yaml:') for key in keys] == ['1', '5', '1', '4', '1', '8', '9', '1']


def test_a_quoted_merge_key_is_an_ordinary_key(configured: Callable[..., Config]) -> None:
    assert configured('"<<": 1').to_dict() == {'<<': 1}


def test_standard_tags_force_a_type(configured: Callable[..., Config]) -> None:
    config = configured('{a: !!str 1, b: !!int "2", c: !!float 3, d: !!bool yes, e: !!null "", f: !!map {}, g: ! 4}')
    assert config.to_dict() == {'a': '1', 'b': 2, 'c': 3.0, 'd': True, 'e': None, 'f': {}, 'g': '4'}
    assert isinstance(config.get('c'), float)


def test_text_with_the_tag_text_is_itself(configured: Callable[..., Config]) -> None:
    config = configured('a: !text $(b)\nb: [!text 08, !text "$(a) ^(c) $(", !text null]\nc: $(a)', words=['d=!text $(x)'])
    assert config.to_dict() == {'a': '$(b)', 'b': ['08', '$(a) ^(c) $(', 'null'], 'c': '$(b)', 'd': '$(x)'}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('a: 1\nb: 2\na: 3\n', '1.yaml:3: the key `a` is here twice, first in 1.yaml:1.'),
        ('a: {b: 1, b: 1}', '1.yaml:1: the key `b` is here twice, first in 1.yaml:1.'),
        ('a:\n    b: 1\na.b: 2\n', '1.yaml:3: the key `a.b` is here twice, first in 1.yaml:2.'),
        ('a.b: 1\na.b.c: 2\n', '1.yaml:2: the key `a.b` is here twice, first in 1.yaml:1.'),
        ('a: {x: 1}\na: {y: 1}\n', '1.yaml:2: the key `a` is here twice, first in 1.yaml:1.'),
        (
            'a: 1\nb: !!python/object/apply:os.system [ls]\n',
            '1.yaml:2: the tag !!python/object/apply:os.system would run code, '
            'and configurations never do; arithmetic is !arith, other values are $(key).',
        ),
        ('a: !exec ls', '1.yaml:1: the tag !exec would run code, and'),
        ('a: !eval 1+1', '1.yaml:1: the tag !eval would run code, and'),
        ('a: !eval [1]', '1.yaml:1: the tag !eval would run code, and'),
        ('!exec a: 1', '1.yaml:1: !exec on the key `a`; a key is text.'),
        ('a: !arit 1', '1.yaml:1: unknown tag !arit; did you mean !arith?'),
        ('a: !!set {b}', '1.yaml:1: unknown tag !!set; there are !arith and !text.'),
        ('a: !!binary aGk=', '1.yaml:1: unknown tag !!binary; there are !arith and !text.'),
        ('a: !arith [1]', '1.yaml:1: !arith takes an expression as text.'),
        ('a: !text {b: 1}', '1.yaml:1: !text takes text.'),
        ('a: !txt b', '1.yaml:1: unknown tag !txt; did you mean !text?'),
        ('!text a: 1', '1.yaml:1: !text on the key `a`; a key is text.'),
        ('a: !!int x', '1.yaml:1: !!int on `x`, which is none.'),
        ('a: &x [*x]', '1.yaml:1: *x stands inside its own anchor.'),
        ('a: &x {b: {<<: *x}}', '1.yaml:1: *x stands inside its own anchor.'),
        ('_c: &conv 1\na: *cnv', '1.yaml:2: *cnv has no anchor &cnv before it; did you mean conv?'),
        ('a: *.tfrecord', '1.yaml:1: not valid YAML'),
        ('a: *x', '1.yaml:1: *x has no anchor &x before it; text that starts with * needs quotes.'),
        ('a: {<<: 1}', '1.yaml:1: `<<` takes a mapping or a list of mappings, such as *anchor.'),
        ('x: &x {}\na:\n    <<: *x\n    <<: *x\n', '1.yaml:4: the key `<<` is here twice; `<<: [*first, *second]` takes more.'),
        ('a: \udcff', '1.yaml: not valid YAML: bytes that are no text.'),
        ('[a]: 1', '1.yaml:1: a key is text, not a list, a mapping or an alias.'),
        ('? {a: 1}\n: 2', '1.yaml:1: a key is text'),
        ('a..b: 1', '1.yaml:1: `a..b`: a key needs a name before and after each dot; \\. is a dot in a name.'),
        ('"": 1', '1.yaml:1: ``: a key needs a name'),
        ('$(a): 1', '1.yaml:1: `$(a)`: references stand in values, not in keys.'),
        ('a: 1\n---\nb: 2\n', '1.yaml:2: a second document starts here; a file holds one.'),
        ('- a', '1.yaml:1: 1.yaml holds no mapping; a configuration is `key: value` lines.'),
        ('text', '1.yaml:1: 1.yaml holds no mapping'),
        ('a: 1\nb: [1, 2\nc: 3\n', '1.yaml:3: not valid YAML: while parsing a flow sequence did not find expected'),
        ('a: 1\n\tb: 2\n', '1.yaml:2: not valid YAML:'),
        ('a: \x07', '1.yaml: not valid YAML: unacceptable character'),
        (f'a: {"1" * 5000}', '1.yaml:1: a number of 5000 digits.'),
        ('a: x\nb: $(a', '1.yaml:2: `$(a`: a `$(` without its `)`.'),
        (f'a: {"[" * 101}{"]" * 101}', '1.yaml:1: nested more than 100 deep.'),
        (f'{"a." * 150}b: 1', '1.yaml:1: a key of 151 parts, at most 100 may be.'),
        (f'{"a." * 60}b: {"{a: " * 60}1{"}" * 60}', '1.yaml:1: nested more than 100 deep.'),
        (f'a: {"$(" * 150}x{")" * 150}', '1.yaml:1: $(...) nested more than 100 deep.'),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    configured: Callable[..., Config], message: Callable[..., str], text: str, expected: str
) -> None:
    assert message(configured, text).startswith(expected)


def test_aliases_that_multiply_beyond_the_limit_are_refused_at_once(
    configured: Callable[..., Config], message: Callable[..., str]
) -> None:
    levels = ['_0: &l0 [x, x, x, x, x, x, x, x, x, x]']
    levels += [f'_{n}: &l{n} [{", ".join([f"*l{n - 1}"] * 10)}]' for n in range(1, 10)]
    assert message(configured, '\n'.join(levels)) == '1.yaml:5: 111111 values with aliases and references; 40000 may be.'


def test_a_file_of_too_many_values_is_not_read_to_its_end(
    configured: Callable[..., Config], message: Callable[..., str]
) -> None:
    text = ''.join(f'key{number}: {number}\n' for number in range(50_000)) + 'x: [not read'
    assert message(configured, text) == '1.yaml:40000: more than 40000 values; so many may be.'


def test_the_limits_are_on_files_together_too(configured: Callable[..., Config], message: Callable[..., str]) -> None:
    text = f'[{", ".join("x" * 30_000)}]'
    assert 'values with aliases and references; 40000 may be.' in message(configured, f'a: {text}', f'b: {text}')


def test_python_s_parser_gives_the_same_as_the_c_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '_x: &x {a: [1, "2"], b.c: !arith 1 + 1}\ny:\n    <<: *x\n    d: |\n        text\n'
    fast = Config()
    fast.merge_text(text, 'x.yaml')
    monkeypatch.setattr(load, '_PARSER', yaml.SafeLoader)
    slow = Config()
    slow.merge_text(text, 'x.yaml')
    assert fast.to_yaml(origin=True) == slow.to_yaml(origin=True)


PLAIN_KEYS = st.text(alphabet='abcdefgh', min_size=1, max_size=3)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(alphabet='xyz -', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN_KEYS, inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(PLAIN_KEYS, PLAIN, max_size=4))
def test_what_pyyaml_writes_is_read_as_it_was(values: Any) -> None:
    config = Config()
    config.merge_text(yaml.safe_dump(values), 'x.yaml')
    assert config.to_dict() == values


@given(st.text(alphabet='ab:{}[]&*!|>-#\'"$().,= \n%@`?<~+', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:

    config = Config()
    with contextlib.suppress(UserError):
        config.merge_text(text, 'x.yaml')
        config.to_dict()
