"""What is wrong with a configuration is told before anything runs."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from mayo.actions import actions
from mayo.actions.check import readiness
from mayo.actions.checks import problems
from mayo.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
Told = dict[str, tuple[int, bool, list[str]]]
MODEL, DATA = 'models/cifarnet.yaml', 'datasets/fashion_mnist.yaml'
TRAINER = '{train: {max_epochs: 1, learning_rate: 0.1, optimizer: {type: keras.optimizers.SGD}}}'


def configuration(*words: str, trainer: bool = False) -> Config:
    config = Config.default()
    if trainer:
        config.merge_text(TRAINER, 'trainer.yaml')
    for word in words:
        config.merge_file(word) if word.endswith('.yaml') else config.merge_word(word)
    return config


def test_a_complete_configuration_has_no_problems() -> None:
    assert problems(configuration(MODEL, DATA), 'eval') == []


@pytest.mark.parametrize('action', ['ls', 'config', 'check'])
def test_actions_that_only_look_need_nothing(action: str) -> None:
    assert problems(configuration(), action) == []


def test_what_an_action_lacks_is_one_line_for_each_file_to_name() -> None:
    model, data = problems(configuration(), 'eval')
    assert model == (
        '`eval` needs model.layers, model.graph, dataset.task.preprocess.shape and model.name, which '
        'nothing so far sets; name a model before it, e.g. models/cifarnet.yaml.'
    )
    assert data == (
        '`eval` needs dataset.name, dataset.task.num_classes and dataset.path.validate, which nothing so '
        'far sets; name a dataset before it, e.g. datasets/fashion_mnist.yaml.'
    )


def test_training_without_a_trainer_is_told() -> None:
    [problem] = problems(configuration(MODEL, DATA), 'train')
    assert problem == (
        '`train` needs train.max_epochs, train.optimizer and train.learning_rate, which nothing so far '
        'sets; name a trainer before it, e.g. trainers/exponential.yaml.'
    )


@pytest.mark.parametrize('action', [name for name in actions if not actions[name].any_configuration])
def test_a_key_that_nobody_reads_is_a_mistake_for_every_action(action: Any) -> None:
    stops = problems(configuration(MODEL, DATA, 'system.chekpoint.load=x'), action)
    message = 'nothing reads the key system.chekpoint; did you mean system.checkpoint?'
    assert any(message in line for line in stops)


def test_keys_of_the_users_own_start_with_an_underscore(tmp_path: pathlib.Path) -> None:
    mine = tmp_path / 'mine.yaml'
    mine.write_text('_mine.key: 3\nmodel._mine: 4\n')
    assert problems(configuration(MODEL, DATA, str(mine)), 'eval') == []


def test_one_value_in_place_of_a_section_is_a_mistake() -> None:
    assert problems(configuration('dataset.path=/data'), 'config') == [
        'command line: dataset.path is a value, expected a mapping with the keys train, validate.'
    ]


def test_mistakes_of_every_kind_are_told_together() -> None:
    stops = problems(configuration(MODEL, DATA, 'system.batch_size=0', 'modle.name=x'), 'train')
    assert [next(part for part in ('modle', '`train`', 'system.batch_size') if part in line) for line in stops] == [
        'modle',
        '`train`',
        'system.batch_size',
    ]


def test_a_wrong_layer_is_told_with_its_place() -> None:
    [problem] = problems(configuration(MODEL, DATA, 'model.layers.conv0.strid=2'), 'info')
    assert problem.startswith('command line: model.layers.conv0')
    assert 'did you mean stride?' in problem


def test_a_wrong_preprocessing_step_is_told_for_the_mode_that_uses_it() -> None:
    config = configuration(MODEL, DATA, 'dataset.task.preprocess.validate=[{type: random_flp}]')
    [problem] = problems(config, 'eval')
    assert problem.startswith(
        'command line: dataset.task.preprocess.validate.0: unknown preprocessing step `random_flp`; did you mean random_flip?'
    )
    assert problems(config, 'info') == []


def test_missing_data_say_what_there_is(tmp_path: pathlib.Path) -> None:
    config = configuration(MODEL, DATA, 'dataset.path.validate=datasets/fashion_mnist/nothing-*')
    [problem] = problems(config, 'eval')
    assert problem.startswith('command line: dataset.path.validate: datasets/fashion_mnist/nothing-* matches no file')
    assert 'test.tfrecord' in problem


def test_data_at_a_url_are_not_looked_for() -> None:
    assert problems(configuration(MODEL, DATA, 'dataset.path.validate=gs://bucket/test-*'), 'eval') == []


def test_data_that_prepare_makes_on_the_same_line_may_be_missing() -> None:
    config = configuration(MODEL, DATA, 'dataset.path.validate=nothing-*')
    assert problems(config, 'eval', earlier={'prepare'}) == []


def test_a_missing_checkpoint_is_told_unless_the_line_makes_it(tmp_path: pathlib.Path) -> None:
    config = configuration(MODEL, DATA, 'system.checkpoint.load=nothing', f'system.checkpoint.path={tmp_path}')
    [problem] = problems(config, 'eval')
    assert problem.startswith('system.checkpoint.load=nothing: no such checkpoint')
    assert problems(config, 'eval', earlier={'train'}) == []
    assert problems(config, 'info') == []


@pytest.mark.parametrize(
    'word, message',
    [
        ('train.optimizer={type: keras.optimizers.Adm}', 'did you mean'),
        ('train.optimizer={type: keras.optimizers.SGD, momentun: 0.9}', 'momentum'),
        ('train.optimizer={type: os.system, command: ls}', 'os.system'),
        ('train.optimizer={type: keras.layers.BatchNormalization}', 'optimizer'),
        ('train.learning_rate={type: cosin, learning_rate: 0.1, decay_epochs: 3}', 'did you mean cosine?'),
        ('train.learning_rate={type: cosine, learning_rate: 0.1, decay_epoch: 3}', 'decay_epochs'),
        ('train.learning_rate=-1', 'expected'),
    ],
)
def test_a_wrong_trainer_is_told(word: str, message: str) -> None:
    first, *_ = problems(configuration(MODEL, DATA, word, trainer=True), 'train', earlier={'prepare'})
    assert first.startswith('command line: train.')
    assert message in first


def test_check_looks_at_every_action_whose_settings_are_complete() -> None:
    config = configuration(MODEL, DATA, 'dataset.path.validate=nothing-*', 'model.layers.conv0.stride=x')
    stops = problems(config, 'check')
    assert any('nothing-*' in line for line in stops)
    assert any('conv0' in line for line in stops)


def test_readiness_lists_what_is_missing_for_each_action() -> None:
    ready = readiness(configuration(MODEL, DATA))
    assert ready['eval'] == []
    assert ready['train'] == ['train.max_epochs', 'train.optimizer', 'train.learning_rate']


ANNEAL = (
    'models/gate/cifarnet.yaml',
    DATA,
    'trainers/anneal.yaml',
    'dataset.path.train=$(dataset.path.validate)',
    'dataset.num_examples_per_epoch.train=10000',
    'system.checkpoint.load=pretrained',
)


def test_annealing_with_its_trainer_is_complete() -> None:
    assert problems(configuration(*ANNEAL), 'anneal') == []


def test_annealing_needs_gates() -> None:
    assert problems(configuration(MODEL, *ANNEAL[1:]), 'anneal') == [
        'models/cifarnet.yaml:16: `anneal` needs a model with gates, e.g. models/gate/cifarnet.yaml; this one has none.'
    ]


def test_stages_that_cannot_be_and_a_teacher_that_is_not_there_are_told_together() -> None:
    words = ('train.anneal.densities=[0.5, 0.7]', 'train.distill.checkpoint=pretraind')
    stops = problems(configuration(*ANNEAL, *words), 'anneal')
    assert len(stops) == 2
    assert any(line.startswith('train.distill.checkpoint=pretraind: no such checkpoint in ') for line in stops)
    assert 'command line: train.anneal.densities is [0.5, 0.7], expected densities that fall.' in stops


# Every action could run, were its checkpoint and images there.
EVERYTHING = (
    *('models/gate/cifarnet.yaml', DATA, 'trainers/anneal.yaml', 'train.max_epochs=1'),
    *('predict.files=README.md', 'mean.checkpoints=[nope, neither]', 'import.path=nope.h5', 'search.target_macs=30M'),
    *('system.checkpoint.load=nope', 'system.checkpoint.save=new', 'plot.checkpoints=[nope]'),
    *('dataset.path.train=nothing-*', 'dataset.path.validate=nothing-*', 'dataset.prepare.source=nope'),
)
ASK = """
import json, sys
from mayo.actions import actions
from mayo.cli.main import main
for name in actions:
    status = main([*json.loads(sys.argv[1]), name])
    print(json.dumps([name, status, 'tensorflow' in sys.modules]), file=sys.stderr)
