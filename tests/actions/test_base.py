"""One session serves the actions of a line until a word changes what it is made of."""

import pytest

from mayo.actions import Run
from mayo.config import Config


def after(*words, start=None):
    config = (start or Config.default()).copy()
    for word in words:
        config.merge_word(word)
    return config


@pytest.fixture
def run():
    run = Run(after('model.name=a', '_density=0.5'))
    run._session, run.evaluation = object(), object()
    return run


@pytest.mark.parametrize('word', ['system.seed=1', 'model.name=b', 'system.checkpoint.load=x', 'train.max_epochs=3'])
def test_a_word_that_changes_the_configuration_ends_the_session(run, word):
    run.at(after(word, start=run.config))
    assert (run._session, run.evaluation) == (None, None)


def test_a_scratch_key_ends_the_session_where_it_is_used(run):
    run.at(after('train.weight_decay=$(_density)', start=run.config))
    run._session = session = object()
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
def test_a_word_that_changes_only_how_results_are_put_keeps_it(run, word):
    session, evaluation = run._session, run.evaluation
    config = after(word, start=run.config)
    run.at(config)
    assert (run._session, run.evaluation) == (session, evaluation)
    assert run.config is config


def test_a_different_batch_size_of_evaluation_keeps_the_weights(run):
    session = run._session
    run.at(after('eval.batch_size=7', start=run.config))
    assert run._session is session
