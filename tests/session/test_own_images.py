"""dataset.path=DIR is enough: the rest of the configuration comes from the folder."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.actions import checks
from mayo.config import Config
from mayo.session import data
from mayo.session.own_images import completed
from mayo.util.errors import UserError


def photograph(level: Any, size: Any = (9, 12)) -> Any:
    return tf.io.encode_png(np.full((*size, 3), level, np.uint8)).numpy()


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """photos/: 20 pictures of cats, of brightness 0, and 20 of dogs, of brightness 200, in many sizes."""
    monkeypatch.chdir(tmp_path)
    for kind, level in (('cat', 0), ('my dog', 200)):
        (tmp_path / 'photos' / kind).mkdir(parents=True)
        for n in range(20):
            (tmp_path / 'photos' / kind / f'{n} é.png').write_bytes(photograph(level, (6 + n, 25 - n)))
    return tmp_path


def configuration(*words: str) -> Config:
    config = Config.default()
    config.merge_file('datasets/folder.yaml')
    config.merge_text(
        """
        dataset.task.preprocess:
            shape: {height: 8, width: 8, channels: 3}
            train: [{type: random_crop, padding: 1}]
            validate: [{type: crop_or_pad}]
        """,
        'model.yaml',
    )
    for word in words:
        config.merge_word(word)
    return config


def images(config: Config, mode: str) -> list[Any]:
    source = data.data_of(config, mode)
    with source.reading():
        return [
            (image, int(label))
            for batch in data.epoch_of(config, mode, data=source)
            for image, label in zip(*(values.numpy() for values in batch), strict=True)
        ]


def test_the_folder_says_name_classes_and_numbers(here: pathlib.Path) -> None:
    config = completed(configuration('dataset.path=photos'))
    assert config.get('dataset.name') == 'photos'
    assert config.get('dataset.path') == {'train': str(here / 'photos'), 'validate': str(here / 'photos')}
    assert config.get('dataset.num_examples_per_epoch') == {'train': 36, 'validate': 4}
    assert (config.get('dataset.task.num_classes'), data.class_names(config)) == (2, ['cat', 'my dog'])
    assert config.origin('dataset.task.num_classes').startswith('images in photos')
    assert not config.unknown()


def test_every_image_is_read_once_with_its_label_in_the_shape_of_the_network(here: pathlib.Path) -> None:
    config = completed(configuration('dataset.path=photos'))
    train, validate = images(config, 'train'), images(config, 'validate')
    assert (len(train), [label for _, label in validate]) == (36, [0, 0, 1, 1])
    assert sum(label for _, label in train) == 18
    for image, label in validate:
        np.testing.assert_allclose(image, np.full((8, 8, 3), 200 * label), rtol=1e-6)
    assert {image.shape for image, _ in train} == {(8, 8, 3)}
    order = [label for _, label in train]
    assert order == [label for _, label in images(config, 'train')] != sorted(order)
    rest = [label for _, labels in data.epoch_of(config, 'train', skip_batches=2, batch_size=7) for label in labels.numpy()]
    assert rest == order[14:]


def test_a_model_for_photographs_keeps_its_steps_and_another_gets_one_that_makes_images_fit(here: pathlib.Path) -> None:
    steps = completed(configuration('dataset.path=photos')).get('dataset.task.preprocess')
    first = {'type': 'resize', 'shorter_side': 8, 'antialias': True}
    assert steps['train'] == [first, {'type': 'crop_or_pad'}, {'type': 'random_crop', 'padding': 1}]
    word = 'dataset.task.preprocess.train=[{type: distort_bbox}]'
    steps = completed(configuration('dataset.path=photos', word)).get('dataset.task.preprocess')
    assert steps['train'] == [{'type': 'distort_bbox'}]


def test_splits_in_folders_of_their_own_are_read_whole(here: pathlib.Path) -> None:
    (here / 'all').mkdir()
    (here / 'photos').rename(here / 'all/train')
    (here / 'all/val/my dog').mkdir(parents=True)
    (here / 'all/val/my dog/x.png').write_bytes(photograph(7))
    config = completed(configuration('dataset.path=all', 'dataset.task.background_class.use=true'))
    assert config.get('dataset.num_examples_per_epoch') == {'train': 40, 'validate': 1}
    assert config.get('dataset.task.num_classes') == 3
    assert [label for _, label in images(config, 'validate')] == [2]
    only = completed(configuration('dataset.path.train=all/train'))
    assert (only.get('dataset.num_examples_per_epoch.train'), only.get('dataset.path.validate')) == (40, None)


def test_no_share_held_out_leaves_no_validation(here: pathlib.Path) -> None:
    config = completed(configuration('dataset.path=photos', 'dataset.holdout=0'))
    assert config.get('dataset.path.validate') is None
    assert config.get('dataset.num_examples_per_epoch.train') == 40


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['dataset.path=photo'], 'command line: dataset.path: photo does not exist.'),
        (['dataset.path=photos/cat'], 'photos/cat holds no image as CLASS/image.jpg.'),
        (
            ['dataset.path=photos', 'dataset.task.num_classes=5'],
            'photos holds 2 classes, but dataset.task.num_classes is 5 (command line).',
        ),
        (
            ['dataset.path=photos', 'dataset.prepare.classes=[cat, dog]'],
            'photos: the folder my dog with 18 images is none of the 2 classes of dataset.prepare.classes; did you mean dog?',
        ),
    ],
)
def test_what_does_not_fit_is_told(here: pathlib.Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        completed(configuration(*words))
    assert str(error.value) == message


def test_a_file_that_is_no_folder_is_told(here: pathlib.Path) -> None:
    (here / 'x.tfrecord').touch()
    with pytest.raises(
        UserError,
        match=r'^command line: dataset.path: x.tfrecord is no folder; files of records are '
        r'dataset.path.train and dataset.path.validate\.$',
    ):
        completed(configuration('dataset.path=x.tfrecord'))


def test_a_configuration_that_names_records_stays_itself() -> None:
    config = Config.default()
    config.merge_file('datasets/fashion_mnist.yaml')
    assert completed(config) is config


def test_every_image_that_cannot_be_read_is_named(here: pathlib.Path) -> None:
    for name in ('3 é', '4 é'):
        (here / f'photos/cat/{name}.png').write_bytes(b'no image')
    config = completed(configuration('dataset.path=photos', 'dataset.holdout=0'))
    with pytest.raises(UserError) as error:
        images(config, 'train')
    assert [line.partition(': its image')[0] for line in str(error.value).splitlines()] == [
        'photos/cat/3 é.png',
        'photos/cat/4 é.png',
    ]
    (here / 'photos/cat/5 é.png').unlink()
    with pytest.raises(UserError, match=r'photos/cat/5 é\.png is not there any more'):
        images(config, 'train')


def test_check_says_how_to_name_the_folder_and_that_there_is_nothing_to_prepare(here: pathlib.Path) -> None:
    config = configuration()
    assert any(line.endswith('say where the images are: dataset.path=DIR.') for line in checks.problems(config, 'eval'))
    problems = checks.problems(completed(configuration('dataset.path=photos')), 'prepare')
    assert problems[0].endswith(f'{here}/photos is a folder; its images are read as they are, there is nothing to prepare.')
