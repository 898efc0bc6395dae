"""`./my help NAME` and `./my ACTION --help` answer from the declarations themselves."""

import re
from typing import Any

import pytest

from mayo.actions import actions
from mayo.cli.help import asked
from mayo.cli.main import main
from mayo.cli.topics import pages
from mayo.config import Config
from mayo.data.augment import steps
from mayo.layers import GateParams, declared_keys, layer_types, read_layer
from mayo.layers.keys import REQUIRED, keys_of
from mayo.layers.policy import discover, policies
from mayo.training.schedule import schedules
from mayo.util import settings
from mayo.util.errors import UserError


def flat(text: str) -> str:
    return ' '.join(text.split())


@pytest.mark.parametrize(
    'words, names',
    [
        (['help'], []),
        (['help', 'train.average', 'cutout'], ['train.average', 'cutout']),
        (['help', '--help'], []),
        (['models/cifarnet.yaml', 'eval', 'train', '--help'], ['train']),
        (['train', '-h', 'eval'], ['train']),
        (['models/cifarnet.yaml', '--help'], []),
        ([], []),
        (['models/cifarnet.yaml', 'train'], None),
    ],
)
def test_what_a_line_asks_about(words: Any, names: Any) -> None:
    assert asked(words, actions) == names


@pytest.mark.parametrize('name', actions)
def test_an_action_tells_its_line_and_each_of_its_keys(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, '--help']) == 0
    text = capsys.readouterr().out
    assert f'action {name}: {actions[name].line}.' in flat(text)
    for section in actions[name].settings:
        for key, setting in section.settings.items():
            assert f'\n  {key}=' in text
            assert flat(setting.meaning) in flat(text)


@pytest.mark.parametrize('key', settings.settings())
def test_a_key_tells_its_meaning_default_and_what_is_expected(key: str) -> None:
    setting = settings.settings()[key]
    text = pages([key])
    assert text.startswith(f'key {key}\n  {key}=') or f'\nkey {key}\n' in text
    assert flat(setting.meaning) in flat(text)
    assert setting.kind is None or flat(f'expected: {setting.kind.expected}') in flat(text)


@pytest.mark.parametrize('key', settings.settings())
def test_the_example_of_a_key_is_what_it_may_hold(key: str) -> None:
    for word in re.findall(r"example: '?(\S+=.*?)'?$", pages([key]), re.MULTILINE):
        config = Config.default()
        config.merge_word(word)
        assert config.misfits() == []
        assert config.unknown() == []


def test_the_beginning_of_a_key_lists_the_keys_below_it() -> None:
    listed = re.findall(r'^  (\S+?)=', pages(['system.checkpoint']), re.MULTILINE)
    assert listed == [key for key in settings.settings() if key.startswith('system.checkpoint.')]
    assert set(re.findall(r'^  _gate\.(\w+)=', pages(['_gate']), re.MULTILINE)) == set(keys_of(GateParams))


def test_the_end_of_keys_lists_them() -> None:
    assert '  _gate.density=1.0\n      fraction of channels kept, in (0, 1]' in pages(['density'])


@pytest.mark.parametrize('name', layer_types)
def test_a_layer_tells_its_keys_and_an_example_that_is_right(name: str) -> None:
    text = pages([name])
    text = text[text.index(f'layer {name}\n') :]
    keys = declared_keys(name)
    told = dict(re.findall(r'^  (\w+)(=| +must be given$)', text, re.MULTILINE))
    assert {key for key, sign in told.items() if sign == '='} == {key for key in keys if keys[key] is not REQUIRED}
    assert set(told) == set(keys)
    config = Config.default()
    config.merge_text('_layers:\n    ' + re.search(r'example: (.*)', text).group(1), 'page')
    layer = config.get('_layers.NAME')
    read_layer(layer.pop('type'), layer)


def test_gates_steps_and_schedules_tell_what_they_are() -> None:
    discover()
    for name in policies:
        assert f'_gate.policy={name}' in pages([name])
    for name in steps:
        text = pages([name])
        assert all(f'\n  {key}' in text for key in steps[name].kinds)
        assert flat(steps[name].function.__doc__.splitlines()[0]) in flat(text)
    for name in schedules:
        assert f'train.learning_rate.type={name}' in pages([name])


def test_a_trainer_tells_what_its_file_opens_with() -> None:
    assert pages(['one_cycle']).count('One rise and one fall') == 2  # the schedule and the trainer
    assert '  ./my models/lenet5.yaml datasets/mnist.yaml trainers/lenet5.yaml train' in pages(['lenet5'])


@pytest.mark.parametrize(
    'name, hint',
    [
        ('exprt', 'did you mean export'),
        ('train.max_epoch', 'did you mean train.max_epochs'),
        ('gated_convolutoin', 'did you mean gated_convolution'),
        ('max_epoch', 'did you mean train.max_epochs'),
        ('zzzz', '`./my help actions`, `keys`, `layers`, `gates`, `steps`, `schedules`, `trainers`'),
    ],
)
def test_an_unknown_name_is_a_mistake_that_names_the_nearest(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['help', name]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f'help: nothing is called {name}; ')
    assert hint in message
    with pytest.raises(UserError):
        pages(['train', name])
