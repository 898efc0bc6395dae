"""References and expressions in merged trees."""

from collections.abc import Callable
from typing import Any

import pytest

from mayo.config import Config


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('x: $(n)', 3),
        ('x: $(l)', [1, 2]),
        ('x: $(m)', {'k': 'v', 'd': 3}),
        ('x: $(t)', 'text'),
        ('x: $(z)', None),
        ('x: "$(f)"', 0.5),
        ('x: $( m . k )', 'v'),
        ('x: $(l.1)', 2),
        ('x: a$(n)b', 'a3b'),
        ('x: $(t)$(n)', 'text3'),
        ('x: $(b)!', 'true!'),
        ('x: $(f)x', '0.5x'),
        ('x: $(m.$(key))', 'v'),
        ('x: $($(t2).k)', 'v'),
        ('x: $(a.$(m.$(key)).w)', 'deep'),
        ('x: [$(n), {y: $(t)}]', [3, {'y': 'text'}]),
        ('x: (a)', '(a)'),
        ('x: ^(name)_$(n)', '^(name)_3'),
        ('x: $', '$'),
        ('x: $x', '$x'),
        ('x: !arith $(n) * 2 + 1', 7),
        ('x: !arith $(l) + [$(n)]', [1, 2, 3]),
        ('x: !arith "[conv1, pool1] + $(l)"', ['conv1', 'pool1', 1, 2]),
        ('x: !arith $(neg) ** 2', 4),
        ("x: !arith '''$(t) $(n)'''", 'text 3'),
        ('x: !arith $(t)_$(n)', 'text_3'),
        ('x: !arith $(words) + x', 'two wordsx'),
        ('x: !arith $(z) == null', True),
        ('x: !arith 1 if $(b) else 2', 1),
        ('x: !arith math.ceil($(n)/$(l.1))', 2),
        ('x: !arith 1+1', 2),
        ('x: !arith $(y) + 1\ny: !arith $(n) + 1', 5),
    ],
)
def test_references_become_their_values(configured: Callable[..., Config], text: str, value: Any) -> None:
    base = (
        '{n: 3, f: 0.5, b: true, z: null, t: text, t2: m, key: k, l: [1, 2], m: {k: v, d: $(n)}, a: {v: {w: deep}}, '
        'neg: -2, words: two words}'
    )
    assert configured(base, text).get('x') == value


def test_references_are_resolved_after_all_merges_and_only_when_asked_for(configured: Callable[..., Config]) -> None:
    config = configured('{a: $(b), c: $(later), b: 1}', words=['b=2'])
    assert config.get('a') == 2
    config.merge_word('later=x')
    assert config.get('c') == 'x'


def test_a_leading_dot_looks_beside_itself_wherever_the_value_ends_up(configured: Callable[..., Config]) -> None:
    config = configured(
        '_side: &side {side: 3, pair: [$(.side), $(.side)], deep: {x: $(.y), y: 1}}\n'
        'one: *side\n'
        'two: {<<: *side, side: 5}\n'
        'list: [{a: 1, b: $(.a)}]\n'
        'top: $(.one.side)\n'
    )
    assert config.get('one.pair') == [3, 3]
    assert config.get('two') == {'side': 5, 'pair': [5, 5], 'deep': {'x': 1, 'y': 1}}
    assert config.get('list.0.b') == 1
    assert config.get('top') == 3


def test_paths_lead_through_references(configured: Callable[..., Config]) -> None:
    config = configured('a: {b: {c: [7]}}\nd: $(a)\ne: $(d.b)\nf: $(e.c.0)')
    assert (config.get('f'), config.get('e.c.0'), 'd.b.c' in config, 'd.x' in config) == (7, 7, True, False)


