"""What an action has to say of itself; and one session serves the actions of a line until a word changes what it is made of."""

from typing import Any, cast

import pytest

from mayo.actions import Run, action, actions
from mayo.actions.base import LAST
from mayo.config import Config
from mayo.util import settings

COMPLETE: dict[str, Any] = {'needs': (), 'reads': (), 'loads': False, 'makes': ()}
OWN = [section for section in settings.sections() if not section.changes_session]


@pytest.mark.parametrize('aspect', COMPLETE)
def test_an_aspect_that_is_forgotten_is_an_error_that_names_it(aspect: str) -> None:
    with pytest.raises(TypeError, match=f"missing 1 required keyword-only argument: '{aspect}'"):
        action('do', **{name: value for name, value in COMPLETE.items() if name != aspect})


def test_an_action_without_its_line_in_help_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'the action do has no docstring, which is its line in --help'):
        action('do', **COMPLETE)(lambda run: None)


def test_a_name_serves_one_action() -> None:
    def again(run: Run) -> None:
        """Do it."""

    with pytest.raises(ValueError, match="action 'eval' is registered twice"):
        action('eval', **COMPLETE)(again)


def test_help_lists_the_actions_by_the_places_that_they_declare() -> None:
    places = [actions[name].place for name in actions]
    assert places == sorted(set(places))
    assert (next(iter(actions)), places[-1] < LAST) == ('ls', True)


def after(*words: str, start: Any = None) -> Any:
    config = (start or Config.default()).copy()
    for word in words:
        config.merge_word(word)
    return config


@pytest.fixture
def run() -> Run:
    run = Run(after('model.name=a', '_density=0.5'))
    run._session, run.evaluation = cast(Any, object()), cast(Any, object())
    return run


@pytest.mark.parametrize('word', ['system.seed=1', 'model.name=b', 'system.checkpoint.load=x', 'train.max_epochs=3'])
def test_a_word_that_changes_the_configuration_ends_the_session(run: Run, word: str) -> None:
    run.at(after(word, start=run.config))
    assert (run._session, run.evaluation) == (None, None)


def test_a_scratch_key_ends_the_session_where_it_is_used(run: Run) -> None:
    run.at(after('train.weight_decay=$(_density)', start=run.config))
    run._session = session = cast(Any, object())
    run.at(after('_unused=1', start=run.config))
    assert run._session is session
    run.at(after('_density=0.25', start=run.config))
    assert run._session is None


@pytest.mark.parametrize(
    'word',
    [
        'info.format=json',
        'info.path=x',
        'config.origin=true',
        'system.checkpoint.save=x',
        'system.log.every_seconds=1',
        'model.name=a',
        '_mine=1',
    ],
)
def test_a_word_that_changes_only_how_results_are_put_keeps_it(run: Run, word: str) -> None:
    session, evaluation = run._session, run.evaluation
    config = after(word, start=run.config)
    run.at(config)
    assert (run._session, run.evaluation) == (session, evaluation)
    assert run.config is config


def test_a_different_batch_size_of_evaluation_keeps_the_weights(run: Run) -> None:
    session = run._session
    run.at(after('eval.batch_size=7', start=run.config))
    assert run._session is session


@pytest.mark.parametrize('key', [key for section in OWN for key in section.settings])
def test_a_setting_of_an_action_alone_changes_no_session(run: Run, key: str) -> None:
    session, config = run._session, run.config.copy()
    config.merge_word(f'{key}=another')
    run.at(config)
    assert run._session is session


@pytest.mark.parametrize('name', ['model', 'dataset', 'train', 'system'])
def test_every_other_setting_does_unless_it_says_so(run: Run, name: str) -> None:
    [section] = [section for section in settings.sections() if section.name == name]
    kept = []
    for key in section.settings:
        config = run.config.copy()
        config.merge_word(f'{key}=another')
        other = Run(run.config)
        other._session = session = cast(Any, object())
        other.at(config)
        kept += [key] * (other._session is session)
    assert kept == [key for key in ('system.checkpoint.save', 'system.log.every_seconds') if key in section.settings]
