"""Keys of the original Mayo in files and words: their names today, and those that do nothing."""

from typing import Any

import pytest

from mayo.config import Config
from mayo.config.dialect import IGNORED, RENAMED, STANDS_FOR, translated, warning, why_ignored
from mayo.config.load import load
from mayo.config.node import Map
from mayo.util.errors import UserError


def configuration(*texts: Any, words: Any = ()) -> Config:
    config = Config.default()
    for number, text in enumerate(texts, 1):
        config.merge_text(text, f'{number}.yaml')
    for word in words:
        config.merge_word(word)
    return config


def nested(key: Any, value: Any) -> str:
    first, _, rest = key.partition('.')
    return f'{first}: {{{nested(rest, value)}}}' if rest else f'{first}: {value}'


@pytest.mark.parametrize(('old', 'new'), RENAMED.items())
@pytest.mark.parametrize('value', [7, '{a: {b: 7}}'])
def test_an_old_key_sets_todays_and_a_reference_by_the_old_name_finds_it(old: Any, new: Any, value: int | str) -> None:
    for config in (
        configuration(nested(old, value), '_found: $(' + old + ')'),
        configuration(f'{old}: {value}', '_found: $(' + old + ')'),
        configuration('_found: $(' + old + ')', words=[f'{old}={value}']),
    ):
        option = config.get(new) if value == 7 else config.get(f'{new}.a')
        assert option == (7 if value == 7 else {'b': 7})
        assert (config.get('_found') if value == 7 else config.get('_found.a')) == option
        assert config.get(old) == config.get(new)
        assert not [key for key in config.unknown() if key.key.startswith(old)]


def test_old_and_new_keys_merge_from_left_to_right() -> None:
    words = ['system.batch_size_per_gpu=32', 'system.batch_size=64']
    assert configuration(words=words).get('system.batch_size') == 64
    assert configuration(words=words[::-1]).get('system.batch_size') == 32
    config = configuration(
        'dataset.preprocess: {train: [{type: random_flip}], shape: {height: 8}}',
        'dataset.task.preprocess.shape: {height: 9, width: 9}',
        words=['dataset.preprocess.shape.width=5'],
    )
    assert config.get('dataset.task.preprocess.shape') == {'height': 9, 'width': 5}
    assert config.get('dataset.task.preprocess.train') == [{'type': 'random_flip'}]


def test_appending_to_and_removing_an_old_key_does_so_to_todays() -> None:
    config = configuration('dataset.preprocess.train: [{type: random_flip}]', words=['dataset.preprocess.train+=[{type: x}]'])
    assert [step['type'] for step in config.get('dataset.task.preprocess.train')] == ['random_flip', 'x']
    config = configuration('dataset.preprocess.shape: {height: 8}', words=['~dataset.preprocess.shape.height'])
    assert config.get('dataset.task.preprocess.shape') == {}


def test_a_value_set_by_an_old_key_knows_where_it_was_set() -> None:
    config = configuration('a: 1\nsystem:\n    batch_size_per_gpu: 0\n')
    assert config.origin('system.batch_size') == '1.yaml:3'


def test_a_misspelt_reference_to_an_old_key_is_told_that_key() -> None:
    with pytest.raises(UserError, match=r'\$\(dataset.num_clases\) does not exist.*did you mean num_classes\?'):
        configuration('_x: $(dataset.num_clases)').get('_x')


def test_final_cpu_and_final_gpu_are_parts_of_final() -> None:
    config = configuration('dataset.preprocess: {final_gpu: [{type: b}], final_cpu: [{type: a}]}')
    assert config.get('dataset.task.preprocess.final') == {'cpu': [{'type': 'a'}], 'gpu': [{'type': 'b'}]}
    assert config.unknown() == []
    config.merge_word('dataset.task.preprocess.final_cpu={type: c}')
    assert config.get('dataset.task.preprocess.final') == {'cpu': {'type': 'c'}, 'gpu': [{'type': 'b'}]}
    config.merge_word('dataset.task.preprocess.final=[{type: d}]')
    assert config.get('dataset.task.preprocess.final') == [{'type': 'd'}]
    config.merge_word('dataset.task.preprocess.final_gpu=null')
    assert config.get('dataset.task.preprocess.final') == {'gpu': None}


