"""From a configuration to batches of images, and from raw data to the files of a configuration."""

import dataclasses
import gzip
import pathlib
import struct
import tarfile
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.data import prepare as raw_data
from mayo.session import data, own_images, prepare
from mayo.util import files
from mayo.util.errors import UserError


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, which is also where new data go; it holds 30 + 20 pictures of 4x3 as IDX files."""
    monkeypatch.chdir(tmp_path)
    for module in (prepare, files):
        monkeypatch.setattr(module, 'home', lambda: tmp_path)
    (tmp_path / 'raw').mkdir()
    for split, count in (('train', 30), ('t10k', 20)):
        arrays = {
            'images-idx3': np.arange(count * 12, dtype=np.uint8).reshape(count, 4, 3),
            'labels-idx1': np.arange(count, dtype=np.uint8) % 10,
        }
        for kind, array in arrays.items():
            head = struct.pack(f'>4B{array.ndim}I', 0, 0, 8, array.ndim, *array.shape)
            (tmp_path / f'raw/{split}-{kind}-ubyte.gz').write_bytes(gzip.compress(head + array.tobytes()))
    return tmp_path


def configuration(*words: str) -> Config:
    config = Config.default()
    config.merge_text(
        """
        dataset:
            name: tiny
            task:
                num_classes: 10
                preprocess:
                    shape: {height: 4, width: 4, channels: 1}
                    train: [{type: random_crop, padding: 1}]
                    validate: [{type: crop_or_pad}]
                    final: [{type: linear_map, scale: 0.5}]
            path: {train: tiny/train-*.tfrecord, validate: tiny/test.tfrecord}
            num_examples_per_epoch: {train: 30, validate: 20}
            labels: tiny/labels.txt
            prepare: {type: idx, source: raw, shards: {train: 3}}
        """,
        'tiny.yaml',
    )
    for word in words:
        config.merge_word(word)
    return config


def labels_of(config: Config, mode: str, **keys: Any) -> list[Any]:
    return [label for _, labels in data.epoch_of(config, mode, **keys) for label in labels.numpy().tolist()]


def test_prepared_data_are_read_back_with_the_preprocessing_of_each_mode(here: pathlib.Path) -> None:
    config = configuration()
    prepare.prepare(config)
    images, labels = next(iter(data.epoch_of(config, 'validate')))
    expected = np.pad(np.arange(240, dtype=np.uint8).reshape(20, 4, 3, 1), ((0, 0), (0, 0), (0, 1), (0, 0))) * 0.5
    np.testing.assert_array_equal(images, expected)
    assert labels.numpy().tolist() == [n % 10 for n in range(20)]
    assert next(iter(data.epoch_of(config, 'train')))[0].shape == (30, 4, 4, 1)


def test_prepare_tells_what_it_wrote_and_leaves_what_is_complete(
    here: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare.prepare(configuration())
    assert capsys.readouterr().out == (
        'tiny/train-*.tfrecord: 30 images of 10 classes from raw\ntiny/test.tfrecord: 20 images of 10 classes from raw\n'
    )
    assert len(list((here / 'tiny').glob('train-*'))) == 3
    assert (here / 'tiny/labels.txt').read_text().split() == [str(n) for n in range(10)]
    before = (here / 'tiny/test.tfrecord').stat().st_mtime_ns
    (here / 'tiny/train-00001-of-00003.tfrecord').unlink()
    prepare.prepare(configuration())
    assert capsys.readouterr().out == (
        'tiny/test.tfrecord: 20 images are there already\ntiny/train-*.tfrecord: 30 images of 10 classes from raw\n'
    )
    assert (here / 'tiny/test.tfrecord').stat().st_mtime_ns == before


def test_images_are_recognised_whatever_format_the_dataset_comes_in(
    here: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / 'photos/train/cat').mkdir(parents=True)
    (here / 'photos/train/cat/1.jpg').write_bytes(tf.io.encode_jpeg(np.zeros((4, 4, 3), np.uint8)).numpy())
    with tarfile.open(here / 'photos.tar.gz', 'w:gz') as archive:
        archive.add(here / 'photos', 'photos')
    prepare.prepare(
        configuration(
            'dataset.prepare.source=photos.tar.gz',
            'dataset.path.validate=null',
            'dataset.task.num_classes=1',
            'dataset.num_examples_per_epoch.train=1',
        )
    )
    assert capsys.readouterr().out == 'tiny/train-*.tfrecord: 1 images of 1 classes from photos.tar.gz\n'
    assert not (here / 'datasets/tiny/.unpacked').exists()
    assert (here / 'tiny/labels.txt').read_text() == 'cat\n'


def test_an_interrupted_run_is_told_and_finished(here: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = raw_data.readers['idx'].read(here / 'raw', 'train', None, None)
    last = raw_data.shards.dealt(30, 3, mixed=True)[2]

    def read(number: Any) -> Any:
        if number == last[0]:
            raise KeyboardInterrupt
        return first.read(number)

    writing = raw_data.Writing(
        dataclasses.replace(first, read=read),
        here / 'tiny/train-*.tfrecord',
        3,
        mixed=True,
        classes=[str(n) for n in range(10)],
    )
    with pytest.raises(KeyboardInterrupt):
        writing.write()
    kept = dataclasses.replace(writing).kept
    prepare.prepare(configuration())
    out = capsys.readouterr().out
    assert kept == 20
    assert 'tiny/train-*.tfrecord: 20 of 30 images are there from an interrupted run\n' in out
    assert sorted(labels_of(configuration(), 'train')) == sorted(list(range(10)) * 3)


def test_prepare_makes_anew_what_is_damaged(here: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.prepare(configuration())
    test = here / 'tiny/test.tfrecord'
    good = test.read_bytes()
    test.write_bytes(good[:-3])
    prepare.prepare(configuration())
    assert test.read_bytes() == good


def test_a_validation_set_that_cannot_be_read_leaves_no_training_set(here: pathlib.Path) -> None:
    labels = here / 'raw/t10k-labels-idx1-ubyte.gz'
    content = gzip.decompress(labels.read_bytes())
    labels.write_bytes(gzip.compress(content[:-1] + b'\x0b'))  # class 11
    with pytest.raises(UserError, match='an image of class 11'):
        prepare.prepare(configuration())
    assert sorted(path.name for path in here.iterdir()) == ['raw']


def test_what_words_name_lies_in_the_current_folder_and_what_files_of_mayo_name_at_home(
    here: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = here / 'elsewhere'
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    words = ('dataset.path.train=50% [1] $x/train-*.tfrecord', f'dataset.prepare.source={here / "raw"}')
    prepare.prepare(configuration(*words))
    assert sorted(path.name for path in (elsewhere / '50% [1] $x').iterdir()) == [
        f'train-0000{number}-of-00003.tfrecord' for number in range(3)
    ]
    assert sorted(path.name for path in (here / 'tiny').iterdir()) == ['labels.txt', 'test.tfrecord']
    prepare.prepare(configuration(*words))
    (elsewhere / 'own.yaml').write_text('dataset.labels: own.txt')
    config = configuration(*words)
    config.merge_file('own.yaml')
    assert config.place('dataset.labels') == elsewhere / 'own.txt'
    (elsewhere / 'defaults').mkdir()  # is not who set what Mayo sets by default
    assert config.place('system.checkpoint.path') == here / 'checkpoints'


def test_a_split_without_a_path_is_not_prepared(here: pathlib.Path) -> None:
    prepare.prepare(configuration('dataset.path.train=null'))
    assert sorted(path.name for path in (here / 'tiny').iterdir()) == ['labels.txt', 'test.tfrecord']


def test_training_is_shuffled_by_seed_and_epoch_and_evaluation_is_not(here: pathlib.Path) -> None:
    config = configuration()
    prepare.prepare(config)
    first, again, second = (labels_of(config, 'train', epoch=epoch) for epoch in (0, 0, 1))
    other = labels_of(configuration('system.seed=1'), 'train')
    assert first == again
    assert len({tuple(order) for order in (first, second, other)}) == 3
    assert labels_of(config, 'train', skip_batches=2, batch_size=7) == first[14:]
    assert labels_of(config, 'validate', batch_size=3) == [n % 10 for n in range(20)]


@pytest.mark.parametrize(
    ('has', 'use', 'classes', 'first_label', 'first_name'),
    [
        (False, False, 10, 0, '0'),
        (True, True, 11, 1, 'background'),
        (True, False, 10, 0, '0'),
        (False, True, 11, 1, 'background'),
    ],
)
def test_a_background_class_shifts_labels_and_names(
    here: pathlib.Path, has: bool, use: bool, classes: int, first_label: int, first_name: str
) -> None:
    config = configuration(f'dataset.task.background_class={{has: {has}, use: {use}}}', f'dataset.task.num_classes={classes}')
    prepare.prepare(config)
    assert labels_of(config, 'validate')[0] == first_label
    assert (len(data.class_names(config)), data.class_names(config)[0]) == (classes, first_name)
    assert len((here / 'tiny/labels.txt').read_text().splitlines()) == 10 + has


def test_class_names_may_be_listed_or_in_a_file(here: pathlib.Path) -> None:
    prepare.prepare(configuration('dataset.prepare.classes=[a, b b, c, d, e, f, g, h, i, j]'))
    assert (here / 'tiny/labels.txt').read_text().splitlines()[:2] == ['a', 'b b']
    (here / 'names').write_text(''.join(f'n{n} name of {n}, too\n' for n in range(10)))
    (here / 'tiny/test.tfrecord').unlink()
    prepare.prepare(configuration('dataset.prepare.classes=names'))
    assert (here / 'tiny/labels.txt').read_text().splitlines()[9] == 'name of 9, too'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            ['dataset.num_examples_per_epoch.train=31'],
            'tiny/train-*.tfrecord: the source holds 30 images, but dataset.num_examples_per_epoch says 31.',
        ),
        (['dataset.task.num_classes=9'], 'the source has an image of class 9, but dataset.task.num_classes allows 0 to 8.'),
        (['dataset.prepare.classes=[a, b]'], 'raw holds 2 classes, but dataset.task.num_classes is 10.'),
        (['dataset.prepare.classes=absent'], 'command line: dataset.prepare.classes: absent does not exist.'),
        (
            ['dataset.prepare.classes=3', 'dataset.prepare.known=x'],
            'command line: dataset.prepare.known is x, expected a list of paths.',
        ),
        (
            ['dataset.prepare.classes=[08, null]'],
            'command line: dataset.prepare.classes is [8, null], expected a file, or a list of names; in quotes where YAML takes ',
        ),
        (
            ['dataset.prepare.urls={a: {url: x}}'],
            'command line: dataset.prepare.urls is {a: {url: x}}, expected {FILE: {url: , sha256: }}.',
        ),
        (
            ['dataset.prepare.splits.train=x', 'dataset.prepare.splits.validate=3'],
            'command line: dataset.prepare.splits.validate is 3, expected {images: , labels: }, or null.',
        ),
        (
            ['dataset.prepare.splits.validate={folder: x, labels: y}'],
            'command line: dataset.prepare.splits.validate: the label file y does not exist.',
        ),
        (
            ['dataset.prepare.type=idy'],
            'command line: dataset.prepare.type is idy, expected one of cifar, folder, idx; did you mean idx?',
        ),
        (['dataset.prepare.source=absent'], 'dataset.prepare.source: absent does not exist.'),
        (['dataset.prepare.type=null'], '`prepare` needs dataset.prepare.type, which nothing so far sets; name a dataset'),
        (
            ['dataset.path.train=[a, b]'],
            'command line: dataset.path.train is [a, b], but `prepare` writes to one local path, with at most one * in its name.',
        ),
        (['dataset.path.train=a/x-[0-8].x'], 'command line: dataset.path.train is a/x-[0-8].x, but `prepare` writes to one'),
        (
            ['dataset.path.train=raw'],
            'command line: dataset.path.train: raw is a folder; its images are read as they are, there is nothing to prepare.',
        ),
        (['dataset.path.train=a/*/*.x'], 'command line: dataset.path.train is a/*/*.x, but `prepare` writes to one local path'),
    ],
)
def test_what_prepare_cannot_do_is_told_and_nothing_is_written(here: pathlib.Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        prepare.prepare(configuration(*words))
    assert str(error.value).startswith(message)
    told = list(prepare.problems(configuration(*words)))
    is_told_later = words[0].startswith(
        ('dataset.num', 'dataset.task', 'dataset.prepare.classes=[a', 'dataset.prepare.type=null')
    )
    assert (told == []) if is_told_later else '\n'.join(told).startswith(message)
    assert not list(here.glob('tiny/*'))


def test_everything_wrong_with_the_data_is_told_together(here: pathlib.Path) -> None:
    with pytest.raises(UserError) as error:
        data.data_of(
            configuration('dataset.task.preprocess.train=[{type: rando_flip}]', 'dataset.task.preprocess.shape=3'), 'train'
        )
    files, shape, steps = str(error.value).splitlines()
    assert files.startswith('tiny.yaml:11: dataset.path.train: tiny/train-*.tfrecord matches no file; there is no folder tiny.')
    assert shape.startswith('command line: dataset.task.preprocess.shape is 3, expected {height: , width: , channels: }')
    assert steps.startswith(
        'command line: dataset.task.preprocess.train.0: unknown preprocessing step `rando_flip`; did you mean random_flip?'
    )


def test_records_are_counted_before_they_are_read(here: pathlib.Path) -> None:
    prepare.prepare(configuration())
    with pytest.raises(UserError, match=r'^tiny/test.tfrecord holds 20 records, but dataset.num_examples_per_epoch says 21\.$'):
        data.data_of(configuration('dataset.num_examples_per_epoch.validate=21'), 'validate')


def test_bad_records_are_named_while_they_are_read(here: pathlib.Path) -> None:
    prepare.prepare(configuration())
    test = here / 'tiny/test.tfrecord'
    content = bytearray(test.read_bytes())
    content[-20] ^= 1
    test.write_bytes(content)
    config = configuration()
    source = data.data_of(config, 'validate')
    message = r'^tiny/test.tfrecord is truncated or corrupt after 19 whole records\.$'
    with pytest.raises(UserError, match=message), source.reading():
        for _ in data.epoch_of(config, 'validate', data=source):
            pass


def test_a_labels_file_that_does_not_fit_is_told(here: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'^tiny.yaml:13: dataset.labels: tiny/labels.txt does not exist; `prepare` writes'):
        data.class_names(configuration())
    assert data.class_names(configuration('dataset.prepare.classes=[a, b]', 'dataset.task.num_classes=2')) == ['a', 'b']
    prepare.prepare(configuration())
    with pytest.raises(UserError, match=r'names 10 classes of the model, but dataset.task.num_classes is 11\.$'):
        data.class_names(configuration('dataset.task.num_classes=11'))


DATASETS = sorted((pathlib.Path(__file__).parents[2] / 'datasets').glob('*.yaml'))


@pytest.mark.parametrize('path', [path for path in DATASETS if path.stem != 'folder'], ids=lambda path: path.stem)
def test_every_shipped_dataset_says_what_training_evaluation_and_prepare_need(path: Any) -> None:
    config = Config.default()
    config.merge_file(path)
    assert path.read_text().startswith('# ')
    other = config.get('dataset.prepare.instead')  # whose records, and checkpoints, these are
    assert config.get('dataset.name') == (pathlib.Path(other) if other else path).stem
    assert not config.unknown()
    for key in (
        'path.train',
        'path.validate',
        'num_examples_per_epoch.train',
        'num_examples_per_epoch.validate',
        'labels',
        'description',
        'task.num_classes',
        'prepare.instead' if other else 'prepare.type',
    ):
        assert config.get(f'dataset.{key}') is not None, key
    for entry in config.get('dataset.prepare.urls').values():
        assert set(entry) == {'url', 'sha256'}
        assert len(bytes.fromhex(entry['sha256'])) == 32


def test_imagenet_has_a_background_class_that_models_may_use() -> None:
    config = Config.default()
    config.merge_file('datasets/imagenet.yaml')
    assert (config.get('dataset.task.num_classes'), data.label_offset(config)) == (1000, -1)
    config.merge_word('dataset.task.background_class.use=true')
    assert (config.get('dataset.task.num_classes'), data.label_offset(config)) == (1001, 0)


def test_the_classes_of_imagenet_are_in_the_order_of_their_wordnet_ids() -> None:
    """Source of the four: https://keras.io/api/applications (imagenet_class_index.json)."""
    config = Config.default()
    config.merge_file('datasets/imagenet.yaml')
    config.merge_word('dataset.labels=null')
    classes, names = own_images.known_classes(config), data.class_names(config)
    assert [name.key for name in classes] == sorted({name.key for name in classes})
    assert len(names) == 1000
    assert [tuple(classes[n]) for n in (0, 207, 999)] == [
        ('n01440764', 'tench'),
        ('n02099601', 'golden retriever'),
        ('n15075141', 'toilet tissue'),
    ]
    config.merge_word('dataset.task.background_class.use=true')
    assert data.class_names(config)[:2] == ['background', 'tench']


def test_a_dataset_that_selects_among_the_records_of_another_names_it() -> None:
    config = Config.default()
    config.merge_file('datasets/cifar10_holdout.yaml')
    with pytest.raises(
        UserError,
        match=r'^datasets/cifar10_holdout.yaml:\d+: this dataset selects among the records of '
        r'datasets/cifar10.yaml; name that file in its place to `prepare` them\.$',
    ):
        prepare.prepare(config)


def test_the_shipped_test_images_have_their_names() -> None:
    config = Config.default()
    config.merge_file('datasets/fashion_mnist.yaml')
    assert data.class_names(config) == config.get('dataset.prepare.classes')
