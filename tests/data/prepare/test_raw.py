"""A reader says everything about itself in its own file."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

from mayo.data import record
from mayo.data.prepare import Raw, readers
from mayo.data.prepare.raw import reader
from mayo.util.files import SHIPPED
from mayo.util.kinds import TEXT

TOY = '''
"""Reader of toys: a file holds pictures of one pixel, a byte each; the class of a picture is whether it is bright."""

import numpy as np

from mayo.data.prepare.archive import members
from mayo.data.prepare.raw import of_pixels, reader
from mayo.util.kinds import TEXT


@reader('toys', splits=TEXT, check=lambda place: ['no split is called attic.'] if place == 'attic' else [])
def toys(source, split, place, classes):
    """Pictures of one pixel."""
    content = next(member.read() for member in members(source) if member.name == (place or split))
    pixels = np.frombuffer(content, np.uint8).reshape(-1, 1, 1, 1)
    return of_pixels(pixels, (pixels[:, 0, 0, 0] > 127).astype(int), ['dark', 'bright'])
'''
DATASET = """
dataset:
    name: toys
    task.num_classes: 2
    path: {train: toys/train.tfrecord, validate: toys/test.tfrecord}
    num_examples_per_epoch: {train: 4, validate: 2}
    labels: toys/labels.txt
    prepare: {type: toys, source: box, splits.validate: shelf}
"""


@dataclasses.dataclass(frozen=True)
class Command:
    """Mayo with one file more, in which stands a reader; run in a folder with toys, a data set of that kind."""

    folder: pathlib.Path

    def __call__(self, *words: str) -> 'subprocess.CompletedProcess[str]':
        environment = os.environ | {'PYTHONPATH': str(self.folder / 'code')}
        command = [sys.executable, '-P', '-m', 'mayo.cli', 'toys.yaml', *words]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope='module')
def my(tmp_path_factory: pytest.TempPathFactory) -> Command:
    folder = tmp_path_factory.mktemp('toys')
    shutil.copytree(SHIPPED / 'mayo', folder / 'code/mayo', ignore=shutil.ignore_patterns('__pycache__'))
    (folder / 'code/mayo/data/prepare/toys.py').write_text(TOY)
    (folder / 'toys.yaml').write_text(DATASET)
    (folder / 'box').mkdir()
    (folder / 'box/train').write_bytes(bytes([0, 255, 1, 254]))
    (folder / 'box/shelf').write_bytes(bytes([200, 2]))
    return Command(folder)


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (
            ['dataset.prepare.type=toy'],
            r'command line: dataset.prepare.type is toy, expected one of .*toys; did you mean toys\?$',
        ),
        (['dataset.prepare.splits.train=3'], r'command line: dataset.prepare.splits.train is 3, expected text, or null\.$'),
        (['dataset.prepare.splits.train=attic'], r'dataset.prepare.splits.train: no split is called attic\.$'),
        (['dataset.prepare.source=chest'], r'dataset.prepare.source: chest does not exist\.$'),
    ],
)
def test_what_a_reader_refuses_is_told_before_anything_runs(my: Command, words: list[str], told: str) -> None:
    done = my(*words, 'prepare')
    assert (done.returncode, done.stdout) == (2, '')
    assert re.search(told, done.stderr, re.MULTILINE), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_nobody_entered_is_told_whatever_is_asked(my: Command) -> None:
    done = my('dataset.prepare.type=toy', 'check')
    assert re.search(r'dataset\.prepare\.type is toy, expected one of .*toys; did you mean toys\?$', done.stderr, re.MULTILINE)


def test_a_reader_in_a_file_of_its_own_is_found_and_what_it_reads_is_written(my: Command) -> None:
    done = my('prepare')
    assert done.stdout == (
        'toys/train.tfrecord: 4 images of 2 classes from box\ntoys/test.tfrecord: 2 images of 2 classes from box\n'
    ), done.stderr
    assert (my.folder / 'toys/labels.txt').read_text() == 'dark\nbright\n'
    images, labels = record.parse(list(tf.data.TFRecordDataset(str(my.folder / 'toys/test.tfrecord')).as_numpy_iterator()))
    assert labels.numpy().tolist() == [1, 0]
    assert [record.decode(image, 1).numpy().item() for image in images] == [200, 2]
    assert len(list(tf.data.TFRecordDataset(str(my.folder / 'toys/train.tfrecord')))) == 4


def test_a_reader_that_does_not_say_what_it_reads_is_refused_when_it_is_defined() -> None:
    def silent(*arguments: object) -> Raw:
        raise NotImplementedError

    with pytest.raises(ValueError, match=r'^the reader silent has no docstring, which says what it reads$'):
        reader('silent', splits=TEXT)(silent)
    assert 'silent' not in readers


@pytest.mark.parametrize('name', readers)
def test_every_reader_takes_the_usual_place_of_a_split_and_refuses_a_number(name: str) -> None:
    assert readers[name].splits.fits(None)
    assert not readers[name].splits.fits(3)
    assert list(readers[name].check(None)) == []


def test_the_page_about_datasets_lists_every_reader_with_what_it_reads() -> None:
    page = (SHIPPED / 'docs/datasets.md').read_text(encoding='utf-8')
    for name in readers:
        assert f'| `dataset.prepare.type={name}` | {readers[name].line}' in page