"""
ALWAYS = {'ls', 'config', 'info'}  # they answer, whatever is missing
READS: dict[str, Any] = {
    'train': ['train', 'validate'],
    'slim': ['validate'],
    'check': ['train', 'validate'],
}  # more than their needs say
WITHOUT_CHECKPOINT = {'ls', 'config', 'prepare', 'info', 'eval-all'}  # eval-all takes those that are there


@pytest.fixture(scope='module')
def told() -> Told:
    """Of every action, as a word of the command line: the status, whether TensorFlow was imported, and what is told."""
    words = json.dumps([*EVERYTHING])
    done = subprocess.run([sys.executable, '-c', ASK, words], cwd=ROOT, capture_output=True, text=True, check=True)
    answers: dict[str, Any] = {}
    lines: list[Any] = []
    for line in done.stderr.splitlines():
        if line.startswith('["'):
            name, status, imported = json.loads(line)
            answers[name], lines = (status, imported, lines), []
        else:
            lines.append(line)
    return answers


@pytest.mark.parametrize('name', actions)
def test_a_checkpoint_that_is_not_there_is_told_before_tensorflow_starts(name: str, told: Told) -> None:
    status, imported, lines = told[name]
    missing = [line for line in lines if '=nope: no such checkpoint in ' in line]
    assert (status, imported, bool(missing)) == (
        (0, False, False) if name in ALWAYS else (2, False, name not in WITHOUT_CHECKPOINT)
    )


@pytest.mark.parametrize('name', actions)
def test_images_that_are_not_there_are_told_before_tensorflow_starts(name: str, told: Told) -> None:
    modes = [
        mode
        for mode in ('train', 'validate')
        if any(f'dataset.path.{mode}: nothing-* matches' in line for line in told[name][2])
    ]
    needs = [
        mode for mode in ('train', 'validate') if f'dataset.path.{mode}' in actions[name].needs(configuration(*EVERYTHING))
    ]
    assert set(needs) <= set(modes)
    assert sorted(modes) == sorted(READS.get(name, needs))
