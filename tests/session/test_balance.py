"""What is told of images in class folders: how many each class has, and what always saying the largest would be right for."""

import logging
import pathlib

import pytest

from mayo.config import Config
from mayo.session.balance import balance_of, tell_if_useless, tell_images
from mayo.session.own_images import completed


@pytest.fixture
def config(tmp_path: pathlib.Path) -> Config:
    for kind, number in {'cat': 20, 'dog': 60, 'newt': 10}.items():
        (tmp_path / 'pets' / kind).mkdir(parents=True)
        for n in range(number):
            (tmp_path / 'pets' / kind / f'{n}.png').write_bytes(b'')
    config = Config.default()
    config.merge_file('datasets/folder.yaml')
    config.merge_word(f'dataset.path={tmp_path / "pets"}')
    return completed(config)


def test_classes_are_counted_the_largest_first(config: Config) -> None:
    balance = balance_of(config, 'validate')
    assert balance is not None
    assert list(balance.images.items()) == [('dog', 6), ('cat', 2), ('newt', 1)]
    assert (balance.largest, balance.total, balance.chance) == ('dog', 9, 6 / 9)


def test_training_begins_with_the_numbers(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        tell_images(config)
    assert caplog.messages == [
        '81 images to train on: dog 54, cat 18, newt 9; 9 to validate with, of which always saying dog is right for 66.7 %'
    ]


def test_of_many_classes_the_first_and_the_last_are_named(tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(20):
        (tmp_path / 'many' / f'c{n:02}').mkdir(parents=True)
        for image in range(2 + 20 - n):
            (tmp_path / 'many' / f'c{n:02}' / f'{image}.png').write_bytes(b'')
    config = Config.default()
    config.merge_file('datasets/folder.yaml')
    config.merge_word(f'dataset.path={tmp_path / "many"}')
    with caplog.at_level(logging.INFO):
        tell_images(completed(config))
    assert 'c00 20, c01 19, c02 18, c03 17, c04 16, c05 15, c06 14, ..., c19 2;' in caplog.messages[-1]


@pytest.mark.parametrize('top1, told', [(0.2, True), (6 / 9, True), (7 / 9, False)])
def test_what_is_no_better_than_the_largest_class_is_told(
    config: Config, caplog: pytest.LogCaptureFixture, top1: float, told: bool
) -> None:
    tell_if_useless(config, top1)
    assert ('no better than always saying dog, 66.67 %' in caplog.text) == told


def test_records_say_nothing(config_of: object, caplog: pytest.LogCaptureFixture) -> None:
    config = Config.default()
    config.merge_word('dataset.path.train=train.tfrecord')
    with caplog.at_level(logging.INFO):
        tell_images(config)
    assert balance_of(config, 'train') is balance_of(config, 'validate') is None
    assert caplog.messages == []
