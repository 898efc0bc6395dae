"""What each setting may hold."""

import pytest

from mayo.config import Config
from mayo.session.settings import SETTINGS, problems

# Checked by those who read them: layers, steps, schedules and raw data sets declare their own keys.
ELSEWHERE = (
    'model.layers',
    'model.graph',
    'model.inputs',
    'model.outputs',
    'dataset.task.preprocess',
    'dataset.prepare.known',
    'dataset.prepare.classes',
    'dataset.prepare.urls',
    'dataset.prepare.splits',
    'train.optimizer',
    'train.learning_rate',
)


def leaves(value, path=''):
    if isinstance(value, dict) and value:
        return [leaf for key, child in value.items() for leaf in leaves(child, f'{path}.{key}' if path else key)]
    return [path]


def changed(*words):
    config = Config.default()
    for word in words:
        config.merge_word(word)
    return config


def test_every_setting_is_declared():
    keys = [key for key in leaves(Config.default().to_dict()) if not key.startswith(ELSEWHERE)]
    assert sorted(SETTINGS) == sorted(keys)


def test_the_defaults_are_right():
    assert problems(Config.default()) == []


@pytest.mark.parametrize(
    'word, message',
    [
        ('system.batch_size=0', 'command line: system.batch_size is 0, expected a whole number from 1 up.'),
        ('system.batch_size=1.5', 'command line: system.batch_size is 1.5, expected a whole number from 1 up.'),
        ('system.batch_size=true', 'command line: system.batch_size is True, expected a whole number from 1 up.'),
        ('system.batch_size=null', 'command line: system.batch_size is None, expected a whole number from 1 up.'),
        (
            'system.precision=float23',
            "command line: system.precision is 'float23', expected one of float32, mixed_bfloat16, mixed_float16.",
        ),
        ('search.images=0', 'command line: search.images is 0, expected a whole number from 1 up, or null.'),
        ('info.format=xml', "command line: info.format is 'xml', expected one of table, json, yaml, csv."),
        ('config.origin=3', 'command line: config.origin is 3, expected true or false.'),
        ('train.label_smoothing=1', 'command line: train.label_smoothing is 1, expected a number in [0, 1).'),
        ('train.weight_decay=-1', 'command line: train.weight_decay is -1, expected a number from 0 up.'),
        ('train.weight_decay=.inf', 'command line: train.weight_decay is inf, expected a number from 0 up.'),
        ('train.trainable="("', "command line: train.trainable is '(', expected a regular expression."),
        ('model.name=a/b', "command line: model.name is 'a/b', expected a name: some text without /."),
        (
            'dataset.path.train=[]',
            'command line: dataset.path.train is [], expected a path, a glob or a URL, or a list of them.',
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(word, message):
    assert problems(changed(word)) == [message]


@pytest.mark.parametrize(
    'word',
    [
        'system.threads.intra=null',
        'train.clip_norm=null',
        'train.clip_norm=1e-4',
        'dataset.path.train=[a, b]',
        'model.name=net-2',
        'train.trainable=conv[01]/.*',
        'search.images=null',
    ],
)
def test_right_values_pass(word):
    assert problems(changed(word)) == []


def test_every_wrong_value_is_told():
    assert len(problems(changed('system.seed=-1', 'info.format=1', 'eval.batch_size=x'))) == 3


def test_a_missing_reference_is_told_and_not_replaced_by_the_default():
    [problem] = problems(changed('system.batch_size=$(_sice)', '_size=3'))
    assert '$(_sice)' in problem
    assert 'did you mean _size?' in problem
