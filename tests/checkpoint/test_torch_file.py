"""Files of PyTorch: what torch wrote is read as it is, and tensors that reach beyond the file are refused.

tests/golden/torch/make.py wrote the files, with torch 2.14.
"""

import logging
import pathlib
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import safetensors_file, torch_file
from mayo.util.errors import UserError

GOLDEN = pathlib.Path(__file__).parents[1] / 'golden/torch'
READERS: dict[str, Callable[..., dict[str, np.ndarray]]] = {
    'weights.pth': torch_file.read,
    'old.pth': torch_file.read,
    'weights.safetensors': safetensors_file.read,
}


@pytest.fixture(scope='module')
def expected() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / 'expected.npz') as file:
        return dict(file)


@pytest.mark.parametrize('name', READERS)
def test_every_tensor_of_a_file_that_torch_wrote_is_read(name: str, expected: dict[str, np.ndarray]) -> None:
    tensors = READERS[name](GOLDEN / name)
    assert tensors.keys() == expected.keys()
    for key, value in tensors.items():
        assert value.shape == expected[key].shape
        np.testing.assert_array_equal(value.astype(np.float32), expected[key])
    assert tensors['float64'].dtype == np.float64
    assert tensors['bfloat16'].dtype == np.float32


def test_of_a_training_the_network_is_read_without_its_wrapper_and_the_average_where_it_is_asked_for(
    expected: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'mayo')
    tensors = torch_file.read(GOLDEN / 'training.pth')
    np.testing.assert_array_equal(tensors['fc.weight'], expected['fc.weight'])
    assert caplog.messages[0].endswith('training.pth: its part model; import.part=NAME takes another: model_ema')
    np.testing.assert_array_equal(torch_file.read(GOLDEN / 'training.pth', 'model_ema')['fc.bias'], expected['fc.bias'] + 1)
    with pytest.raises(UserError, match=r'it has no part model_em; .* in model, model_ema: .*; did you mean model_ema\?'):
        torch_file.read(GOLDEN / 'training.pth', 'model_em')


def test_a_network_pickled_whole_is_refused() -> None:
    with pytest.raises(UserError, match=r'names torch\.nn\.modules\.container\.Sequential.*save its state_dict\(\)'):
        torch_file.read(GOLDEN / 'module.pth')


class Name:
    """A global of a pickle that need not be there to be written."""

    def __init__(self, text: str) -> None:
        self.text = text


class Call(list[Any]):
    """A function and its arguments."""


class Stored(tuple[Any, ...]):
    """A persistent id."""


def encoded(value: Any) -> bytes:
    """The instructions of protocol 2 that make a value."""
    if isinstance(value, Name):
        module, _, name = value.text.rpartition('.')
        return f'c{module}\n{name}\n'.encode()
    if isinstance(value, Call):
        return encoded(value[0]) + encoded(tuple(value[1:])) + b'R'
    if isinstance(value, Stored):
        return encoded(tuple(value)) + b'Q'
    if isinstance(value, tuple):
        return b'(' + b''.join(map(encoded, value)) + b't'
    if isinstance(value, dict):
        return b'}' + b''.join(encoded(key) + encoded(item) + b's' for key, item in value.items())
    return pickle.dumps(value, 2)[2:-1].replace(b'q\x00', b'')


def tensor(
    sizes: Any = (2, 3), strides: Any = (3, 1), offset: Any = 0, count: Any = 6, kind: str = 'torch.FloatStorage'
) -> Call:
    storage = Stored(('storage', Name(kind), '0', 'cpu', count))
    return Call([Name('torch._utils._rebuild_tensor_v2'), storage, offset, sizes, strides, False, {}])


def zipped(path: pathlib.Path, value: Any, numbers: Any = range(6), **options: Any) -> pathlib.Path:
    with zipfile.ZipFile(path, 'w', **options) as archive:
        archive.writestr('a/data.pkl', b'\x80\x02' + encoded(value) + b'.')
        archive.writestr('a/data/0', np.array(numbers, '<f4').tobytes())
    return path


