"""The face of the configuration, with the shipped files."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.config import Config, Unknown
from mayo.util.files import SHIPPED


@pytest.fixture
def gated() -> Config:
    config = Config.default()
    config.merge_file('models/gate/cifarnet.yaml')
    config.merge_file('datasets/fashion_mnist.yaml')
    config.merge_word('_gate.density=0.5')
    return config


def test_the_words_of_the_readme_make_the_configuration_they_say(gated: Config) -> None:
    conv2 = gated.get('model.layers.conv2')
    assert (conv2['type'], conv2['num_outputs'], conv2['stride'], conv2['kernel_size']) == ('gated_convolution', 128, 2, 3)
    assert conv2['gate_params']['density'] == 0.5
    assert gated.get('model.layers.logits.num_outputs') == 10
    assert gated.origin('model.layers.conv2.gate_params.density') == 'command line'
    assert gated.origin('model.layers.conv2.gate_params.policy').startswith('models/gate/cifarnet.yaml:')
    assert gated.origin('model.layers.conv2.kernel_size').startswith('models/cifarnet.yaml:')
    assert gated.origin('system.seed') == gated.origin('nothing.at.all') == 'defaults'
    assert gated.unknown() == []


def test_what_it_prints_reads_back_as_the_same(gated: Config) -> None:
    again = Config()
    again.merge_text(gated.to_yaml(origin=True), 'again.yaml')
    assert again.to_dict() == gated.to_dict()


def test_the_defaults_are_never_changed(gated: Config) -> None:
    gated.merge_word('system.seed=1')
    assert Config.default().get('system.seed') == 0


SHELVES = ('models', 'datasets', 'trainers')
SHIPPED_FILES = [
    str(file.relative_to(SHIPPED))
    for shelf in SHELVES
    for file in sorted((SHIPPED / shelf).rglob('*.yaml'))
    if file.parent.name != 'import'
]  # mappings of weights


@pytest.mark.parametrize('path', SHIPPED_FILES)
def test_every_shipped_file_has_no_problems_of_its_own(path: Any) -> None:
    config = Config.default()
    config.merge_file(path)
    assert config.unknown() == []
    assert config.to_dict()


def test_a_missing_key_names_the_nearest_one_at_its_level(gated: Config, message: Callable[..., str]) -> None:
    assert message(gated.get, 'dataset.task.num_clases') == (
        'dataset.task.num_clases is not in the configuration; did you mean num_classes?'
    )
    assert message(gated.get, 'qqq.x') == 'qqq.x is not in the configuration.'
    assert gated.get('qqq.x', 3) == 3
    assert gated.get('model.description', 3) == 'MCifarNet'
    assert gated.get('train.optimizer', 3) is None


@pytest.mark.parametrize(
    ('key', 'remedy'),
    [
        ('dataset.path.train', 'name a dataset before it, e.g. datasets/fashion_mnist.yaml.'),
        ('model.graph', 'name a model before it, e.g. models/cifarnet.yaml.'),
        ('train.optimizer', 'name a trainer before it, e.g. trainers/exponential.yaml.'),
        ('train.anneal.epochs', 'name a trainer before it, e.g. trainers/anneal.yaml.'),
        ('system.checkpoint.load', 'set it, e.g. system.checkpoint.load=VALUE.'),
        ('system.nothing', 'set it, e.g. system.nothing=VALUE.'),
    ],
)
def test_what_an_action_cannot_do_without_is_required_by_name(message: Callable[..., str], key: str, remedy: str) -> None:
    text = message(Config.default().require, key, by='`eval`')
    assert text == f'`eval` needs {key}, which nothing so far sets; {remedy}'


def test_what_is_set_satisfies_a_requirement(gated: Config) -> None:
    assert gated.require('model.name', by='`eval`') == 'cifarnet'


def test_keys_that_nothing_reads_are_told_with_the_nearest_known_ones(gated: Config) -> None:
    for word in (
        'dataset.tsk=1',
        'system.checkpoint.laod=x',
        'optimizer.type=y',
        '_mine=1',
        'model.layers.conv0.anything=1',
        'dataset.prepare.urls.x=1',
        'train._mine=1',
        'zzz=1',
    ):
        gated.merge_word(word)
    assert gated.unknown() == [
        Unknown('dataset.tsk', 'command line', 'dataset.task'),
        Unknown('system.checkpoint.laod', 'command line', 'system.checkpoint.load'),
        Unknown('optimizer', 'command line', 'train.optimizer'),
        Unknown('zzz', 'command line', None),
    ]
    assert str(gated.unknown()[0]) == (
        'command line: nothing reads the key dataset.tsk; did you mean dataset.task? Keys of your own start with _.'
    )


def test_a_value_where_keys_belong_is_told(gated: Config) -> None:
    gated.merge_word('system.checkpoint=latest')
    assert [str(key) for key in gated.unknown()] == [
        'command line: system.checkpoint is a value, expected a mapping with the keys '
        'load, save, path, resume, strict, warm_start, every_epochs, every_minutes, keep.'
    ]


def test_scratch_keys_are_there_unless_they_are_left_out(configured: Callable[..., Config]) -> None:
    config = configured('_a: 1\nb: {_c: 2, d: [{_e: 3, f: $(_a)}]}')
    assert config.to_dict() == {'_a': 1, 'b': {'_c': 2, 'd': [{'_e': 3, 'f': 1}]}}
    assert config.to_dict(scratch=False) == {'b': {'d': [{'f': 1}]}}
    assert ('_a' in config, 'b.x' in config) == (True, False)


def test_merging_and_resolving_takes_milliseconds(gated: Config) -> None:
    seconds = []
    for _ in range(3):
        start = time.process_time()
        config = Config.default()
        config.merge_file('models/gate/cifarnet.yaml')
        config.get('model.layers')
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.25  # 7 ms where little else runs


def test_the_configuration_needs_no_tensorflow() -> None:
    code = (
        'import sys; from mayo.config import Config; import mayo.config.names; '
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == 'False False\n'


AS_THEY_ARE = ['08', '1e5', 'null', 'true', '$(x)', 'a.b', '^(x)', '_x', '~', '- a', '', 'a: b', '!arith 1', '*x', 'tf.x']


def test_values_of_the_program_are_merged_as_they_are() -> None:
    config = Config()
    config.merge_text('a: {b: 1, c: 2}\nd: [1]\ne: $(a)', 'x.yaml')
    config.merge_values({'a': {'b': None, 'x.y': [1, {'_z': '$(d)'}]}, 'd': ('one', True), 'e': {'f': 0.5}}, 'images in photos')
    assert config.to_dict() == {
        'a': {'b': None, 'c': 2, 'x.y': [1, {'_z': '$(d)'}]},
        'd': ['one', True],
        'e': {'b': None, 'c': 2, 'x.y': [1, {'_z': '$(d)'}], 'f': 0.5},
    }
    assert (config.origin('a.b'), config.origin('a.c')) == ('images in photos', 'x.yaml:1')


@pytest.mark.parametrize('value', [{'a': {1, 2}}, {'a': [b'x']}, {3: 'x'}, {'a': {None: 1}}])
def test_values_that_have_no_place_in_yaml_are_a_mistake_of_ours(value: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r'has no place in a configuration|is no text'):
        Config().merge_values(value, 'here')


@pytest.mark.parametrize('origin', [False, True])
@given(st.lists(st.text() | st.text('$(){}^.~-_ 01e!&*#:"\\', max_size=8) | st.sampled_from(AS_THEY_ARE), min_size=1))
def test_any_names_of_classes_survive_being_merged_written_and_read_back(origin: bool, classes: list[str]) -> None:
    config = Config.default()
    config.merge_values({'dataset': {'name': classes[0], 'prepare': {'classes': classes}}}, 'images in photos')
    assert (config.get('dataset.name'), config.get('dataset.prepare.classes')) == (classes[0], classes)
    again = Config.default()
    again.merge_text(config.to_yaml(origin), 'stored')
    assert (again.get('dataset.name'), again.get('dataset.prepare.classes')) == (classes[0], classes)
    assert again.to_dict() == config.to_dict()


def test_of_very_many_unknown_keys_the_first_are_told_with_the_nearest_one() -> None:
    config = Config.default()
    config.merge_values({f'systen{number}': 1 for number in range(1000)}, 'test')
    unknown = config.unknown()
    assert len(unknown) == 1000
    assert (unknown[0].nearest, unknown[-1].nearest) == ('system', None)
