"""`!arith`: arithmetic on numbers, text and lists; never code.

    expression := number | 'text' | name | [expression, ...] | (expression) | expression operator expression
                | - expression | not expression | expression if expression else expression
                | function(expression, ...) | math.function(expression, ...) | math.pi

operator: + - * / // % ** (of numbers; + also joins texts and lists), == != < <= > >= in, `not in`, and, or.
function: min max abs round len int float sum. A bare name stands for its own text; true, false and null for
themselves.

An expression in which `^(name)` stands is computed later, where a module is placed: a Deferred until then.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Value = Any  # None, bool, int, float, str or a list of those
ARGUMENT = re.compile(r'\^\(\s*([A-Za-z_][\w.-]*)\s*\)')  # ^(name), an argument of a module

_MAX_BITS = 4096  # of an integer result
_MAX_SOURCE = 10_000  # characters
_MAX_DEPTH = 100
_MAX_TEXT = 100_000  # characters of a result
_MAX_VALUES = 10_000  # of a list
_FUNCTIONS: dict[str, Callable[..., Value]] = {
    'min': min,
    'max': max,
    'abs': abs,
    'round': round,
    'len': len,
    'int': int,
    'float': float,
    'sum': sum,
}
_CONSTANTS = {'true': True, 'false': False, 'null': None}
_GROWING = ('math.factorial', 'math.comb', 'math.perm')
_ARITHMETIC: dict[type[ast.AST], tuple[str, Callable[[Value, Value], Value]]] = {
    ast.Add: ('+', operator.add),
    ast.Sub: ('-', operator.sub),
    ast.Mult: ('*', operator.mul),
    ast.Div: ('/', operator.truediv),
    ast.FloorDiv: ('//', operator.floordiv),
    ast.Mod: ('%', operator.mod),
    ast.Pow: ('**', operator.pow),
}
_COMPARISONS: dict[type[ast.AST], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_UNARY: dict[type[ast.AST], Callable[[Value], Value]] = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_}


def evaluate(source: str, values: Mapping[str, Value] | None = None) -> Value:
    """The value of an expression, in which each name of `values` stands for its value.

    ValueError with the reason: not an expression, not allowed, or not computable.

    >>> evaluate('[conv1, pool1] + tail if 2 ** 3 > 7 else null', {'tail': ['fc']})
    ['conv1', 'pool1', 'fc']
    """
    if len(source) > _MAX_SOURCE:
        raise ValueError(f'longer than {_MAX_SOURCE} characters')
    try:
        tree = ast.parse(source.strip(), mode='eval')
    except SyntaxError as error:
        raise ValueError(f'not an expression ({error.msg})') from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError('not an expression') from None
    try:
        return _Evaluator(values or {}).value(tree.body, 0)
    except (TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from None


class Deferred(str):
    """The source of an expression that waits for the arguments of a module, its `$(...)` replaced already."""

    __slots__ = ()

    def compute(self, argument: Callable[[str], Value]) -> Value:
        """Its value, with `argument(name)` for each `^(name)`. ValueError as `evaluate`.

        >>> Deferred("int(^(n) * 0.5) if '^(kind)x' == 'ax' else 1").compute({'n': 9, 'kind': 'a'}.get)
        4
        """
        source, end, values = '', 0, {}
        for index, match in enumerate(ARGUMENT.finditer(self)):
            source += self[end : match.start()]
            end = match.end()
            value = argument(match[1])
            if isinstance(value, Mapping):
                raise ValueError(f'{match[0]} is a mapping')
            if is_glued(source, self[end:]):
                source += str(value)
            else:
                source += f'__{index}__'
                values[f'__{index}__'] = value
        return evaluate(source + self[end:], values)


def literal(value: Value) -> str:
    r"""An expression whose value is `value`.

    >>> literal(['a', 1.5, None])
    "['a', 1.5, null]"
    >>> print(literal('$(a)'))
    '\x24(a)'
    """
    if isinstance(value, list):
        return f'[{", ".join(map(literal, value))}]'
    return 'null' if value is None else repr(value).replace('$(', r'\x24(')  # no reference when it is read back


def is_glued(before: str, after: str) -> bool:
    """Whether a reference between `before` and `after` is part of a word or stands in quotes, and so is text."""
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", '', before)
    in_quotes = "'" in unquoted or '"' in unquoted
    touches = re.match(r'[\w.]|\^\(', after) is not None
    return in_quotes or touches or re.search(r'[\w.]$', before) is not None


class _Evaluator:
    """Walks the syntax tree; what it has no method for is not allowed."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values

    def value(self, node: ast.AST, depth: int) -> Value:
        """The value of one node."""
        if depth > _MAX_DEPTH:
            raise ValueError(f'nested more than {_MAX_DEPTH} deep')
        method = getattr(self, type(node).__name__.lower(), None)
        if method is None:
            raise ValueError(f'`{ast.unparse(node)}` is not arithmetic')
        return _bounded(method(node, depth + 1))

    def constant(self, node: ast.Constant, depth: int) -> Value:
        """Numbers and quoted text."""
        if not isinstance(node.value, None | bool | int | float | str):
            raise ValueError(f'`{ast.unparse(node)}` is neither a number nor text')
        return node.value

    def name(self, node: ast.Name, depth: int) -> Value:
        """A value given by that name, or the name itself as text."""
        if node.id in self.values:
            return self.values[node.id]
        return _CONSTANTS.get(node.id, node.id)

    def list(self, node: ast.List, depth: int) -> Value:
        """[a, b]"""
        return [self.value(item, depth) for item in node.elts]

    def unaryop(self, node: ast.UnaryOp, depth: int) -> Value:
        """-a, +a, not a"""
        if type(node.op) not in _UNARY:
            raise ValueError(f'`{ast.unparse(node)}` is not arithmetic')
        return _UNARY[type(node.op)](self.value(node.operand, depth))

    def binop(self, node: ast.BinOp, depth: int) -> Value:
        """a + b and so on"""
        if type(node.op) not in _ARITHMETIC:
            raise ValueError(f'`{ast.unparse(node)}` is not arithmetic')
        symbol, compute = _ARITHMETIC[type(node.op)]
        left, right = self.value(node.left, depth), self.value(node.right, depth)
        joins = symbol == '+' and type(left) is type(right) and isinstance(left, str | list)
        if not joins and not (_is_number(left) and _is_number(right)):
            raise ValueError(f'`{symbol}` between {_kind(left)} and {_kind(right)}')
        if symbol == '**':
            _check_power(left, right)
        return compute(left, right)

    def compare(self, node: ast.Compare, depth: int) -> Value:
        """a < b <= c"""
        values = [self.value(item, depth) for item in (node.left, *node.comparators)]
        for sign, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(sign) not in _COMPARISONS:
                raise ValueError(f'`{ast.unparse(node)}` is not a comparison of values')
            if not _COMPARISONS[type(sign)](left, right):
                return False
        return True

    def boolop(self, node: ast.BoolOp, depth: int) -> Value:
        """a and b, a or b: the operand that decides"""
        decides = isinstance(node.op, ast.Or)
        value = None
        for item in node.values:
            value = self.value(item, depth)
            if bool(value) == decides:
                break
        return value

    def ifexp(self, node: ast.IfExp, depth: int) -> Value:
        """a if b else c; only the chosen one is computed"""
        return self.value(node.body if self.value(node.test, depth) else node.orelse, depth)

    def attribute(self, node: ast.Attribute, depth: int) -> Value:
        """math.pi"""
        value = getattr(math, node.attr, None) if _of_math(node) else None
        if not isinstance(value, float):
            raise ValueError(f'`{ast.unparse(node)}` is not known; text with dots needs quotes')
        return value

    def call(self, node: ast.Call, depth: int) -> Value:
        """The functions of the list, and those of math"""
        name = ast.unparse(node.func)
        function: Any = None
        if isinstance(node.func, ast.Name):
            function = _FUNCTIONS.get(node.func.id)
        elif _of_math(node.func):
            function = getattr(math, name.removeprefix('math.'), None)
        if not callable(function) or '__' in name:
            known = ' '.join(_FUNCTIONS)
            raise ValueError(f'the function `{name}` is not known; there are {known} and math.*')
        if node.keywords:
            raise ValueError(f'`{name}` takes no named arguments here')
        arguments = [self.value(item, depth) for item in node.args]
        _check_growth(name, arguments)
        return function(*arguments)


