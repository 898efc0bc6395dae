"""Folders of images as users have them, told apart, listed and split."""

import hashlib
import pathlib
from typing import Any

import pytest

from mayo.data.files import images_of
from mayo.data.tree import folder_of, held_out, labelled, splits_of, tree_of, without
from mayo.util.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(here: pathlib.Path, *names: Any) -> None:
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(b'x')


def relative(here: pathlib.Path, images: Any) -> list[Any]:
    return [image.removeprefix(f'{here}/') for image in images]


def test_classes_are_the_folders_in_order_and_images_lie_at_any_depth(here: pathlib.Path) -> None:
    touch(here, 'a/dog/2.jpg', 'a/dog/old/1.PNG', 'a/cat/x.webp', 'a/cat/.hidden.jpg', 'a/.git/x.jpg', 'a/notes/a.txt')
    tree = tree_of(here / 'a')
    images, labels = zip(*labelled(tree, list(tree.images)), strict=True)
    assert list(tree.images) == ['cat', 'dog']
    assert (relative(here, images), labels) == (['a/cat/x.webp', 'a/dog/2.jpg', 'a/dog/old/1.PNG'], (0, 1, 1))


def test_a_folder_that_is_none_of_the_classes_is_told(here: pathlib.Path) -> None:
    touch(here, 'dgo/1.jpg', 'dgo/2.jpg')
    with pytest.raises(
        UserError,
        match=r'the folder dgo with 2 images is none of the 2 classes of dataset.prepare.classes; '
        r'did you mean dog\?$',
    ):
        labelled(tree_of(here), ['cat', 'dog'])


@pytest.mark.parametrize(
    ('names', 'train', 'validate'),
    [
        (['cat/1.jpg', 'dog/1.jpg'], '', ''),
        (['train/cat/1.jpg', 'val/cat/1.jpg', 'test/cat/1.jpg'], 'train', 'val'),
        (['train/cat/1.jpg', 'test/cat/1.jpg'], 'train', 'test'),
        (['training/cat/1.jpg'], 'training', 'training'),
        (['test/cat/1.jpg'], None, 'test'),
        (['train/1.jpg', 'test/1.jpg', 'bus/1.jpg'], '', ''),
    ],
)  # vehicles: a train is a class
def test_splits_are_found_by_their_names(here: pathlib.Path, names: list[str], train: str | None, validate: str) -> None:
    touch(here, *names)
    expected = {'train': train, 'validate': validate}
    assert splits_of(here) == {split: here / name for split, name in expected.items() if name is not None}


def test_a_share_of_each_class_is_held_out_the_same_each_time_whatever_else_there_is(here: pathlib.Path) -> None:
    touch(here, *(f'{kind}/{n}.jpg' for kind, count in (('cat', 40), ('dog', 5), ('owl', 1)) for n in range(count)))
    tree = tree_of(here)
    out = held_out(tree, 0.1)
    assert {name: len(images) for name, images in out.images.items()} == {'cat': 4, 'dog': 1, 'owl': 0}
    rest = without(tree, out)
    for name in tree.images:
        assert sorted([*out.images[name], *rest.images[name]]) == sorted(tree.images[name])
    lowest = sorted((f'cat/{n}.jpg' for n in range(40)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:4]
    assert relative(here, out.images['cat']) == sorted(lowest)
    assert not any(held_out(tree, 0).images.values())


def test_a_folder_without_images_is_told(here: pathlib.Path) -> None:
    touch(here, 'a/1.jpg')
    with pytest.raises(UserError, match=r'^a holds no image as CLASS/image.jpg\.$'):
        tree_of(here / 'a')
    assert (folder_of('a'), folder_of('a/1.jpg'), folder_of('b'), folder_of(None)) == (here / 'a', None, None, None)


def test_paths_globs_and_folders_name_images_each_once(here: pathlib.Path) -> None:
    touch(here, 'a.jpg', 'photos/b.png', 'photos/deep/c.JPG', 'photos/note.txt', 'odd[1].jpg', 'noext')
    assert images_of(['a.jpg', '*.jpg', 'noext', 'odd[1].jpg']) == ['a.jpg', 'odd[1].jpg', 'noext']
    assert images_of('photos') == ['photos/b.png', 'photos/deep/c.JPG']
    assert images_of('**/*.JPG') == ['photos/deep/c.JPG']


def test_every_path_that_names_no_image_is_told(here: pathlib.Path) -> None:
    touch(here, 'a.jpg', 'empty/x.txt')
    with pytest.raises(UserError) as error:
        images_of(['a.jpeg', '*.png', 'empty', 'nowhere/b.jpg', 'a.jpg'], 'line: predict.files')
    assert str(error.value).splitlines() == [
        'line: predict.files: a.jpeg does not exist; did you mean a.jpg?',
        'line: predict.files: *.png matches no file.',
        'line: predict.files: empty holds no image.',
        'line: predict.files: nowhere/b.jpg does not exist.',
    ]


def images(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b'image')


@pytest.mark.parametrize(
    ('train', 'validate'), [('Train', 'Test'), ('TRAINING', 'Valid'), ('train', 'testing'), ('training', 'eval')]
)
def test_folders_of_splits_are_known_in_any_case(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, train: str, validate: str
) -> None:
    images(tmp_path, f'{train}/cat/1.png', f'{validate}/cat/1.png', 'more/cat/2.png')
    assert splits_of(tmp_path) == {'train': tmp_path / train, 'validate': tmp_path / validate}
    assert f'{train} and {validate} are read; beside them, more is ignored' in caplog.text


def test_links_in_a_circle_lead_nowhere_and_what_is_passed_over_is_counted(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(tmp_path, 'cat/1.png', 'Cat/1.jfif', 'dog/2.JPG', 'dog/3.tiff', 'dog/4.jpg_large', 'dog/nosuffix')
    for name in ('cat', 'dog'):
        (tmp_path / name / 'all').symlink_to('..')
    assert {name: len(files) for name, files in tree_of(tmp_path).images.items()} == {'Cat': 1, 'cat': 1, 'dog': 1}
    assert 'passed over: 3 files that are no images by their suffixes: 1 .tiff, 1 .jpg_large, 1 no suffix' in caplog.text
    assert 'the classes Cat and cat differ in case alone' in caplog.text
