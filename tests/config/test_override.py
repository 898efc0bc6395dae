"""Words that set, append or remove, and how trees merge."""

from collections.abc import Callable
from typing import Any

import pytest

from mayo.config import Config


@pytest.mark.parametrize(
    ('word', 'value'),
    [
        ('a.b=1', {'b': 1, 'l': [1, {'x': 2}]}),
        ('a.l.0=5', {'b': 0, 'l': [5, {'x': 2}]}),
        ('a.l.1.x=y', {'b': 0, 'l': [1, {'x': 'y'}]}),
        ('a.l.1.z=', {'b': 0, 'l': [1, {'x': 2, 'z': None}]}),
        ('a.b=x=y=1', {'b': 'x=y=1', 'l': [1, {'x': 2}]}),
        ('a.l+=[3, 4]', {'b': 0, 'l': [1, {'x': 2}, 3, 4]}),
        ('a.l+=x', {'b': 0, 'l': [1, {'x': 2}, 'x']}),
        ('a.l=[]', {'b': 0, 'l': []}),
        ('a.l={k: 1}', {'b': 0, 'l': {'k': 1}}),
        ('~a.b', {'l': [1, {'x': 2}]}),
        ('~a.l.0', {'b': 0, 'l': [{'x': 2}]}),
        ('a={c: 3}', {'b': 0, 'l': [1, {'x': 2}], 'c': 3}),
        ('a=null', None),
        ('a.b=*.tfrecord', {'b': '*.tfrecord', 'l': [1, {'x': 2}]}),
        ('a.b={c: 1}', {'b': {'c': 1}, 'l': [1, {'x': 2}]}),
        ('a.b.c=1', {'b': {'c': 1}, 'l': [1, {'x': 2}]}),
        ('a.b=1e-4', {'b': 1e-4, 'l': [1, {'x': 2}]}),
        ('a.b=!arith 2 * 3', {'b': 6, 'l': [1, {'x': 2}]}),
        ('a.b=$(a.l.0)', {'b': 1, 'l': [1, {'x': 2}]}),
        (r'a.b="x\ty"', {'b': 'x\ty', 'l': [1, {'x': 2}]}),
        (' a.b = 7 ', {'b': 7, 'l': [1, {'x': 2}]}),
    ],
)
def test_a_word_changes_one_value(configured: Callable[..., Config], word: str, value: dict[str, Any] | None) -> None:
    config = configured('a: {b: 0, l: [1, {x: 2}]}', words=[word])
    assert config.get('a') == value


@pytest.mark.parametrize(
    ('word', 'expected'),
    [
        ('a', 'command line: `a` is no override; those are key=value, key+=[item] and ~key.'),
        ('=1', 'command line: ``: a key needs a name before and after each dot; \\. is a dot in a name.'),
        ('a..b=1', 'command line: `a..b`: a key needs a name'),
        ('~', 'command line: ``: a key needs a name'),
        ('$(a)=1', 'command line: `$(a)`: references stand in values, not in keys.'),
        ('a.l.2=1', 'command line: a.l.2: the list has 2 items, from 0.'),
        ('a.l.x=1', 'command line: a.l is a list, and `x` is no index of it.'),
        ('a.l.-1=1', 'command line: a.l is a list, and `-1` is no index of it.'),
        ('a.b+=1', 'command line: a.b is not a list, so nothing can be appended to it.'),
        ('a.m+=[1]', 'command line: a.m does not exist, so nothing can be appended to it.'),
        ('~a.bb', 'command line: a.bb does not exist; did you mean b?'),
        ('~x', 'command line: x does not exist.'),
        ('~a.l.9', 'command line: a.l.9: the list has 2 items, from 0.'),
        ('~x.y', 'command line: x.y does not exist.'),
        ('a=[1', 'command line: not valid YAML: while parsing a flow sequence did not find expected'),
        ('a=!exec x', 'command line: the tag !exec would run code'),
        ('a={b: 1, b: 2}', 'command line: the key `b` is here twice'),
        ('a=$(b', 'command line: `$(b`: a `$(` without its `)`. In `a=$(b`.'),
    ],
)
def test_a_wrong_word_changes_nothing_and_says_why(
    configured: Callable[..., Config], message: Callable[..., str], word: str, expected: str
) -> None:
    config = configured('a: {b: 0, l: [1, {x: 2}]}')
    before = config.to_yaml(origin=True)
    assert message(config.merge_word, word).startswith(expected)
    assert config.to_yaml(origin=True) == before