def test_a_misspelt_old_key_is_told_the_old_key() -> None:
    assert [str(key) for key in configuration('dataset.num_clases: 3').unknown()] == [
        '1.yaml:1: nothing reads the key dataset.num_clases; did you mean dataset.num_classes? Keys of your own start with _.'
    ]


@pytest.mark.parametrize(
    ('has', 'use', 'classes'), [(True, False, 1000), (True, True, 1001), (False, True, 1002), (False, False, 1001)]
)
@pytest.mark.parametrize('place', ['dataset', 'dataset.task'])
def test_old_files_count_the_classes_of_the_records_of_which_a_background_is_used_or_not(
    place: str, has: bool, use: bool, classes: int
) -> None:
    kind = 'dataset.task.type: mayo.task.image.Classify'
    text = f'{place}: {{num_classes: 1001, background_class: {{has: {has}, use: {use}}}}}\n'
    config = configuration(kind + '\n' + text, '_model: {num_outputs: $(dataset.num_classes)}')
    assert config.get('dataset.task.num_classes') == config.get('_model.num_outputs') == classes
    again = configuration(config.to_yaml())  # as a checkpoint keeps it
    assert again.get('dataset.task.num_classes') == classes


def test_todays_files_count_the_outputs_of_the_model() -> None:
    text = 'dataset.task: {type: classify, num_classes: 1000, background_class: {has: true, use: false}}'
    assert configuration(text).get('dataset.task.num_classes') == 1000


def test_a_class_count_that_is_a_reference_is_shifted_too() -> None:
    text = '_n: 11\ndataset: {num_classes: $(_n), background_class: {has: true}}'
    assert configuration(text).get('dataset.task.num_classes') == 10


@pytest.mark.parametrize('key', ['prepare.classes: [cat, tf.x]', 'name: tensorflow.js', 'path.train: tf.x/*'])
def test_what_a_dataset_calls_its_classes_does_not_make_a_file_old(key: str) -> None:
    config = configuration(f'dataset.{key}\ndataset.task.preprocess.train: [{{type: resize}}]')
    assert config.get('dataset.task.preprocess.train') == [{'type': 'resize'}]


STEPS = 'dataset.task.preprocess: {shape: {height: 4}, train: [{type: resize}], final_cpu: null}\nmodel.graph: {}'
ORIGINAL = [
    '_x: tensorflow.nn.relu',
    '_x: [{type: tf.train.AdamOptimizer}]',
    'dataset.num_classes: 3',
    'dataset.task.type: mayo.task.image.Classify',
    '_x: mayo.objects.normalize.custom_batch_norm',
    'system.max_epochs: 3',
]


def marks(config: Config) -> Any:
    return {**config.get('dataset.task.preprocess.original'), 'model': config.get('model.original')}


@pytest.mark.parametrize('marker', ORIGINAL)
def test_what_a_file_of_the_original_sets_is_marked_until_another_file_sets_it(marker: str) -> None:
    config = configuration(f'{marker}\n{STEPS}')
    marked = {'shape': True, 'train': True, 'validate': False, 'final': True, 'model': True}
    assert marks(config) == marked
    assert marks(configuration(config.to_yaml())) == marked  # as a checkpoint keeps it
    config.merge_text('dataset.task.preprocess: {final: [], shape: {height: 8}}', 'overlay.yaml')
    assert marks(config) == {**marked, 'final': False}
    config.merge_text('dataset.task.preprocess: {train: [], shape: {height: 8}}\nmodel.graph: {}', 'model.yaml')
    assert marks(config) == dict.fromkeys(marked, False)


def test_a_word_that_changes_one_value_of_a_step_leaves_whose_step_it_is() -> None:
    config = configuration(f'{ORIGINAL[0]}\n{STEPS}', words=['dataset.task.preprocess.train.0.height=7'])
    assert marks(config)['train']
    config.merge_word('dataset.task.preprocess.train=[{type: resize}]')
    assert not marks(config)['train']


