"""Arithmetic and nothing else."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.config.arith import evaluate


@pytest.mark.parametrize(
    ('source', 'value'),
    [
        ('1 + 2 * 3', 7),
        ('(1 + 2) * 3', 9),
        ('7 / 2', 3.5),
        ('7 // 2', 3),
        ('7 % 4', 3),
        ('2 ** 10', 1024),
        ('-2 ** 2', -4),
        ('- -3', 3),
        ('+1', 1),
        ('1e-4 * 10', 1e-3),
        ('0x10', 16),
        ('1 < 2 <= 2', True),
        ('1 < 2 > 3', False),
        ('a == a', True),
        ("a != 'b'", True),
        ('a in [a, b]', True),
        ('c not in [a]', True),
        ('not 1', False),
        ('0 or 5', 5),
        ('1 and 0', 0),
        ('1 if 2 > 1 else 1 / 0', 1),
        ('true and not false', True),
        ('null', None),
        ('True', True),
        ('None == null', True),
        ('[conv1, pool1] + [fc]', ['conv1', 'pool1', 'fc']),
        ("'a' + b", 'ab'),
        ('[]', []),
        ('[1, [2, x]]', [1, [2, 'x']]),
        ('min(3, 1, 2)', 1),
        ('max([1, 5])', 5),
        ('abs(-2)', 2),
        ('round(2.567, 1)', 2.6),
        ('len([1, 2])', 2),
        ('len(abc)', 3),
        ('int(3.9)', 3),
        ("int('12')", 12),
        ('float(2)', 2.0),
        ('sum([1, 2, 3])', 6),
        ('math.sqrt(16)', 4.0),
        ('math.ceil(1.2)', 2),
        ('math.pi', math.pi),
        ('math.factorial(5)', 120),
        (' 1 ', 1),
    ],
)
def test_what_is_arithmetic_is_computed(source: str, value: Any) -> None:
    assert evaluate(source) == value
    assert type(evaluate(source)) is type(value)


def test_names_stand_for_given_values_before_their_own_text() -> None:
    assert evaluate('x + y', {'x': [1]} | {'y': [2]}) == [1, 2]
    assert evaluate('x == y') is False


@pytest.mark.parametrize(
    ('source', 'reason'),
    [
        ('', 'not an expression'),
        ('1 +', 'not an expression (invalid syntax)'),
        ('a = 1', 'not an expression'),
        (
            "__import__('os')",
            'the function `__import__` is not known; there are min max abs round len int float sum and math.*',
        ),
        ("open('x')", 'the function `open` is not known'),
        ('math.__doc__', '`math.__doc__` is not known'),
        ('math.__loader__()', 'the function `math.__loader__` is not known'),
        ('math.nothing(1)', 'the function `math.nothing` is not known'),
        ('math.sqrt', '`math.sqrt` is not known; text with dots needs quotes'),
        ('a.b', '`a.b` is not known'),
        ("''.join([a])", "the function `''.join` is not known"),
        ('[x for x in [1]]', 'is not arithmetic'),
        ('lambda: 1', 'is not arithmetic'),
        ('(x := 1)', 'is not arithmetic'),
        ('{}', 'is not arithmetic'),
        ('(1, 2)', 'is not arithmetic'),
        ('[1][0]', 'is not arithmetic'),
        ("f'{x}'", 'is not arithmetic'),
        ('1 << 3', '`1 << 3` is not arithmetic'),
        ('~1', '`~1` is not arithmetic'),
        ('1 is 1', 'is not a comparison of values'),
        ('min(*[1])', 'is not arithmetic'),
        ('min([1], key=abs)', 'takes no named arguments'),
        ('max(1, b=2)', 'takes no named arguments'),
        ("b'x'", 'neither a number nor text'),
        ('2j', 'neither a number nor text'),
        ('...', 'neither a number nor text'),
        ('(-1) ** 0.5', 'a result of type complex'),
        ('1 / 0', 'division by zero'),
        ("1 + 'a'", '`+` between a number and text'),
        ("'a' * 3", '`*` between text and a number'),
        ('[1] * 2', '`*` between a list and a number'),
        ("'%d' % 3", '`%` between text and a number'),
        ('null + 1', '`+` between null and a number'),
        ('len(3)', "object of type 'int' has no len()"),
        ("int('x')", 'invalid literal'),
        ('math.sqrt(-1)', 'math domain error'),
        ('a < 1', "'<' not supported"),
        ('math.exp(1000)', 'math range error'),
    ],
)
def test_everything_else_is_refused_with_its_reason(source: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        evaluate(source)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    'source',
    [
        '9 ** 9 ** 9',
        '2 ** 5000',
        '(2 ** 4000) * (2 ** 4000)',
        'math.factorial(10 ** 8)',
        'math.comb(10 ** 6, 10 ** 5)',
        'round(5, -10 ** 9)',
        '(' * 500 + '1' + ')' * 500,
        '-' * 9000 + '1',
        '+'.join('1' * 4000),
        '1' * 20000,
        'not ' * 2000 + '1',
        'math.ldexp(1.0, 10 ** 9)',
        '[' * 150 + ']' * 150,
    ],
)
def test_expressions_that_would_take_hours_or_all_memory_are_refused_at_once(source: str) -> None:
    with pytest.raises(ValueError, match=r'.+'):
        evaluate(source)


@given(st.text(alphabet='0123456789+-*/%(). <>=[],abnotdrif\'"', max_size=40))
def test_any_text_gives_a_value_or_a_value_error(source: Any) -> None:
    try:
        value = evaluate(source)
    except ValueError:
        return
    assert value is None or isinstance(value, int | float | str | list)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 1000))
def test_it_agrees_with_python(a: Any, b: Any, c: Any) -> None:
    assert evaluate('a * b + a // c - (b % c) / c', {'a': a, 'b': b, 'c': c}) == a * b + a // c - (b % c) / c


@pytest.mark.parametrize(
    ('source', 'limit'), [('[a, a]', 'a list of more than 10000 values'), ('a + a', 'more than 10000 values')]
)
def test_lists_that_double_have_an_end(source: str, limit: str) -> None:
    def doubled(times: int) -> Any:
        return evaluate(source, {'a': doubled(times - 1) if times else ['x']})

    assert doubled(8)
    with pytest.raises(ValueError, match=limit):
        doubled(40)