def old(path: pathlib.Path, value: Any, numbers: Any = range(6)) -> pathlib.Path:
    head = b''.join(pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True}))
    stored = struct.pack('<q', len(numbers)) + np.array(numbers, '<f4').tobytes()
    path.write_bytes(head + b'\x80\x02' + encoded(value) + b'.' + pickle.dumps(['0'], 2) + stored)
    return path


@pytest.mark.parametrize('write', [zipped, old])
def test_the_writers_of_these_tests_write_what_is_read(write: Any, tmp_path: pathlib.Path) -> None:
    read = torch_file.read(write(tmp_path / 'a.pth', {'w': tensor((2, 2), (1, 2), 1)}))
    np.testing.assert_array_equal(read['w'], [[1, 3], [2, 4]])


OUTSIDE = {
    'larger than its storage': tensor((2, 4), (4, 1)),
    'of a terabyte': tensor((1 << 40,), (0,)),
    'of many zeros': tensor((1 << 30, 1 << 30, 1 << 30), (0, 0, 0)),
    'behind its storage': tensor(offset=1),
    'before its storage': tensor(offset=-1),
    'with a negative stride': tensor(strides=(3, -1)),
    'with a negative size': tensor((-2, -3)),
    'with wide strides': tensor(strides=(1 << 62, 1)),
    'with a storage larger than the file': tensor((2, 3), count=1 << 40),
    'with a storage smaller than the file': tensor((2, 2), (2, 1), count=4),
    'with a storage of wider numbers': tensor(kind='torch.DoubleStorage'),
    'with more strides than sizes': tensor((6,)),
    'with sizes that are no numbers': tensor(('a', 3)),
    'with sizes that are true': tensor((True, 3)),
    'with sizes that are a number': tensor(6),
    'of complex numbers': tensor(kind='torch.ComplexFloatStorage'),
    'quantized': Call([Name('torch._utils._rebuild_qtensor'), 1]),
    'of a storage that is a text': Call([Name('torch._utils._rebuild_tensor_v2'), 'a', 0, (), (), False, {}]),
    'without arguments': Call([Name('torch._utils._rebuild_tensor_v2')]),
    'of a storage that is not there': Call(
        [
            Name('torch._utils._rebuild_tensor_v2'),
            Stored(('storage', Name('torch.FloatStorage'), '../../1', 'cpu', 6)),
            0,
            (6,),
            (1,),
            0,
            {},
        ]
    ),
}


@pytest.mark.parametrize('write', [zipped, old])
@pytest.mark.parametrize('case', OUTSIDE)
def test_a_tensor_that_is_not_inside_the_file_is_refused(case: str, write: Any, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'a\.pth: '):
        torch_file.read(write(tmp_path / 'a.pth', {'w': OUTSIDE[case]}))


def test_many_tensors_of_the_same_numbers_are_refused(tmp_path: pathlib.Path) -> None:
    tied = {f'w{index}': tensor() for index in range(3)}
    assert len(torch_file.read(zipped(tmp_path / 'a.pth', tied))) == 3
    with pytest.raises(UserError, match='its tensors lie over each other'):
        torch_file.read(zipped(tmp_path / 'a.pth', {f'w{index}': tensor() for index in range(100)}))


def test_a_zip_that_torch_would_not_write_is_refused(tmp_path: pathlib.Path) -> None:
    bomb = zipped(
        tmp_path / 'a.pth', {'w': tensor((1 << 20,), (1,), 0, 1 << 20)}, np.zeros(1 << 20), compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(UserError, match=r'a\.pth: a zip with compressed files in it'):
        torch_file.read(bomb)
    with zipfile.ZipFile(tmp_path / 'b.pth', 'w') as archive:
        archive.writestr('a/data.pkl', b'')
        archive.writestr('b/data.pkl', b'')
    with pytest.raises(UserError, match=r'b\.pth: a zip with 2 files data\.pkl'):
        torch_file.read(tmp_path / 'b.pth')
    with zipfile.ZipFile(tmp_path / 'c.pth', 'w') as archive:
        archive.writestr('a/data.pkl', b'')
        archive.writestr('a/constants.pkl', b'')
    with pytest.raises(UserError, match='a program of TorchScript, not weights'):
        torch_file.read(tmp_path / 'c.pth')


def test_a_pickle_that_torch_did_not_write_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'a.pth').write_bytes(pickle.dumps({'w': [1.0]}))
    with pytest.raises(UserError, match=r'a\.pth: a pickle, but none of torch\.save; save the state_dict\(\)'):
        torch_file.read(tmp_path / 'a.pth')
    with pytest.raises(UserError, match=r'a\.pth: no tensors by names, expected the state_dict\(\)'):
        torch_file.read(zipped(tmp_path / 'a.pth', {'epoch': 1}))