def test_a_file_that_imports_one_of_the_original_is_one(tmp_path: Any) -> None:
    (tmp_path / 'base.yaml').write_text(ORIGINAL[0])
    (tmp_path / 'ours.yaml').write_text('dataset.task.preprocess.validate: [{type: resize}]')
    (tmp_path / 'overlay.yaml').write_text('_import: [base.yaml, ours.yaml]\ndataset.task.preprocess.train: [{type: resize}]')
    config = configuration()
    config.merge_file(tmp_path / 'overlay.yaml')
    assert (marks(config)['train'], marks(config)['validate']) == (True, False)


@pytest.mark.parametrize(
    'marker',
    [
        '_x: keras.activations.relu',
        '_x: [tensorflow.keras.regularizers.L2, tensorflow.nn.relu]',
        '_x: tensors',
        '_x: mayo.override.FixedPointQuantizer',
        '_x: tensorflow.nn.relu\ndataset.task.preprocess.final: []',
    ],
)
def test_what_another_file_sets_is_not(marker: str) -> None:
    config = configuration(f'{marker}\n{STEPS.replace(", final_cpu: null", "")}')
    assert not any(marks(config).values())


def test_in_a_file_of_the_original_unknown_keys_and_keys_that_are_twice_are_told_and_do_nothing() -> None:
    text = f'{ORIGINAL[0]}\nmodel: {{weird: 1, name: a, name: b}}\nretrain: {{iter_max_epoch: 3}}'
    config = configuration(text)
    assert (config.unknown(), config.get('model.name')) == ([], 'b')
    assert {key.key for key in config.ignored()} == {'model.weird', 'retrain', 'name (here again in line 2)'}
    with pytest.raises(UserError, match='the key `name` is here twice'):
        configuration('model: {name: a, name: b}')
    assert [key.key for key in configuration('model.weird: 1').unknown()] == ['model.weird']
    assert [key.key for key in configuration(text, words=['model.wierd=1']).unknown()] == ['model.wierd']


@pytest.mark.parametrize('old', ['system.max_epochs=3', 'train.optimizer={type: tensorflow.train.AdamOptimizer}'])
def test_an_old_word_excuses_no_misspelt_one(old: str) -> None:
    for words in ([old, 'train.lerning_rate=1'], ['train.lerning_rate=1', old]):
        config = configuration('model.name: m', words=words)
        assert ([key.key for key in config.unknown()], config.ignored()) == (['train.lerning_rate'], [])


def test_keys_that_only_references_read_are_known() -> None:
    config = configuration('model.version: 2\ndataset.task: {anchors: [[1, 2]], num_cells: 13}')
    assert (config.unknown(), config.ignored()) == ([], [])


def test_a_description_with_a_colon_is_text_in_a_file_of_the_original() -> None:
    config = configuration(f'{ORIGINAL[0]}\nmodel.description:\n    After::\n        https://x.y')
    assert config.get('model.description') == 'After:: https://x.y'


def test_scratch_of_the_preprocessing_is_found_one_level_above() -> None:
    config = configuration(
        'dataset: {name: x, task.preprocess: {_a: [{type: b}], final_cpu: !arith "$(dataset.task._a) if 1 == 1 else 2"}}'
    )
    assert config.get('dataset.task.preprocess.final.cpu') == [{'type': 'b'}]


TRAINER = 'train.optimizer.type: tensorflow.train.AdamOptimizer'


def test_a_trainer_of_the_original_counts_on_its_defaults_where_nothing_is_set() -> None:
    config = configuration(TRAINER)
    assert (config.get('train.max_epochs'), config.get('system.batch_size')) == (900, 256)
    config = configuration('system.max_epochs: 7', 'system.batch_size: 32', TRAINER)
    assert (config.get('train.max_epochs'), config.get('system.batch_size')) == (7, 32)
    config = configuration('train.optimizer.type: keras.optimizers.Adam')
    assert (config.get('train.max_epochs'), config.get('system.batch_size')) == (None, 128)


def test_no_end_of_training_is_a_large_number() -> None:
    assert configuration('system.max_epochs: null').get('train.max_epochs') == 1_000_000


