"""The settings that several read, and what is told of a value that one may not hold."""

import subprocess
import sys

import pytest

from mayo.config import Config


def changed(*words: str) -> Config:
    config = Config.default()
    for word in words:
        config.merge_word(word)
    return config


def test_the_defaults_are_right() -> None:
    assert Config.default().misfits() == []


@pytest.mark.parametrize(
    'word, message',
    [
        ('system.batch_size=0', 'command line: system.batch_size is 0, expected a whole number from 1 up.'),
        ('system.batch_size=1.5', 'command line: system.batch_size is 1.5, expected a whole number from 1 up.'),
        ('system.batch_size=true', 'command line: system.batch_size is true, expected a whole number from 1 up.'),
        ('system.batch_size=null', 'command line: system.batch_size is null, expected a whole number from 1 up.'),
        (
            'system.precision=float23',
            'command line: system.precision is float23, expected one of float32, mixed_bfloat16, mixed_float16; '
            'did you mean float32?',
        ),
        ('search.images=0', 'command line: search.images is 0, expected a whole number from 1 up, or null.'),
        ('info.format=xml', 'command line: info.format is xml, expected one of table, json, yaml, csv.'),
        ('config.origin=3', 'command line: config.origin is 3, expected true or false.'),
        ('train.label_smoothing=1', 'command line: train.label_smoothing is 1, expected a number in [0, 1).'),
        ('train.weight_decay=-1', 'command line: train.weight_decay is -1, expected a number from 0 up.'),
        ('train.weight_decay=.inf', 'command line: train.weight_decay is .inf, expected a number from 0 up.'),
        ('train.trainable="("', 'command line: train.trainable is (, expected a regular expression.'),
        *(
            (
                f'{key}={name}',
                f'command line: {key} is {name}, expected a name: some text without / and line breaks, of up to 200 bytes, '
                'neither . nor ..',
            )
            for key in ('model.name', 'dataset.name', 'system.checkpoint.save')
            for name in ('..', '.', 'x' * 201, *(['a/b', '../..'] if key != 'system.checkpoint.save' else []))
        ),
        (
            'dataset.path.train=[]',
            'command line: dataset.path.train is [], expected a path, a glob or a URL, or a list of them.',
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(word: str, message: str) -> None:
    assert [line.removesuffix(', or null.').rstrip('.') for line in changed(word).misfits()] == [
        message.removesuffix(', or null.').rstrip('.')
    ]


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
def test_right_values_pass(word: str) -> None:
    assert changed(word).misfits() == []


def test_every_wrong_value_is_told() -> None:
    assert len(changed('system.seed=-1', 'info.format=1', 'eval.batch_size=x').misfits()) == 3


def test_a_missing_reference_is_told_and_not_replaced_by_the_default() -> None:
    [problem] = changed('system.batch_size=$(_sice)', '_size=3').misfits()
    assert '$(_sice)' in problem
    assert 'did you mean _size?' in problem


def test_a_whole_number_has_one_form_however_it_is_written() -> None:
    config = changed('system.batch_size=64.0', 'bench.batch_sizes=[1.0, 2]')
    assert config.misfits() == []
    assert repr((config.get('system.batch_size'), config.get('system')['batch_size'])) == '(64, 64)'
    assert repr(config.get('bench')['batch_sizes']) == '[1, 2]'


def test_without_the_actions_a_setting_of_theirs_is_told_to_be_declared_by_them() -> None:
    code = "from mayo.config import Config; c = Config.default(); print(c.get('system.seed'), c.get('eval')); c.get('bench.rounds')"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout == "0 {'batch_size': None}\n"
    assert (
        'bench.rounds is not in the configuration; import mayo.actions, which may declare the settings of bench.' in done.stderr
    )


@pytest.mark.parametrize('key', ['model.name', 'dataset.path.train', 'dataset.labels', 'system.checkpoint.load', 'export.path'])
def test_no_path_or_name_holds_a_nul_character(key: str) -> None:
    (problem,) = changed(rf'{key}="a\0b"').misfits()
    assert problem.startswith(f"command line: {key} is 'a\\x00b', expected ")
