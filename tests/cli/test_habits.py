"""What people type out of habit is answered with what to write, and the line is read on as if that stood there."""

import pathlib
from typing import Any

import pytest

from mayo.actions import actions, checks
from mayo.cli.habits import KEYS, OPTIMIZERS
from mayo.cli.words import plan
from mayo.config import Config
from mayo.config.names import object_spec
from mayo.util import settings
from mayo.util.errors import UserError

GATED = ('models/gate/cifarnet.yaml', 'datasets/cifar10.yaml')


def read(*words: str) -> tuple[str, Any]:
    """The first problem of a line that ends with `config`, and the configuration that was checked."""
    seen: list[Config] = []
    with pytest.raises(UserError) as caught:
        plan([*words, 'config'], list(actions), lambda config, action, earlier: seen.append(config) or ())
    return str(caught.value), seen[0]


@pytest.mark.parametrize(
    'words, written, key, value',
    [
        (['--system.seed=3'], 'system.seed=3', 'system.seed', 3),
        (['-system.seed=3'], 'system.seed=3', 'system.seed', 3),
        (['--train.max_epochs', '3'], 'train.max_epochs=3', 'train.max_epochs', 3),
        (['train.max_epochs', '=', '3'], 'train.max_epochs=3', 'train.max_epochs', 3),
        (['train.max_epochs=', '3'], 'train.max_epochs=3', 'train.max_epochs', 3),
        (['train.max_epochs', '=3'], 'train.max_epochs=3', 'train.max_epochs', 3),
        (['lr=0.1'], 'train.learning_rate=0.1', 'train.learning_rate', 0.1),
        (['lr', '=', '0.1'], 'train.learning_rate=0.1', 'train.learning_rate', 0.1),
        (['--learning-rate=0.1'], 'train.learning_rate=0.1', 'train.learning_rate', 0.1),
        (['train.lr=0.1'], 'train.learning_rate=0.1', 'train.learning_rate', 0.1),
        (['epochs=7'], 'train.max_epochs=7', 'train.max_epochs', 7),
        (['--batch', '32'], 'system.batch_size=32', 'system.batch_size', 32),
        (['batch_size=32'], 'system.batch_size=32', 'system.batch_size', 32),
        (['adam'], 'train.optimizer=keras.optimizers.Adam', 'train.optimizer', 'keras.optimizers.Adam'),
        (['optimizer=SGD'], 'train.optimizer=keras.optimizers.SGD', 'train.optimizer', 'keras.optimizers.SGD'),
        (['train.optimizer=adamw'], 'train.optimizer=keras.optimizers.AdamW', 'train.optimizer', 'keras.optimizers.AdamW'),
        ([*GATED, 'density=0.3'], '_gate.density=0.3, behind a model of models/gate', '_gate.density', 0.3),
    ],
)
def test_a_word_of_habit_is_told_with_what_to_write(words: list[str], written: str, key: str, value: Any) -> None:
    message, config = read(*words)
    typed = ' '.join(word for word in words if word not in GATED)
    assert message == f'command line: `{typed}`: write {written}'
    assert config.get(key) == value


@pytest.mark.parametrize(
    'word, path, key, value',
    [
        ('cifarnet', 'models/cifarnet.yaml; there are also models/gate/cifarnet.yaml, trainers/', 'model.name', 'cifarnet'),
        ('fashion-mnist', 'datasets/fashion_mnist.yaml', 'dataset.name', 'fashion_mnist'),
        ('CIFAR10', 'datasets/cifar10.yaml', 'dataset.name', 'cifar10'),
        ('folder.yaml', 'datasets/folder.yaml', 'dataset.holdout', 0.1),
        ('one_cycle', 'trainers/one_cycle.yaml', 'train.max_epochs', 12),
    ],
)
def test_a_file_without_its_folder_is_found(word: str, path: str, key: str, value: Any) -> None:
    message, config = read(word)
    assert message.startswith(f'command line: `{word}`: a file is named with its folder, write {path}')
    assert config.get(key) == value


def test_a_key_without_a_value_is_told_to_need_it() -> None:
    assert read('lr')[0].startswith('command line: `lr` needs a value, write train.learning_rate=VALUE;')
    assert read('--system.seed')[0].startswith('command line: `--system.seed` needs a value, write system.seed=VALUE;')


def test_an_action_with_dashes_is_the_action() -> None:
    assert read('--info')[0] == 'command line: `--info`: write info'


def test_a_folder_of_images_and_a_checkpoint_are_told_where_they_go(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'net.index').touch()
    assert read('photos')[0].endswith('if it holds images, write datasets/folder.yaml dataset.path=photos')
    for word in ('net', 'net.index', f'{tmp_path}/net'):
        message, config = read(word)
        assert message == f'command line: `{word}`: write system.checkpoint.load={word.removesuffix(".index")}'
        assert config.get('system.checkpoint.load') == word.removesuffix('.index')


def test_the_images_of_a_folder_are_asked_for() -> None:
    with pytest.raises(UserError, match=r'dataset\.path=DIR'):
        plan(['models/cifarnet.yaml', 'datasets/folder.yaml', 'eval'], list(actions), checks.problems)


@pytest.mark.parametrize('word', ['train.average=', '~train.average', 'system.seed=1', 'models/cifarnet.yaml', '_lr=0.1'])
def test_what_is_right_stays_as_it_is(word: str) -> None:
    plan([word, 'config'], list(actions), lambda config, action, earlier: ())


def test_the_table_leads_to_what_there_is() -> None:
    assert {key for key in KEYS.values() if key not in settings.settings()} == {'_gate.density'}
    assert not set(KEYS) & set(settings.settings())
    for name in OPTIMIZERS.values():
        assert object_spec(name, 'here').name == name


@pytest.mark.parametrize(
    'word, key, value',
    [
        ('export.formats=onnx', 'export.formats', ['onnx']),
        ('bench.batch_sizes=4', 'bench.batch_sizes', [4]),
        ('bench.densities=0.5', 'bench.densities', [0.5]),
        ('bench.engines=native', 'bench.engines', ['native']),
        ('plot.pictures=macs', 'plot.pictures', ['macs']),
        ('plot.checkpoints=gate50', 'plot.checkpoints', ['gate50']),
        ('search.densities=0.5', 'search.densities', [0.5]),
        ('train.anneal.densities=0.5', 'train.anneal.densities', [0.5]),
    ],
)
def test_a_list_takes_a_lone_value(word: str, key: str, value: Any) -> None:
    config = Config.default()
    config.merge_word(word)
    assert config.misfits() == []
    assert config.get(key) == value


def test_a_gated_checkpoint_in_a_dense_model_is_told_with_its_gated_model() -> None:
    config = Config.default()
    config.merge_file('models/cifarnet.yaml')
    config.merge_file('datasets/cifar10.yaml')
    config.merge_word('system.checkpoint.load=gate50')
    told = [line for line in checks.problems(config, 'save') if 'gates' in line]
    assert told == [
        'command line: system.checkpoint.load: gate50 is of a network with gates, and this model has none; '
        'name models/gate/cifarnet.yaml, or a checkpoint of the dense network.'
    ]
    config.merge_word('system.checkpoint.load=pretrained')
    assert not [line for line in checks.problems(config, 'save') if 'gates' in line]
