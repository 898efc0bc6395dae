"""Messages for the user, collected and told once."""

from typing import Any

import pytest

from mayo.util.errors import Problems, RunError, UserError, did_you_mean, nearest


def test_wrong_words_exit_with_2_and_failed_runs_with_1() -> None:
    assert (UserError.exit_status, RunError.exit_status) == (2, 1)


def test_all_problems_are_told_once_in_order() -> None:
    problems = Problems()
    for text in ('b is wrong', 'a is wrong', 'b is wrong'):
        with problems.collecting():
            raise UserError(text)
    with pytest.raises(UserError) as caught:
        problems.raise_any()
    assert str(caught.value) == 'b is wrong\na is wrong'


def test_no_problems_raise_nothing() -> None:
    Problems().raise_any()


def test_defects_of_ours_are_not_collected() -> None:
    with pytest.raises(ZeroDivisionError), Problems().collecting():
        _ = 1 / 0


@pytest.mark.parametrize(
    ('name', 'names', 'expected'),
    [('evl', ['eval', 'info'], 'eval'), ('xyz', ['eval'], None), ('0', [0, 1], '0'), ('a', [], None)],
)
def test_the_nearest_name_is_the_most_similar_one(name: str, names: list[Any], expected: str | None) -> None:
    assert nearest(name, names) == expected


def test_a_hint_is_empty_without_a_similar_name() -> None:
    assert did_you_mean('stirde', ['stride']) == '; did you mean stride?'
    assert did_you_mean('padding', ['stride']) == ''