@pytest.mark.parametrize(
    ('save', 'every', 'left'),
    [
        ('{interval: 3, countdown: 5}', 3, ['system.checkpoint.save.countdown']),
        ('{interval: 2}', 2, []),
        ('{interval: 0}', 1, ['system.checkpoint.save.interval: 0']),
    ],
)
def test_saving_was_a_mapping(save: str, every: int, left: list[str]) -> None:
    config = configuration(f'system.checkpoint.save: {save}')
    assert (config.get('system.checkpoint.every_epochs'), config.get('system.checkpoint.save')) == (every, None)
    assert ([key.key for key in config.ignored()], config.misfits()) == (left, [])


@pytest.mark.parametrize(
    ('written', 'load'),
    [
        ('true', 'latest'),
        ('false', None),
        ('30', 'epoch-30'),
        ('null', None),
        ('a/b/gate50', 'a/b/gate50'),
        ('latest', 'latest'),
    ],
)
def test_what_to_load_was_a_flag_an_epoch_a_name_or_a_path(written: str, load: str | None) -> None:
    assert configuration(words=[f'system.checkpoint.load={written}']).get('system.checkpoint.load') == load


@pytest.mark.parametrize(
    ('written', 'save', 'left'),
    [
        ('true', None, []),
        ('latest', None, []),
        ('null', None, []),
        ('gate50', 'gate50', []),
        ('false', None, ['system.checkpoint.save: false']),
        ('some/where/gate50', 'gate50', ['system.checkpoint.save: the folder some/where']),
    ],
)
def test_where_to_save_was_a_flag_a_name_or_a_path(written: str, save: str | None, left: list[Any]) -> None:
    config = configuration(words=[f'system.checkpoint.save={written}'])
    assert config.get('system.checkpoint.save') == save
    assert [key.key for key in config.copy().ignored()] == left


@pytest.mark.parametrize('key', IGNORED)
def test_a_key_that_does_nothing_is_accepted_and_named(key: Any) -> None:
    key = key.replace('*', 'thing')
    for value in ('3', '{a: {b: 1}}', 'null'):
        config = configuration(f'{key}: {value}')
        assert config.unknown() == []
        assert [option.key for option in config.ignored()] == [key]
        assert config.ignored()[0].why == why_ignored(key)


def test_a_misspelt_key_of_ours_is_not_taken_for_an_old_one() -> None:
    config = configuration('system.log: {evry_seconds: 3, level: info}')
    assert [key.nearest for key in config.unknown()] == ['system.log.every_seconds']
    assert [key.key for key in config.ignored()] == ['system.log.level']
    assert why_ignored('system.sede') is None


@pytest.mark.parametrize(('key', 'value'), STANDS_FOR.items())
def test_a_reference_to_an_old_key_that_nothing_sets_finds_what_it_stands_for(key: Any, value: Any) -> None:
    config = Config()
    config.merge_text(f'_x: !arith $({key}) * 2\n', 'x.yaml')
    assert config.get('_x') == 2 * value
    config.merge_word(f'{key}=4')
    assert config.get('_x') == 8


def test_one_warning_names_all_by_file() -> None:
    texts = 'system: {pdb: {use: true}, num_gpus: 2}', 'train.overrider: 1'
    config = configuration(*texts, words=['system.use_pdb=1'])
    assert warning(config.ignored()) == (
        'these keys of the original Mayo do nothing here; docs/mayo.md says why:\n'
        '    2.yaml: train.overrider\n    1.yaml: system.pdb, system.num_gpus\n    command line: system.use_pdb'
    )


def test_a_tree_without_old_keys_is_left_as_it_is() -> None:
    tree = load('{system: {seed: 1}, dataset: {task: {num_classes: 3}}}', 'x.yaml')
    assert isinstance(tree, Map)
    assert translated(tree, False, Map(tree.origin, {})) == (tree, [])


def test_a_reference_where_a_section_belongs_is_left_alone() -> None:
    config = configuration('_d: {task: {num_classes: 3}}\ndataset: $(_d)')
    assert config.get('dataset.task.num_classes') == 3
