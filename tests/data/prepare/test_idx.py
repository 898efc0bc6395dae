"""IDX files, whole and damaged."""

import contextlib
import gzip
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from mayo.data.class_name import ClassName
from mayo.data.prepare import idx, readers
from mayo.util.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx_file(array: Any) -> Any:
    return struct.pack(f'>4B{array.ndim}I', 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(
    here: pathlib.Path, pack: Any = gzip.compress, suffix: str = '.gz', images: Any = IMAGES, labels: Any = LABELS
) -> None:
    (here / f'train-images-idx3-ubyte{suffix}').write_bytes(pack(idx_file(images)))
    (here / f'train-labels-idx1-ubyte{suffix}').write_bytes(pack(idx_file(labels)))


@pytest.mark.parametrize(('pack', 'suffix'), [(gzip.compress, '.gz'), (bytes, '')])
def test_images_and_labels_come_in_order_and_unchanged(here: pathlib.Path, pack: Any, suffix: str) -> None:
    write(here, pack, suffix)
    raw = idx.idx(here, 'train', None, [ClassName('0', 'zero')])
    assert (raw.classes, raw.labels.tolist()) == (['zero'], [3, 1, 4, 1, 5])
    np.testing.assert_array_equal([tf.io.decode_png(raw.read(n)).numpy()[..., 0] for n in range(5)], IMAGES)
    assert len({raw.key(n) for n in range(5)}) == 5


def test_files_may_have_other_names_and_colours(here: pathlib.Path) -> None:
    (here / 'x').write_bytes(idx_file(IMAGES[..., np.newaxis].repeat(3, -1)))
    (here / 'y').write_bytes(idx_file(LABELS))
    raw = idx.idx(here, 'extra', {'images': 'x', 'labels': 'y.gz'}, None)
    assert (tf.io.decode_png(raw.read(0)).shape, raw.labels[0]) == ((4, 3, 3), 3)


@pytest.mark.parametrize('shape', [(0,), (3,), (2, 3), (2, 3, 4)])
def test_any_shape_is_read_back(shape: tuple[Any, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(idx.parse(idx_file(array), 'x'), array)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_an_idx_file_or_a_message(content: Any, headed: Any) -> None:
    content = b'\0\0\x08' + content if headed else content
    parsed = None
    with contextlib.suppress(UserError):
        parsed = idx.parse(content, 'file')
    assert parsed is None or idx_file(parsed) == content


def test_a_missing_file_is_told(here: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte\.gz\.$'):
        idx.idx(here, 'train', None, None)


@pytest.mark.parametrize(
    ('cut', 'message'),
    [
        (lambda content: gzip.compress(idx_file(LABELS))[:-9], 'train-labels-idx1-ubyte.gz is truncated or corrupt: '),
        (lambda content: gzip.compress(idx_file(LABELS)[:-1]), 'is truncated or corrupt: (5,) needs 13 bytes, found 12.'),
        (lambda content: gzip.compress(b'\0\0\x08\3\0'), 'is truncated: its header is 16 bytes, found 5.'),
        (lambda content: gzip.compress(b'\0\0\x0d\1\0\0\0\0'), 'is not an IDX file of bytes.'),
        (lambda content: b'version https://git-lfs.github.com/spec/v1\n', 'is truncated or corrupt: Not a gzipped file'),
    ],
)
def test_damaged_files_are_named(here: pathlib.Path, cut: Any, message: str) -> None:
    write(here)
    path = here / 'train-labels-idx1-ubyte.gz'
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(UserError) as error:
        idx.idx(here, 'train', None, None)
    assert message in str(error.value)


def test_as_many_labels_as_images_are_expected(here: pathlib.Path) -> None:
    write(here, labels=LABELS[:4])
    with pytest.raises(UserError, match=r'holds values \(5, 4, 3\) and train-labels-idx1-ubyte \(4,\), expected images'):
        idx.idx(here, 'train', None, None)


@pytest.mark.parametrize('place', ['x', {'images': 'x'}, {'images': 'x', 'labels': 3}, {'images': 'x', 'labels': 'y', 'z': 1}])
def test_a_wrong_pair_of_files_does_not_fit(place: object) -> None:
    assert readers['idx'].splits.fits({'images': 'x', 'labels': 'y'})
    assert not readers['idx'].splits.fits(place)