def _of_math(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == 'math'


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _kind(value: Value) -> str:
    if value is None:
        return 'null'
    return 'a number' if _is_number(value) else 'text' if isinstance(value, str) else 'a list'


def _check_power(base: Value, exponent: Value) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and exponent * base.bit_length() > _MAX_BITS:
        raise ValueError(f'a result of more than {_MAX_BITS} bits')


def _check_growth(name: str, arguments: list[Value]) -> None:
    """Refuse calls that would run for hours."""
    growing = arguments[1:] if name == 'round' else arguments if name in _GROWING else []
    if any(_is_number(value) and abs(value) > 300 for value in growing):
        raise ValueError(f'`{name}` of a number above 300')


def _bounded(value: Value) -> Value:
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ValueError(f'a result of more than {_MAX_BITS} bits')
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ValueError(f'a text of more than {_MAX_TEXT} characters')
    if isinstance(value, list) and _size(value, {}) > _MAX_VALUES:
        raise ValueError(f'a list of more than {_MAX_VALUES} values')
    if not (value is None or isinstance(value, int | float | str | list)):
        raise ValueError(f'a result of type {type(value).__name__}')
    return value


def _size(value: Value, known: dict[int, int]) -> int:
    """How many values are in a list and in the lists in it, those that it holds twice counted twice."""
    if not isinstance(value, list):
        return 1
    if id(value) not in known:
        known[id(value)] = 1 + sum(_size(item, known) for item in value)
    return known[id(value)]
