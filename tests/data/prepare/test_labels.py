"""The classes of ImageNet's validation images, from each of the files that say them."""

import io
import pathlib
import re
import tarfile
from typing import Any

import numpy as np
import pytest
import scipy.io
import tensorflow as tf

from mayo.data.class_name import ClassName
from mayo.data.prepare import folder, labels
from mayo.util.errors import UserError

CLASSES = [ClassName(name, name) for name in ('n01', 'n02', 'n03')]
IMAGES = [f'ILSVRC2012_val_0000000{n}' for n in (1, 2, 3)]
KIT = 'ILSVRC2012_devkit_t12'
TRUTH = f'{KIT}/data/ILSVRC2012_validation_ground_truth.txt'


def photograph() -> Any:
    return tf.io.encode_jpeg(np.zeros((8, 8, 3), np.uint8)).numpy()


def tar(path: pathlib.Path, files: dict[str, Any], mode: Any = 'w') -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def meta() -> Any:
    """The table of the development kit: ILSVRC id 1 is n03, 2 is n01, 3 is n02."""
    table = np.zeros((3, 1), [('ILSVRC2012_ID', 'O'), ('WNID', 'O')])
    for row, entry in zip(table, ((1, 'n03'), (2, 'n01'), (3, 'n02')), strict=True):
        row[0] = entry
    file = io.BytesIO()
    scipy.io.savemat(file, {'synsets': table})
    return file.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    tar(tmp_path / 'ILSVRC2012_img_val.tar', {f'{name}.JPEG': photograph() for name in reversed(IMAGES)})
    return tmp_path


def labels_file(source: pathlib.Path, place: Any = None) -> Any:
    """The labels of the images in the order of their names; they lie in the archive in the reverse order."""
    return folder.folder(source, 'validate', place, CLASSES).labels.tolist()[::-1]


@pytest.mark.parametrize('source', ['.', 'ILSVRC2012_img_val.tar'])
def test_the_files_of_ilsvrc_as_they_come_need_no_other_word(here: pathlib.Path, source: str) -> None:
    tar(here / f'{KIT}.tar.gz', {f'{KIT}/data/meta.mat': meta(), TRUTH: b'1\n1\n2\n'}, 'w:gz')
    assert labels_file(here / source) == [2, 2, 0]


def test_the_development_kit_may_be_unpacked(here: pathlib.Path) -> None:
    (here / f'{KIT}/data').mkdir(parents=True)
    (here / f'{KIT}/data/meta.mat').write_bytes(meta())
    (here / TRUTH).write_text('3\n2\n1\n')
    assert labels_file(here) == [1, 0, 2]
    assert labels_file(here, {'folder': 'ILSVRC2012_img_val', 'labels': TRUTH}) == [1, 0, 2]


def test_the_list_of_kaggle_is_found(here: pathlib.Path) -> None:
    val = here / 'ILSVRC/Data/CLS-LOC/val'
    val.mkdir(parents=True)
    for name in IMAGES:
        (val / f'{name}.JPEG').write_bytes(photograph())
    (here / 'ILSVRC2012_img_val.tar').unlink()
    (here / 'LOC_val_solution.csv').write_text(
        'ImageId,PredictionString\n' + ''.join(f'{name},n0{n} 1 2 3 4 n0{n} 5 6 7 8\n' for n, name in enumerate(IMAGES, 1))
    )
    assert labels_file(here)[::-1] == [0, 1, 2]


def test_a_list_of_synsets_is_found_and_ids_may_be_a_text(here: pathlib.Path) -> None:
    (here / 'imagenet_2012_validation_synset_labels.txt').write_text('n02\nn01\nn03\n')
    assert labels_file(here) == [1, 0, 2]
    (here / 'truth').write_text('2\n1\n2\n')
    (here / 'ids').write_text('1 n01 tench\n2 n02 goldfish\n')
    assert labels_file(here, {'folder': 'ILSVRC2012_img_val', 'labels': 'truth', 'ids': 'ids'}) == [1, 0, 1]


@pytest.mark.parametrize(
    ('truth', 'ids', 'message'),
    [
        ('1\n2\n', '1 n01\n2 n02\n', 'truth names the classes of 2 images, the source holds 3.'),
        ('1\n2\n9\n', '1 n01\n2 n02\n', 'truth says id 9, which ids does not know.'),
        ('1\n2\n1\n', 'a b\n', 'ids: expected lines with an ILSVRC id and its class, or the meta.mat of ILSVRC 2012.'),
        (
            '1\n2\n1\n',
            None,
            'truth says classes by ILSVRC id, and meta.mat, which says what those mean, does not exist; put it '
            'there, or name it as dataset.prepare.splits.validate.ids.',
        ),
    ],
)
def test_a_file_that_does_not_fit_is_told(here: pathlib.Path, truth: str, ids: str | None, message: str) -> None:
    (here / 'truth').write_text(truth)
    place = {'folder': 'ILSVRC2012_img_val', 'labels': 'truth'}
    if ids:
        (here / 'ids').write_text(ids)
        place['ids'] = 'ids'
    with pytest.raises(UserError, match=f'^{re.escape(message)}$'):
        labels_file(here, place)


def test_without_scipy_the_table_of_ilsvrc_says_what_to_install(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar(here / f'{KIT}.tar.gz', {f'{KIT}/data/meta.mat': meta(), TRUTH: b'1\n1\n2\n'}, 'w:gz')
    monkeypatch.setattr(labels, 'missing', list)
    with pytest.raises(UserError, match=r'^reading meta.mat needs scipy; `pip install .*\[imagenet\]'):
        labels_file(here)
