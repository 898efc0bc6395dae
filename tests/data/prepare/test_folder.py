"""Photographs in class folders, and ImageNet's ways to lay them out."""

import io
import pathlib
import struct
import tarfile
import zipfile
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data.class_name import ClassName
from mayo.data.prepare import folder, readers
from mayo.util.errors import UserError


def photograph(level: Any, encode: Any = tf.io.encode_jpeg) -> Any:
    return encode(np.full((8, 8, 3), level, np.uint8)).numpy()


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(here: pathlib.Path, *names: Any, content: Any = None) -> None:
    for level, name in enumerate(names):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content or photograph(20 * level))


def tar(files: Any, mode: Any = 'w') -> Any:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def labels_of(raw: Any) -> Any:
    return raw.labels.tolist()


def test_class_folders_in_order_are_the_labels(here: pathlib.Path) -> None:
    write(
        here,
        'data/train/dog/2.jpg',
        'data/train/cat/1.jpeg',
        'data/train/dog/1.PNG',
        'data/train/dog/note.txt',
        'data/test/owl/1.jpg',
    )
    raw = folder.folder(here, 'train', None, None)
    assert raw.classes == ['cat', 'dog']
    assert labels_of(raw) == [0, 1, 1]


@pytest.mark.parametrize('inner', ['zip', 'tar.gz', 'TGZ', 'tar', '7z'])
@pytest.mark.parametrize('outer', ['zip', 'tar'])
def test_an_archive_in_an_archive_is_refused_by_name(here: pathlib.Path, inner: str, outer: str) -> None:
    files = {'train/cat/1.jpg': photograph(1), f'train/dog.{inner}': tar({'2.jpg': photograph(2)})}
    source = here / f'data.{outer}'
    if outer == 'zip':
        with zipfile.ZipFile(source, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        source.write_bytes(tar(files))
    if (inner, outer) == ('tar', 'tar'):  # ImageNet's way
        assert folder.folder(source, 'train', None, None).classes == ['cat', 'dog']
        return
    with pytest.raises(UserError, match=rf'data\.{outer} holds archives, train/dog\.{inner}, which are not read'):
        folder.folder(source, 'train', None, None)


def test_what_is_passed_over_is_told_once(here: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    write(here, 'data/train/cat/1.jpg', 'data/train/cat/notes.txt', 'data/train/dog.zip')
    for _ in range(2):
        folder.folder(here / 'data', 'train', None, None)
    assert caplog.messages == [
        'data: the archive train/dog.zip is passed over; unpack it if its images belong to the set',
        'data (passed over: 2 files that are no images by their suffixes: 1 .zip, 1 .txt)',
    ]


@pytest.mark.parametrize('place', ['validation', 'validate', 'valid', 'val', 'test'])
def test_the_usual_names_of_the_validation_folder_are_known(here: pathlib.Path, place: str) -> None:
    write(here, f'{place}/cat/1.jpg', 'other/cat/1.jpg')
    assert labels_of(folder.folder(here, 'validate', None, None)) == [0]


@pytest.mark.parametrize('place', ['photos', 'a/photos', '/photos/'])
def test_the_folder_of_a_split_can_be_named(here: pathlib.Path, place: str) -> None:
    write(here, 'a/photos/cat/1.jpg', 'a/morephotos/dog/1.jpg')
    assert folder.folder(here, 'train', place, None).classes == ['cat']


@pytest.mark.parametrize(
    ('names', 'place'), [(['val/cat/1.jpg', 'test/dog/1.jpg'], 'cat'), (['validation/test/1.jpg', 'test/dog/1.jpg'], 'test')]
)
def test_the_first_usual_name_that_holds_images_is_the_split(here: pathlib.Path, names: list[str], place: str) -> None:
    write(here, *names)
    assert folder.folder(here, 'validate', None, None).classes == [place]


def test_the_source_itself_may_be_the_folder_of_a_split(here: pathlib.Path) -> None:
    write(here, 'photos/train/cat/1.jpg')
    assert folder.folder(here / 'photos/train', 'train', None, None).classes == ['cat']
    write(here, 'ILSVRC2012_img_train.tar', content=tar({'n1.tar': tar({'n1_1.JPEG': photograph(9)})}))
    assert folder.folder(here / 'ILSVRC2012_img_train.tar', 'train', None, None).classes == ['n1']


def test_class_folders_may_lie_outermost(here: pathlib.Path) -> None:
    write(here, 'cat/1.jpg', 'train/dog/1.jpg')
    assert folder.folder(here, 'train', '.', None).classes == ['cat']


def test_listed_classes_fix_labels_and_names_and_some_may_be_absent(here: pathlib.Path) -> None:
    write(here, 'train/n2/1.jpg', 'train/n0/1.jpg')
    raw = folder.folder(here, 'train', None, [ClassName('n2', 'dog'), ClassName('n1', 'owl'), ClassName('n0', 'cat')])
    assert (raw.classes, labels_of(raw)) == (['dog', 'owl', 'cat'], [2, 0])


def test_a_class_that_is_not_listed_is_told(here: pathlib.Path) -> None:
    write(here, 'train/dgo/1.jpg')
    with pytest.raises(
        UserError,
        match=r'train/dgo/1.jpg is of class dgo, which is none of the 1 classes .*; '
        r'did you mean dog\?',
    ):
        labels_of(folder.folder(here, 'train', None, [ClassName('dog', 'dog')]))


def test_the_training_archive_of_imagenet_holds_a_tar_for_each_class(here: pathlib.Path) -> None:
    classes = {f'{name}.tar': tar({f'{name}_1.JPEG': photograph(9)}) for name in ('n2', 'n1')}
    write(here, 'ILSVRC2012_img_train.tar', content=tar(classes))
    raw = folder.folder(here, 'train', 'ILSVRC2012_img_train', None)
    assert (raw.classes, sorted(labels_of(raw))) == (['n1', 'n2'], [0, 1])
    raw = folder.folder(here / 'ILSVRC2012_img_train.tar', 'train', '.', None)
    assert (raw.classes, labels_of(raw)) == (['n1', 'n2'], [1, 0])


@pytest.mark.parametrize(
    'text', ['ImageId,PredictionString\nb,n1 1 2 3 4 n1 5 6 7 8\na,n2 1 2 3 4\n', 'b.JPEG n1\na.JPEG n2\n', 'n2\nn1\n']
)
def test_images_without_class_folders_take_their_class_from_a_file(here: pathlib.Path, text: str) -> None:
    write(here, 'val/b.JPEG', 'val/a.JPEG', 'val2/c.JPEG')
    (here / 'labels').write_text(text)
    classes = [ClassName('n1', 'one'), ClassName('n2', 'two')]
    assert labels_of(folder.folder(here, 'validate', {'folder': 'val', 'labels': 'labels'}, classes)) == [1, 0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [('a.jpg n1\n', 'labels does not say the class of val/b.jpg.'), ('n1\n', 'labels names the classes of 1 images, ')],
)
def test_a_label_file_that_does_not_fit_is_told(here: pathlib.Path, text: str, message: str) -> None:
    write(here, 'val/a.jpg', 'val/b.jpg')
    if text:
        (here / 'labels').write_text(text)
    with pytest.raises(UserError) as error:
        labels_of(folder.folder(here, 'validate', {'folder': 'val', 'labels': 'labels'}, [ClassName('n1', 'n1')]))
    assert message in str(error.value)


def test_jpeg_and_png_files_stay_as_they_are_and_others_become_png(here: pathlib.Path) -> None:
    bitmap = struct.pack('<2sIII', b'BM', 58, 0, 54) + struct.pack('<3I2H6I', 40, 1, 1, 1, 24, *[0] * 6) + bytes([1, 2, 3, 0])
    for name, content in {'1.jpg': photograph(9), '2.png': photograph(9, tf.io.encode_png), '3.bmp': bitmap}.items():
        write(here, f'train/cat/{name}', content=content)
    raw = folder.folder(here, 'train', None, None)
    first, second, third = map(raw.read, range(3))
    assert (first, second) == (photograph(9), photograph(9, tf.io.encode_png))
    assert tf.io.decode_png(third).numpy().tolist() == [[[3, 2, 1]]]


@pytest.mark.parametrize('content', [b'no image', photograph(9)[:200], b'version https://git-lfs.github.com/spec/v1\n'])
def test_an_image_that_cannot_be_read_is_named(here: pathlib.Path, content: Any) -> None:
    write(here, 'train/cat/1.jpg')
    write(here, 'train/cat/2.jpg', content=content)
    with pytest.raises(UserError, match=r'train/cat/2.jpg is not a readable image: '):
        folder.folder(here, 'train', None, None).read(1)


def test_an_image_is_told_from_another_by_name_and_size(here: pathlib.Path) -> None:
    write(here, 'train/cat/1.jpg', 'train/cat/2.jpg')
    before = folder.folder(here, 'train', None, None)
    write(here, 'train/cat/2.jpg', content=photograph(9) + b'0')
    after = folder.folder(here, 'train', None, None)
    assert (before.key(0) == after.key(0), before.key(1) == after.key(1)) == (True, False)


@pytest.mark.parametrize('classes', [None, [ClassName('cat', 'cat')]])
@pytest.mark.parametrize(
    ('place', 'shown'),
    [
        (None, 'train or training or ILSVRC2012_img_train/CLASS/image.jpg'),
        ('x', 'x/CLASS/image.jpg'),
        ('.', './CLASS/image.jpg'),
    ],
)
def test_a_source_without_images_is_told(
    here: pathlib.Path, place: str | None, shown: str, classes: list[ClassName] | None
) -> None:
    write(here, 'train/cat/note.txt', '1.jpg')
    with pytest.raises(UserError) as error:
        labels_of(folder.folder(here, 'train', place, classes))
    assert str(error.value).endswith(
        f'holds no image as {shown}; dataset.prepare.splits.train names the folder above the class folders.'
    )


@pytest.mark.parametrize(
    ('place', 'fits'),
    [
        (None, True),
        ('photos/test', True),
        ({'folder': 'val', 'labels': 'x'}, True),
        ({'folder': 'val', 'labels': 'x', 'ids': 'y'}, True),
        (3, False),
        ({'folder': 'val'}, False),
        ({'folder': 'val', 'labels': 'x', 'classes': 'y'}, False),
    ],
)
def test_a_place_is_a_folder_or_a_folder_and_a_file_of_labels(place: object, fits: bool) -> None:
    assert readers['folder'].splits.fits(place) == fits


def test_the_label_files_of_a_place_that_are_not_there_are_told(here: pathlib.Path) -> None:
    (here / 'labels').touch()
    place = {'folder': 'val', 'labels': 'labels', 'ids': 'meta.mat'}
    assert list(readers['folder'].check(place)) == ['the label file meta.mat does not exist.']
    assert list(readers['folder'].check('val')) == []
