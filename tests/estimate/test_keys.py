"""What may stand under a key of a layer, and what the code reads for it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.estimate.keys import check
from mayo.util.errors import UserError


@pytest.mark.parametrize(
    ('key', 'value', 'read'),
    [
        ('kernel_size', 3, (3, 3)),
        ('kernel_size', [3, 1], (3, 1)),
        ('kernel_size', 'global', None),
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
        ('normalizer_params', None, {}),
        ('gate_params', {'density': 0.5}, {'density': 0.5}),
        ('another', 'as it is', 'as it is'),
    ],
)
def test_a_value_is_read_in_one_form(key, value, read):
    assert check(key, value) == read


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('kernel_size', 0, 'is 0, expected a whole number, 1 or more, [height, width], or `global`.'),
        ('kernel_size', 'all', 'is all, expected a whole number, 1 or more, [height, width], or `global`.'),
        ('kernel_size', [3, 3, 3], 'is [3, 3, 3], expected a whole number, 1 or more, [height, width], or `global`.'),
        ('stride', 'global', 'is global, expected a whole number, 1 or more, or [height, width].'),
        ('padding', 'full', 'is full, expected `same`, `valid`, a whole number, or [height, width].'),
        ('padding', -1, 'is -1, expected `same`, `valid`, a whole number, or [height, width].'),
        ('sides', 'x', 'is x, expected a whole number, [height, width], or [[top, bottom], [left, right]].'),
        ('channels', -1, 'is -1, expected a whole number, or [before, after].'),
        ('num_outputs', 1.5, 'is 1.5, expected a whole number, 1 or more.'),
        ('num_outputs', True, 'is true, expected a whole number, 1 or more.'),
        ('num_groups', None, 'is null, expected a whole number, 1 or more.'),
        ('num_outputs', float('inf'), 'is inf, expected a whole number, 1 or more.'),
        ('keep_prob', 0, 'is 0, expected a number in (0, 1].'),
        ('keep_prob', '0.5', 'is 0.5, expected a number in (0, 1].'),
        ('trainable', 'yes', 'is yes, expected true or false.'),
        ('bias', [], 'is [], expected a number.'),
        ('axis', 'h', 'is h, expected 1 (height), 2 (width), 3 or -1 (channels), or a list of them.'),
        ('gate_params', 'on', 'is on, expected a mapping.'),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(key, value, message):
    with pytest.raises(UserError) as error:
        check(key, value)
    assert str(error.value) == message


@given(
    st.sampled_from(
        ['kernel_size', 'stride', 'padding', 'sides', 'num_outputs', 'axis', 'keep_prob', 'trainable', 'bias', 'gate_params']
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)
def test_whatever_yaml_holds_is_read_or_refused(key, value):
    with contextlib.suppress(UserError):
        check(key, value)
