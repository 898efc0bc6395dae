"""The tables of the native engine: memory, and what it does not know."""

import ctypes
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.net.tf.compact import program as ops
from mayo.net.tf.compact.native import plan, tables
from mayo.net.tf.compact.program import Function, Program, Value
from mayo.util.files import home

HEADER = home() / 'mayo/net/tf/compact/native/engine.h'


def of_sums(sizes: Any, sources: Any, outputs: Any) -> Program:
    """Value i + 1 is the sum of values sources[i]; the sizes are what it takes to lay them out."""
    values = {f'v{number}': Value((size,), size) for number, size in enumerate(sizes)}
    operations = tuple(
        ops.Add(output=f'v{number + 1}', sources=tuple(f'v{source % (number + 1)}' for source in read))
        for number, read in enumerate(sources)
    )
    return Program(operations, values, ('v0',), tuple(f'v{output % len(sizes)}' for output in outputs))


@given(st.data(), st.integers(1, 12))
def test_no_value_lies_where_another_one_is_still_needed(data: Any, count: Any) -> None:
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=count + 1, max_size=count + 1))
    sources = data.draw(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=3), min_size=count, max_size=count))
    program = of_sums(sizes, sources, data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=2)))
    places, total = plan.arrange(program)
    memory = np.full(total, -1)
    memory[places['v0'] : places['v0'] + sizes[0]] = 0
    for number, operation in enumerate(program.operations, 1):
        for source in operation.sources:
            remembered = memory[places[source] : places[source] + program.values[source].dims[0]]
            assert (remembered == int(source[1:])).all()
        memory[places[operation.output] : places[operation.output] + sizes[number]] = number
    for output in program.outputs:
        assert (memory[places[output] : places[output] + program.values[output].dims[0]] == int(output[1:])).all()


def test_memory_is_used_again() -> None:
    program = of_sums([160] * 10, [[number] for number in range(9)], [9])
    assert plan.arrange(program)[1] == 320


def test_a_function_that_the_engine_does_not_know_is_named() -> None:
    value = Value((3,), 3)
    operation = ops.Activation(output='late', source='x', function=Function('crelu'))
    program = Program((operation,), {'x': value, 'late': value}, ('x',), ('late',))
    assert plan.unsupported(program) == ['late: the native engine knows no function `crelu`.']


def test_a_second_input_is_refused() -> None:
    value = Value((3,), 3)
    program = Program((ops.Add(output='z', sources=('x', 'y')),), {'x': value, 'y': value, 'z': value}, ('x', 'y'), ('z',))
    assert plan.unsupported(program) == ['the native engine reads one input, not 2.']


SIZES = {'int64_t': 8, 'int32_t': 4, 'float': 4, 'Affine': ctypes.sizeof(tables.CAffine)}


def fields_of(struct: str) -> list[tuple[str, int]]:
    """Names and sizes of a struct's fields as the header has them."""
    text = re.sub(r'/\*.*?\*/', '', HEADER.read_text(encoding='utf-8'), flags=re.DOTALL)
    body = next(body for body, name in re.findall(r'typedef struct \{([^}]*)\} (\w+);', text) if name == struct)
    remembered = []
    for kind, names in re.findall(r'(?:const )?(\w+) ([^;]+);', body):
        for name in names.split(','):
            bare, count = re.fullmatch(r'\s*\*?(\w+)(?:\[(\d)\])?', name).groups()
            remembered.append((bare, 8 if '*' in name else SIZES[kind] * int(count or 1)))
    return remembered


TABLES = {'Value': tables.CValue, 'Affine': tables.CAffine, 'Gate': tables.CGate, 'Op': tables.COp, 'Plan': tables.CPlan}


@pytest.mark.parametrize('struct, table', TABLES.items())
def test_the_tables_are_those_of_the_header(struct: Any, table: Any) -> None:
    assert [(name, ctypes.sizeof(kind)) for name, kind in table._fields_] == fields_of(struct)


def names_of(first: str) -> list[str]:
    """The names of the enum that starts with `first`, as the header has them."""
    remembered = re.search(rf'enum \{{ ({first}[^}}]*)\}}', HEADER.read_text(encoding='utf-8'))
    return [name.lower() for name in re.findall(r'\w+', remembered[1])]


def test_kinds_and_functions_are_counted_as_in_the_header() -> None:
    kinds = {'LocalResponse': 'local_response', 'SpaceToDepth': 'space_to_depth'}
    assert [kinds.get(kind.__name__, kind.__name__.lower()) for kind in tables.KINDS] == names_of('CONV')
    assert list(tables.FUNCTIONS) == names_of('LINEAR')
    assert list(tables.POOLS) == names_of('AVG')
    assert list(tables.BOOSTS) == names_of('BEFORE')