def test_origins_of_what_a_reference_brings_are_those_of_the_values(configured: Callable[..., Config]) -> None:
    config = configured('_g:\n    a: 1\nx: $(_g)\ny: $(_g.a)\nz: !arith $(y)\n', words=['_g.b=2'])
    keys = ('x', 'x.a', 'x.b', 'y', 'z')
    assert [config.origin(key) for key in keys] == ['1.yaml:3', '1.yaml:2', 'command line', '1.yaml:4', '1.yaml:5']


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (
            'x:\n    y: $(dataset.num_clases)\ndataset: {num_classes: 1}',
            '1.yaml:2: x.y: $(dataset.num_clases) does not exist; did you mean num_classes?',
        ),
        ('x: $(nothing)', '1.yaml:1: x: $(nothing) does not exist.'),
        ('x: $(a.b.c)\na: {d: 1}', '1.yaml:1: x: $(a.b.c) does not exist: a.b is not there.'),
        ('x: $(l.2)\nl: [1, 2]', '1.yaml:1: x: $(l.2) does not exist.'),
        ('x: $(.y)\ny_: 1', '1.yaml:1: x: $(.y) does not exist; did you mean y_?'),
        (
            'x: $(y)\ny: $(z)\nz: a$(missing)\n',
            '1.yaml:3: z: $(missing) does not exist (through x (1.yaml:1) -> y (1.yaml:2) -> z (1.yaml:3)).',
        ),
        ('x: $(x)', '1.yaml:1: x refers to itself: x (1.yaml:1) -> x.'),
        ('x: $(y)\ny: $(z)\nz: 1$(x)', '1.yaml:1: x refers to itself: x (1.yaml:1) -> y (1.yaml:2) -> z (1.yaml:3) -> x.'),
        ('x: {y: $(x)}', '1.yaml:1: x.y refers to what it stands in: x -> x.y -> x.'),
        ('x: {y: [$(z)]}\nz: {w: $(x)}', '1.yaml:2: z.w refers to what it stands in: x -> x.y.0 -> z.w -> x.'),
        ('x: {y: !arith $(x)}', '1.yaml:1: x.y: $(x) is a mapping, and stands inside !arith.'),
        ('x: [!arith $(x)]', '1.yaml:1: x.0 refers to itself: x.0 (1.yaml:1) -> x.0.'),
        ('x: a$(y)\ny: [1]', '1.yaml:1: x: $(y) is a list, and stands inside text.'),
        ('x: a$(y)\ny: {z: 1}', '1.yaml:1: x: $(y) is a mapping, and stands inside text.'),
        ('x: a$(y)\ny:', '1.yaml:1: x: $(y) is null, and stands inside text.'),
        ('x: $()', '1.yaml:1: x: $(): a reference is $(a.b), or $(.b) beside itself.'),
        ('x: $(a..b)', '1.yaml:1: x: $(a..b): a reference is'),
        ('x: $(..b)', '1.yaml:1: x: $(..b): a reference is'),
        ('x: !arith 1 / $(y)\ny: 0', '1.yaml:1: x: !arith 1 / $(y): division by zero.'),
        ('x: !arith foo(1)', '1.yaml:1: x: !arith foo(1): the function `foo` is not known'),
        ('x: !arith $(y) + 1\ny:', '1.yaml:1: x: !arith $(y) + 1: `+` between null and a number.'),
        (
            'x: $(env:MAYO_TEST_UNSET)',
            '1.yaml:1: x: $(env:MAYO_TEST_UNSET): the environment has no MAYO_TEST_UNSET; $(env:NAME,default) gives a default.',
        ),
    ],
)
def test_what_cannot_be_resolved_is_told_with_its_place_and_chain(
    configured: Callable[..., Config], message: Callable[..., str], text: str, expected: str
) -> None:
    assert message(configured(text).get, 'x').startswith(expected)


def test_all_failing_references_are_told_together_and_once(
    configured: Callable[..., Config], message: Callable[..., str]
) -> None:
    config = configured('a: $(p)\nb: [$(q), $(a)]\nc: 1\nd: {e: $(a)}\n')
    assert message(config.to_dict) == '1.yaml:1: a: $(p) does not exist.\n1.yaml:2: b.0: $(q) does not exist.'
    assert message(config.get, 'd') == '1.yaml:1: a: $(p) does not exist.'
    assert config.get('c') == 1


def test_a_failure_inside_an_overridden_reference_is_told_each_time(
    configured: Callable[..., Config], message: Callable[..., str]
) -> None:
    config = configured('_g: {a: $(missing)}\nx: $(_g)', words=['x.b=1'])
    for _ in range(2):
        assert message(config.get, 'x').startswith('1.yaml:1: _g.a: $(missing) does not exist')
        assert config.origin('x.b') == '1.yaml:2'


def test_the_environment_is_typed_like_yaml_and_not_looked_into(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MAYO_TEST', '16')
    monkeypatch.setenv('MAYO_TEXT', '$(a) !arith 1')
    monkeypatch.setenv('MAYO_EMPTY', '')
    config = configured(
        'a: $(env:MAYO_TEST)\nb: n$(env:MAYO_TEST)\nc: "$(env:MAYO_NONE, 0.5)"\nd: $(env:MAYO_TEXT)\ne: $(d)\n'
        'f: !arith $(env:MAYO_TEST) / 2\ng: "$(env:MAYO_NONE,)"\nh: $(env:MAYO_EMPTY)\ni: $(env:MAYO_$(j))\nj: TEST'
    )
    assert config.to_dict() == {
        'a': 16,
        'b': 'n16',
        'c': 0.5,
        'd': '$(a) !arith 1',
        'e': '$(a) !arith 1',
        'f': 8.0,
        'g': None,
        'h': None,
        'i': 16,
        'j': 'TEST',
    }


@pytest.mark.parametrize(
    'step', ['[$(a{0}), $(a{0}), $(a{0}), $(a{0})]', '$(a{0})$(a{0})$(a{0})', '!arith $(a{0}) + $(a{0}) + $(a{0})']
)
def test_references_that_multiply_beyond_the_limits_are_refused_at_once(
    configured: Callable[..., Config], message: Callable[..., str], step: str
) -> None:
    first = 'x' if step.startswith('$') else '[x]'
    text = '\n'.join([f'a0: {first}'] + [f'a{n}: {step.format(n - 1)}' for n in range(1, 30)])
    expected = {'$': 'text of more than 1000000 characters', '[': '40000 may be', '!': 'a list of more than 10000 values'}[
        step[0]
    ]
    assert expected in message(configured(text).get, 'a29')


def test_chains_of_references_are_followed_up_to_the_limit(
    configured: Callable[..., Config], message: Callable[..., str]
) -> None:
    text = '\n'.join([f'a{n}: $(a{n + 1})' for n in range(300)] + ['a300: 1'])
    config = configured(text)
    assert config.get('a220') == 1
    assert message(config.get, 'a0').endswith('nested more than 100 deep, references followed.')
