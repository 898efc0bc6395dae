"""The whole line is read, and every problem of it told, before anything runs."""

import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.cli.words import kind, plan, yaml_files
from mayo.config import Config
from mayo.util.errors import UserError

ACTIONS = ('config', 'info', 'eval', 'train')


def read(*words: str, check: Any = lambda config, action, earlier: ()) -> Any:
    return plan(words, ACTIONS, check)


def complaint(*words: str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(*words, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    'word, expected',
    [
        ('models/lenet5.yaml', 'file'),
        ('../my models/net.yml', 'file'),
        ('/data/a=b/net.yaml', 'file'),
        ('~/net.yaml', 'file'),
        ('system.seed=1', 'override'),
        ('dataset.path.validate=/data/*.tfrecord', 'override'),
        ('_import=other.yaml', 'override'),
        ('expression=a=b=c', 'override'),
        ('train.boundaries+=[3]', 'override'),
        ('~train.average', 'override'),
        ('=3', 'override'),
        ('eval', 'action'),
        ('reset-num-epochs', 'action'),
        ('--batch-size=3', 'action'),
        ('', 'action'),
    ],
)
def test_the_kind_of_a_word(word: str, expected: str) -> None:
    assert kind(word) == expected


@given(st.text(max_size=30))
def test_every_word_has_exactly_one_kind(word: str) -> None:
    assert kind(word) in ('file', 'override', 'action')


def test_words_act_from_left_to_right() -> None:
    first, second = read('system.seed=1', 'info', 'system.seed=2', 'train').steps
    assert (first.action, first.config.get('system.seed')) == ('info', 1)
    assert (second.action, second.config.get('system.seed')) == ('train', 2)


def test_actions_with_no_word_between_them_share_a_configuration() -> None:
    first, second = read('system.seed=1', 'eval', 'info').steps
    assert first.config is second.config


def test_only_the_first_equals_sign_splits_a_word() -> None:
    assert read('dataset.path.train=/data/a=b', 'config').steps[0].config.get('dataset.path.train') == '/data/a=b'


def test_the_words_after_the_last_action_are_told_apart() -> None:
    assert read('system.seed=1', 'info', 'info.format=json').trailing == ('info.format=json',)


def test_every_problem_of_a_line_is_told_at_once() -> None:
    def check(config: Config, action: Any, earlier: Any) -> list[str]:
        return [f'`{action}` needs everything']

    message = complaint('models/cifarnt.yaml', 'system..seed=1', 'evl', 'info', 'models/nowhere-near.yaml', check=check)
    first, second, third, fourth, fifth, sixth = message.splitlines()
    assert first == 'models/cifarnt.yaml does not exist; did you mean models/cifarnet.yaml?'
    assert 'system..seed' in second
    assert third == 'command line: unknown action `evl`; did you mean eval?'
    assert (fourth, fifth) == ('`eval` needs everything', '`info` needs everything')
    assert sixth.startswith('models/nowhere-near.yaml does not exist')


def test_a_misspelt_file_is_read_as_the_one_that_was_meant() -> None:
    names = []

    def check(config: Config, action: Any, earlier: Any) -> tuple[()]:
        names.append(config.get('model.name'))
        return ()

    complaint('models/cifarnt.yaml', 'info', check=check)
    assert names == ['cifarnet']


def test_the_check_knows_the_actions_before_it() -> None:
    seen = []
    read('train', 'eval', 'info', check=lambda config, action, earlier: seen.append((action, set(earlier))) or ())
    assert seen == [('train', set()), ('eval', {'train'}), ('info', {'train', 'eval'})]


def test_an_unknown_action_that_is_like_none_lists_them() -> None:
    assert complaint('zzz') == 'command line: unknown action `zzz`. Known: config, info, eval, train.'


def test_an_unknown_word_like_a_file_names_the_file() -> None:
    message = 'command line: unknown action `models/cifarnet`; did you mean models/cifarnet.yaml?'
    assert complaint('models/cifarnet') == message


def test_an_unknown_option_names_the_nearest() -> None:
    assert complaint('--hlep').endswith('did you mean --help?')


def test_words_without_an_action_are_a_mistake() -> None:
    assert complaint('models/cifarnet.yaml').startswith('these words name no action')


def test_the_shipped_files_are_found_from_any_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 'models/gate/cifarnet.yaml' in yaml_files()
    assert read('models/gate/cifarnet.yaml', 'info').steps[0].config.get('model.name') == 'cifarnet'


def test_a_file_here_comes_before_a_shipped_one(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models/cifarnet.yaml').write_text('model.name: mine\n')
    assert read('models/cifarnet.yaml', 'info').steps[0].config.get('model.name') == 'mine'


def test_what_is_found_elsewhere_completes_the_configuration_of_each_action_and_no_later_word() -> None:
    def complete(config: Config) -> Any:
        whole = config.copy()
        whole.merge_word(f'train.max_epochs={config.get("system.seed") + 10}')
        return whole

    words = ('system.seed=1', 'eval', 'info', 'system.seed=2', 'train')
    first, second, third = plan(words, ACTIONS, lambda config, action, earlier: [], complete).steps
    assert [step.config.get('train.max_epochs') for step in (first, second, third)] == [11, 11, 12]
    assert first.config is second.config


def test_what_cannot_be_completed_is_told_beside_the_other_problems() -> None:
    def complete(config: Config) -> Any:
        raise UserError('no such folder')

    with pytest.raises(UserError) as error:
        plan(('info', 'evall'), ACTIONS, lambda config, action, earlier: ['never asked'], complete)
    assert str(error.value) == 'no such folder\ncommand line: unknown action `evall`; did you mean eval?'


@pytest.mark.parametrize(
    ('words', 'key'),
    [
        (['train.max_epochs=3', 'trainers/one_cycle.yaml', 'config'], 'train.max_epochs'),
        (['_gate.density=0.5', 'models/gate/cifarnet.yaml', 'config'], '_gate.density'),
        (['train={max_epochs: 3, clip_norm: 1}', 'trainers/one_cycle.yaml', 'config'], 'train.max_epochs'),
        (['config', 'model.name=x', 'models/lenet5.yaml', 'config'], 'model.name'),
    ],
)
def test_a_word_that_a_later_file_replaces_has_no_effect(words: list[str], key: str) -> None:
    with pytest.raises(UserError) as error:
        plan(words, ['config'], lambda *_: [])
    word, file = words[-3:-1]
    assert str(error.value).startswith(f'command line: {word} has no effect: {file}, named after it, sets {key} ({file}:')
    assert str(error.value).endswith('; put the word behind the file.')


@pytest.mark.parametrize(
    'words',
    [
        ['trainers/one_cycle.yaml', 'train.max_epochs=3', 'config'],
        ['train.max_epochs=12', 'trainers/one_cycle.yaml', 'config'],
        ['train.max_epochs=3', 'config', 'trainers/one_cycle.yaml', 'config'],
        ['train.max_epochs=3', 'train.max_epochs=4', 'config'],
        ['train.clip_norm=3', 'trainers/one_cycle.yaml', 'config'],
    ],
)
def test_a_word_that_counts_is_no_mistake(words: list[str]) -> None:
    assert plan(words, ['config'], lambda *_: []).steps
