"""Settings that are declared: what follows from a declaration, and what a wrong one is told."""

import pytest

from mayo.util import settings
from mayo.util.kinds import FLAG, TEXT, choice, whole
from mayo.util.settings import Section, Setting, declare


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is declared but what a test declares."""
    monkeypatch.setattr(settings, '_shared', [])
    monkeypatch.setattr(settings, '_others', [])


def test_the_defaults_of_all_settings_are_one_tree_with_the_shared_ones_first() -> None:
    declare(Section('eval', 'e', Setting('path', TEXT, None, 'p'), Setting('a.b', whole(1), 2, 'b')))
    declare(Section('eval', 'e', Setting('size', whole(1), 3, 's')), shared=True)
    assert list(settings.settings()) == ['eval.size', 'eval.path', 'eval.a.b']
    assert settings.defaults() == {'eval': {'size': 3, 'path': None, 'a': {'b': 2}}}


def test_a_default_is_not_changed_through_what_was_made_of_it() -> None:
    declare(Section('x', 'x', Setting('names', None, [], 'n')))
    settings.defaults()['x']['names'].append(1)
    assert settings.defaults() == {'x': {'names': []}}


@pytest.mark.parametrize(
    'setting, message',
    [
        (Setting('here', FLAG, True, 'h'), 'the setting x.here is declared twice'),
        (Setting('silent', FLAG, True, ''), 'the setting x.silent does not say what it means'),
        (Setting('kind', choice('a', 'b'), 'c', 'k'), "the default of x.kind is 'c', expected one of a, b"),
    ],
)
def test_a_wrong_declaration_is_an_error_that_names_the_setting(setting: Setting, message: str) -> None:
    declare(Section('x', 'x', Setting('here', FLAG, False, 'h')))
    with pytest.raises(ValueError, match=message):
        declare(Section('x', 'x', setting))
    assert list(settings.settings()) == ['x.here']


def test_values_are_read_alone_and_inside_of_what_is_above_them() -> None:
    declare(Section('x', 'x', Setting('a.n', whole(1), 1, 'n')))
    assert repr(settings.read('x.a.n', 2.0)) == '2'
    assert repr(settings.read('x', {'a': {'n': 3.0, 'mine': 4.0}})) == "{'a': {'n': 3, 'mine': 4.0}}"
    assert repr(settings.read('x.a', 'no mapping')) == "'no mapping'"
    assert repr(settings.read('y', 2.0)) == '2.0'
    assert repr(settings.read('x.a.n', 'unfit')) == "'unfit'"


def test_the_remedy_is_that_of_the_setting_or_of_the_nearest_section() -> None:
    declare(Section('a', 'a', Setting('x', TEXT, None, 'x', remedy='x'), Setting('y', TEXT, None, 'y'), remedy='of a'))
    declare(Section('a.b', 'b', Setting('z', TEXT, None, 'z'), remedy='of b'))
    assert [settings.remedy(key) for key in ('a.x', 'a.y', 'a.b.z', 'c')] == ['x', 'of a', 'of b', 'set it, e.g. c=VALUE']


def test_what_changes_no_session_is_left_out_of_what_a_session_depends_on() -> None:
    declare(Section('free', 'f', Setting('a', TEXT, None, 'a'), Setting('b', TEXT, None, 'b', changes_session=True)))
    declare(
        Section(
            'held.low',
            'h',
            Setting('a', TEXT, None, 'a', changes_session=False),
            Setting('b', TEXT, None, 'b'),
            changes_session=True,
        )
    )
    values = {'free': {'a': 1, 'b': 2}, 'held': {'low': {'a': 3, 'b': 4}}, 'other': 5}
    assert settings.of_session(values) == {'free': {'b': 2}, 'held': {'low': {'b': 4}}, 'other': 5}
    assert values['free'] == {'a': 1, 'b': 2}
    assert settings.of_session({'held': 'no mapping'}) == {'held': 'no mapping'}