@pytest.mark.parametrize('name', [*READERS, 'training.pth'])
def test_a_damaged_file_is_refused_or_gives_the_tensors_that_it_has(name: str, tmp_path: pathlib.Path) -> None:
    """Cut anywhere, or with a few bits flipped: nothing but a sentence, or tensors inside the file."""
    content, draw = (GOLDEN / name).read_bytes(), random.Random(0)
    path = tmp_path / 'damaged'
    for turn in range(120):
        place = draw.randrange(len(content))
        changed = bytearray(content[:place] if turn % 2 else content)
        for _ in range(0 if turn % 2 else 3):
            changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            tensors = READERS[name if name in READERS else 'weights.pth'](path)
        except UserError:
            continue
        assert sum(value.nbytes for value in tensors.values()) < 100 * len(content)


HEADERS: dict[str, tuple[Any, str]] = {
    'no header': (b'\xff' * 20, 'a header of 18,446,744,073,709,551,615 bytes'),
    'no JSON': (b'{"a": [1, 2', 'the header is no JSON'),
    'nested': (b'{"a":' + b'[' * 100_000, 'the header is no JSON'),
    'twice': (b'{"a": {}, "a": {}}', 'a name stands twice'),
    'another type': ({'a': ('F4', [3], [0, 12])}, 'a is of the type F4, expected one of F64'),
    'another shape': ({'a': ('F32', [4], [0, 12])}, 'a is not where its size says'),
    'a huge shape': ({'a': ('F32', [1 << 40, 1 << 40], [0, 12])}, 'a is not where its size says'),
    'a negative shape': ({'a': ('F32', [-3], [0, 12])}, 'the shape of a is no list of sizes'),
    'behind the end': ({'a': ('F32', [4], [0, 16])}, 'a is not where its size says'),
    'a gap': ({'a': ('F32', [2], [4, 12])}, 'a is not where its size says'),
    'over each other': ({'a': ('F32', [3], [0, 12]), 'b': ('F32', [1], [8, 12])}, 'b is not where its size says'),
    'a rest': ({'a': ('F32', [2], [0, 8])}, '4 bytes behind the last tensor'),
    'no place': ({'a': ('F32', [3], [0])}, 'a has no place in the file'),
}


@pytest.mark.parametrize('case', HEADERS)
def test_a_header_of_safetensors_that_lies_is_refused(case: str, tmp_path: pathlib.Path) -> None:
    header, message = HEADERS[case]
    if isinstance(header, dict):
        entries = {name: dict(zip(('dtype', 'shape', 'data_offsets'), entry, strict=True)) for name, entry in header.items()}
        header = repr(entries).replace("'", '"').encode()
    content = header if case == 'no header' else struct.pack('<Q', len(header)) + header + bytes(12)
    (tmp_path / 'a.safetensors').write_bytes(content)
    with pytest.raises(UserError, match=message):
        safetensors_file.read(tmp_path / 'a.safetensors')


def test_safetensors_of_another_framework_are_refused(tmp_path: pathlib.Path) -> None:
    header = b'{"__metadata__": {"format": "tf"}}'
    (tmp_path / 'a.safetensors').write_bytes(struct.pack('<Q', len(header)) + header)
    with pytest.raises(UserError, match=r'weights in the layout of tf, expected those of PyTorch \(format pt\)'):
        safetensors_file.read(tmp_path / 'a.safetensors')