def test_appending_to_null_makes_a_list(configured: Callable[..., Config]) -> None:
    assert configured('a:', words=['a+=[1]', 'a+=2']).get('a') == [1, 2]


def test_mappings_merge_deep_and_everything_else_replaces(configured: Callable[..., Config]) -> None:
    config = configured('a: {b: {c: 1, d: [1, 2]}, e: x}', 'a: {b: {d: [3], f: 4}, e: {g: 5}}')
    assert config.to_dict() == {'a': {'b': {'c': 1, 'd': [3], 'f': 4}, 'e': {'g': 5}}}
    keys = ('a', 'a.b.c', 'a.b.d', 'a.b.d.0', 'a.e.g', 'a.b.f')
    assert [config.origin(key) for key in keys] == ['2.yaml:1', '1.yaml:1', '2.yaml:1', '2.yaml:1', '2.yaml:1', '2.yaml:1']


def test_a_null_replaces_a_mapping(configured: Callable[..., Config]) -> None:
    assert configured('a: {b: 1}', 'a:').to_dict() == {'a': None}


def test_dotted_keys_of_a_file_index_lists_of_the_files_before(configured: Callable[..., Config]) -> None:
    config = configured('a: [1, {x: 2}, 3]', 'a.0: 5\na.1.x: 6\n')
    assert config.get('a') == [5, {'x': 6}, 3]
    keys = ('a', 'a.0', 'a.1', 'a.1.x', 'a.2')
    assert [config.origin(key) for key in keys] == ['1.yaml:1', '2.yaml:1', '1.yaml:1', '2.yaml:2', '1.yaml:1']


def test_a_mapping_with_numbers_for_keys_replaces_a_list(configured: Callable[..., Config]) -> None:
    assert configured('a: [1, 2]', 'a: {0: x}').get('a') == {'0': 'x'}


def test_what_a_reference_brings_is_overridden_in_one_place_only(configured: Callable[..., Config]) -> None:
    config = configured(
        '_gate: {density: 1.0, pool: avg}\none: {gate: $(_gate)}\ntwo: {gate: $(_gate)}\nl: [1, 2]\nm: $(l)\n',
        words=['one.gate.density=0.5', '_gate.pool=max', 'm.0=7', 'm+=[3]', '~m.1'],
    )
    assert config.get('one.gate') == {'density': 0.5, 'pool': 'max'}
    assert config.get('two.gate') == {'density': 1.0, 'pool': 'max'}
    assert (config.get('m'), config.get('l')) == ([7, 3], [1, 2])
    assert [config.origin(f'one.gate.{key}') for key in ('density', 'pool')] == ['command line', 'command line']
    assert config.origin('two.gate.density') == '1.yaml:1'


def test_an_override_on_a_reference_to_no_mapping_replaces_it(configured: Callable[..., Config]) -> None:
    assert configured('a: 1\nb: $(a)', words=['b.c=2']).get('b') == {'c': 2}


def test_hundreds_of_overrides_on_one_reference_are_as_good_as_one(configured: Callable[..., Config]) -> None:
    config = configured('_x: {y: 0}\na: $(_x)', words=[f'a.y={n}' for n in range(300)])
    assert config.get('a') == {'y': 299}


def test_a_copy_goes_its_own_way() -> None:
    first = Config()
    first.merge_word('a.b=1')
    second = first.copy()
    second.merge_word('a.b=2')
    first.merge_word('a.c=3')
    assert (first.to_dict(), second.to_dict()) == ({'a': {'b': 1, 'c': 3}}, {'a': {'b': 2}})


def test_what_is_returned_can_be_changed_without_changing_the_configuration(configured: Callable[..., Config]) -> None:
    config = configured('a: {b: [1]}')
    config.get('a')['b'].append(2)
    assert config.get('a') == {'b': [1]}


@pytest.mark.parametrize('text', ['Set #2', '#1.png', 'a #1.png', 'wild/Set #2/dog', 'line\nbreak.png'])
def test_what_yaml_would_take_for_a_comment_is_part_of_the_value(text: str) -> None:
    config = Config()
    config.merge_word(f'a={text}')
    assert config.get('a') == text


def test_a_reference_in_such_a_value_is_one() -> None:
    config = Config()
    config.merge_word('b=x')
    config.merge_word('a=$(b) #2')
    assert config.get('a') == 'x #2'


@pytest.mark.parametrize('text', ['a: b.png', '- x.png', 'folder/a: b.png'])
def test_what_yaml_would_take_for_a_mapping_or_list_without_braces_is_text(text: str) -> None:
    config = Config()
    config.merge_word(f'_file={text}')
    assert config.get('_file') == text
