"""What may stand under a key of a layer, and what the code reads for it."""

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.layers import keys, layer_types
from mayo.util.errors import UserError

KINDS = {name: key.kind for kind in layer_types for name, key in keys.keys_of(layer_types[kind]).items()}
KINDS['kernel_size'] = keys.keys_of(layer_types['max_pool'])['kernel_size'].kind  # which may also be the whole map
KINDS['num_outputs'] = keys.keys_of(layer_types['convolution'])['num_outputs'].kind  # which must be given


def check(key: str, value: Any) -> Any:
    return KINDS[key].checked(value, key)


@pytest.mark.parametrize(
    ('key', 'value', 'read'),
    [
        ('kernel_size', 3, (3, 3)),
        ('kernel_size', [3, 1], (3, 1)),
        ('kernel_size', 'global', None),
        ('kernel_size', [None, 2], (None, 2)),
        ('kernel_size', None, None),
        ('stride', 2, (2, 2)),
        ('stride', [1, 2], (1, 2)),
        ('stride', 2.0, (2, 2)),
        ('padding', 'SAME', 'same'),
        ('padding', 'valid', 'valid'),
        ('padding', 0, (0, 0)),
        ('padding', [1, 0], (1, 0)),
        ('sides', 1, ((1, 1), (1, 1))),
        ('sides', [1, 2], ((1, 1), (2, 2))),
        ('sides', [[0, 1], [2, 3]], ((0, 1), (2, 3))),
        ('channels', 8, (8, 8)),
        ('channels', [0, 1], (0, 1)),
        ('num_outputs', 64, 64),
        ('num_outputs', 64.0, 64),
        ('axis', 1, (1,)),
        ('axis', [1, -1], (1, -1)),
        ('keep_prob', 1, 1),
        ('trainable', False, False),
        ('alpha', 1e-4, 1e-4),
    ],
)
def test_a_value_is_read_in_one_form(key: str, value: Any, read: Any) -> None:
    assert check(key, value) == read


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('kernel_size', 0, 'is 0, expected a whole number from 1 up, [height, width], where null is all of it, or `global`.'),
        (
            'kernel_size',
            'all',
            'is all, expected a whole number from 1 up, [height, width], where null is all of it, or `global`.',
        ),
        (
            'kernel_size',
            [3, 3, 3],
            'is [3, 3, 3], expected a whole number from 1 up, [height, width], where null is all of it, or `global`.',
        ),
        ('stride', 'global', 'is global, expected a whole number from 1 up, or [height, width].'),
        (
            'padding',
            'full',
            'is full, expected `same`, `valid`, a whole number from 0 up, [height, width], or [[top, bottom], [left, right]].',
        ),
        (
            'padding',
            -1,
            'is -1, expected `same`, `valid`, a whole number from 0 up, [height, width], or [[top, bottom], [left, right]].',
        ),
        ('sides', 'x', 'is x, expected a whole number from 0 up, [height, width], or [[top, bottom], [left, right]].'),
        ('channels', -1, 'is -1, expected a whole number from 0 up, or [before, after].'),
        ('num_outputs', 1.5, 'is 1.5, expected a whole number from 1 up.'),
        ('num_outputs', True, 'is true, expected a whole number from 1 up.'),
        ('num_groups', None, 'is null, expected a whole number from 1 up.'),
        ('num_outputs', float('inf'), 'is .inf, expected a whole number from 1 up.'),
        ('keep_prob', 0, 'is 0, expected a number in (0, 1].'),
        ('keep_prob', '0.5', 'is 0.5, expected a number in (0, 1].'),
        ('trainable', 'yes', 'is yes, expected true, false, or `norm`.'),
        ('bias', [], 'is [], expected a number.'),
        ('bias', float('nan'), 'is .nan, expected a number.'),
        ('alpha', float('inf'), 'is .inf, expected a number.'),
        ('axis', 'h', 'is h, expected 1 (height), 2 (width), 3 or -1 (channels), or a list of them.'),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        check(key, value)
    assert str(error.value) == f'{key} {message}'


@given(
    st.sampled_from(['kernel_size', 'stride', 'padding', 'sides', 'num_outputs', 'axis', 'keep_prob', 'trainable', 'bias']),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)
def test_whatever_yaml_holds_is_read_or_refused(key: Any, value: Any) -> None:
    with contextlib.suppress(UserError):
        check(key, value)


def test_a_field_that_does_not_say_what_it_may_be_is_a_defect() -> None:
    @dataclass(frozen=True)
    class Vague:
        size: int = 1

    with pytest.raises(TypeError, match=r'Vague\.size does not say what it may be'):
        keys.keys_of(Vague)


def test_what_is_no_mapping_is_told() -> None:
    with pytest.raises(UserError) as error:
        keys.read(layer_types['gated_convolution'], {'kernel_size': 1, 'num_outputs': 1, 'gate_params': 'on'}, str, 'it')
    assert str(error.value) == 'gate_params is on, expected a mapping.'
    with pytest.raises(UserError) as error:
        keys.read(layer_types['convolution'], {'kernel_size': 1, 'num_outputs': 1, 'normalizer_params': 3}, str, 'it')
    assert str(error.value) == 'normalizer_params is 3, expected a mapping, or null.'
