"""CIFAR's archives, binary and python; pickles that could do harm are refused."""

import pathlib
import pickle
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.data.class_name import ClassName
from mayo.data.prepare import cifar
from mayo.util.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
LABELS = [1, 0, 9, 5]


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(raw: Any) -> None:
    assert list(raw.labels) == list(LABELS)
    np.testing.assert_array_equal([tf.io.decode_png(raw.read(n)) for n in range(4)], PIXELS.transpose(0, 2, 3, 1))


def binary(labels: Any, pixels: Any, before: bytes = b'') -> bytes:
    return b''.join(before + bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True))


def test_the_binary_cifar10_is_read_in_the_order_of_its_batches(here: pathlib.Path) -> None:
    (here / 'data_batch_2.bin').write_bytes(binary(LABELS[2:], PIXELS[2:]))
    (here / 'data_batch_1.bin').write_bytes(binary(LABELS[:2], PIXELS[:2]))
    (here / 'test_batch.bin').write_bytes(binary(LABELS[:1], PIXELS[:1]))
    (here / 'batches.meta.txt').write_text('airplane\nautomobile\n\n')
    raw = cifar.cifar(here, 'train', None, None)
    check(raw)
    assert raw.classes == ['airplane', 'automobile']
    assert cifar.cifar(here, 'validate', None, None).labels.size == 1


def test_the_binary_cifar100_gives_the_fine_labels(here: pathlib.Path) -> None:
    (here / 'train.bin').write_bytes(binary(LABELS, PIXELS, before=b'\x07'))
    (here / 'fine_label_names.txt').write_text('apple\naquarium_fish\n')
    (here / 'coarse_label_names.txt').write_text('fruit\n')
    raw = cifar.cifar(here, 'train', None, None)
    check(raw)
    assert raw.classes == ['apple', 'aquarium_fish']


@pytest.mark.parametrize(
    ('name', 'key', 'meta', 'meta_key'),
    [('data_batch_1', b'labels', 'batches.meta', b'label_names'), ('train', b'fine_labels', 'meta', b'fine_label_names')],
)
@pytest.mark.parametrize('protocol', [2, 4])
def test_the_python_archives_are_read(
    here: pathlib.Path, name: str, key: bytes, meta: str, meta_key: bytes, protocol: int
) -> None:
    batch = {b'data': PIXELS.reshape(4, -1), key: LABELS, b'coarse_labels': [0] * 4}
    (here / name).write_bytes(pickle.dumps(batch, protocol))
    (here / meta).write_bytes(pickle.dumps({meta_key: [b'a', b'b']}, protocol))
    raw = cifar.cifar(here, 'train', None, None)
    check(raw)
    assert raw.classes == ['a', 'b']


def test_keys_may_be_text_and_names_may_be_given(here: pathlib.Path) -> None:
    (here / 'mine').write_bytes(pickle.dumps({'data': PIXELS.reshape(4, -1), 'labels': LABELS}))
    raw = cifar.cifar(here, 'train', ['mine'], [ClassName('x', 'ex')])
    check(raw)
    assert raw.classes == ['ex']


def test_a_pickle_that_would_run_code_is_refused(here: pathlib.Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ('harm',)

    (here / 'data_batch_1').write_bytes(pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r'not a readable CIFAR file: it asks for builtins.print, which no CIFAR batch needs'):
        cifar.cifar(here, 'train', None, None)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        (
            'data_batch_1.bin',
            b'x' * 3074,
            'data_batch_1.bin is truncated or corrupt: 3074 bytes are not a whole number of records of 3073.',
        ),
        ('train.bin', b'', 'train.bin is truncated or corrupt: 0 bytes'),
        ('data_batch_1', b'', 'data_batch_1 is not a readable CIFAR file: Ran out of input.'),
        ('data_batch_1', b'version https://git-lfs', 'data_batch_1 is not a readable CIFAR file: '),
        ('data_batch_1', pickle.dumps([1]), 'data_batch_1 is not a CIFAR file: it holds no mapping.'),
        (
            'data_batch_1',
            pickle.dumps({b'labels': [1]}),
            'is not a CIFAR batch: it needs data [N, 3072] of bytes and N labels.',
        ),
        ('data_batch_1', pickle.dumps({b'data': np.zeros((2, 3072), np.uint8), b'labels': [1]}), 'is not a CIFAR batch'),
    ],
)
def test_damaged_batches_are_named(here: pathlib.Path, name: str, content: Any, message: str) -> None:
    (here / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        cifar.cifar(here, 'train', None, None)
    assert message in str(error.value)


def test_a_source_of_another_kind_is_told(here: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'holds no CIFAR batch named test_batch, test \(for images in a folder for each class'):
        cifar.cifar(here, 'validate', None, None)
