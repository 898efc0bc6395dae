"""Weights that PyTorch wrote (.pth, .pt, .bin), read without it: the zip of torch 1.6 and later, and the pickles before it.

read('resnet18.pth')        {'conv1.weight': [64, 3, 7, 7], 'bn1.running_mean': [64], ...}

zip         NAME/data.pkl has the names and says where each tensor is in NAME/data/KEY; stored, never compressed
old         pickles of a magic number, the version, the byte order, the tensors and the keys; then for each key its length and numbers

A checkpoint of a training holds the tensors in one of its parts, `state_dict` or `model`. What may stand in the pickles is
`_KNOWN`, and each is a stand-in of ours: see pickled.py. A tensor is a view of numbers that the file holds, and inside them.
"""

import contextlib
import logging
import math
import pathlib
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.checkpoint import pickled
from mayo.checkpoint.pickled import Function, inert
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import shown
from mayo.util.lazy import lazy

ml_dtypes = lazy('ml_dtypes')
_log = logging.getLogger(__name__)

_ZIP, _MAGIC = b'PK\x03\x04', 0x1950A86A20F9469CFC6C
_PICKLES = b'\x02\x03\x04\x05'  # the protocols, after the byte 0x80
_VERSION = 1001
_MOST = 1 << 24  # bytes of the pickle: a network of 300 tensors takes 40,000
_SHARED = 16  # times that numbers may be in tensors: tied weights are there twice
_PARTS = (
    'state_dict',
    'model_state_dict',
    'model',
    'net',
    'network',
    'weights',
    'params',
)  # that hold the tensors, the likeliest first
_WRAPPERS = ('module.', '_orig_mod.')  # what DataParallel and torch.compile put before each name
_TYPES = {
    'Double': 'float64',
    'Float': 'float32',
    'Half': 'float16',
    'BFloat16': 'bfloat16',
    'Long': 'int64',
    'Int': 'int32',
    'Short': 'int16',
    'Char': 'int8',
    'Byte': 'uint8',
    'Bool': 'bool',
}


@dataclass(frozen=True)
class _Type:
    """Of the numbers of a storage or a tensor; '' for bytes of which the tensor says what they are."""

    name: str

    @property
    def numpy(self) -> np.dtype:
        if self.name == '':
            return np.dtype('uint8')
        return np.dtype(ml_dtypes.bfloat16) if self.name == 'bfloat16' else np.dtype(self.name)


@dataclass(frozen=True)
class _Storage:
    """Numbers in the file, by their key: so many of a type."""

    type: _Type
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, in numbers of its own type."""

    storage: _Storage
    type: _Type
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, content: bytes, order: str) -> np.ndarray:
        """The tensor, given the bytes of its storage. order: < or >, as the file has its bytes."""
        dtype = self.type.numpy
        numbers = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
        if order == '>':
            numbers = numbers.byteswap()
        steps = tuple(stride * dtype.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.sizes, steps, writeable=False)
        return view.astype(np.float32) if self.type.name == 'bfloat16' else view


def _tensor(storage: Any, offset: Any, sizes: Any, strides: Any, *_: Any) -> _Tensor:
    """torch._utils._rebuild_tensor_v2. Refused: it is not inside its storage, or has more numbers than that."""
    return _view(storage, storage.type if isinstance(storage, _Storage) else None, offset, sizes, strides)


def _tensor_of_type(storage: Any, offset: Any, sizes: Any, strides: Any, _: Any, __: Any, dtype: Any, *___: Any) -> _Tensor:
    """torch._utils._rebuild_tensor_v3: of a storage of bytes."""
    return _view(storage, dtype, offset, sizes, strides)


def _view(storage: Any, dtype: Any, offset: Any, sizes: Any, strides: Any) -> _Tensor:
    numbers: list[Any] = [offset, *sizes, *strides] if isinstance(sizes, tuple) and isinstance(strides, tuple) else [None]
    if not isinstance(storage, _Storage) or not isinstance(dtype, _Type) or not all(type(number) is int for number in numbers):
        raise pickled.Refused('a tensor in it is not made of a storage, sizes and strides.')
    if min(numbers) < 0 or len(sizes) != len(strides) or len(sizes) > 16:
        raise pickled.Refused(
            f'a tensor in it has the sizes {sizes}, strides {strides} and offset {offset}, which is no view of anything.'
        )
    held = storage.count * storage.type.numpy.itemsize // dtype.numpy.itemsize
    count, last = 1, offset
    for size, stride in zip(sizes, strides, strict=True):
        count *= size
        last += (size - 1) * stride
    if count > held or (count and last >= held):
        raise pickled.Refused(
            f'a tensor of the sizes {list(sizes)} reaches beyond the {held:,} numbers of its storage {storage.key[:40]!r}; '
            'the file is damaged, or made to do harm.'
        )
    return _Tensor(storage, dtype, offset, sizes, strides)


def _same(tensor: Any, *_: Any) -> Any:
    """A parameter is its tensor."""
    return tensor


def _from_type(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    """torch._tensor._rebuild_from_type_v2: a tensor of a class of its own is a tensor."""
    if not isinstance(function, Function) or not isinstance(arguments, tuple):
        raise pickled.Refused('the pickle calls what is no part of a tensor; nothing of it was run.')
    return function.call(*arguments)


def _dictionary(*pairs: Any) -> dict[Any, Any]:
    """collections.OrderedDict, as it is written: empty, or with a list of pairs."""
    dictionary = {}
    for pair in pairs[0] if pairs and isinstance(pairs[0], list) else ():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str | int):
            raise pickled.Refused('a dictionary in it has keys that are no texts or numbers, which no file of weights has.')
        dictionary[pair[0]] = pair[1]
    return dictionary


_INERT = Function(inert)
_KNOWN: dict[str, Any] = {
    'collections.OrderedDict': Function(_dictionary),
    'collections.defaultdict': Function(lambda *_: {}),
    'torch._utils._rebuild_tensor': Function(_tensor),
    'torch._utils._rebuild_tensor_v2': Function(_tensor),
    'torch._utils._rebuild_tensor_v3': Function(_tensor_of_type),
    'torch._utils._rebuild_parameter': Function(_same),
    'torch._utils._rebuild_parameter_with_state': Function(_same),
    'torch._tensor._rebuild_from_type_v2': Function(_from_type),
    'torch.Size': Function(lambda sizes=(): tuple(sizes)),
    'torch.storage.UntypedStorage': _Type(''),
    'torch.UntypedStorage': _Type(''),
    'torch.Tensor': _INERT,
    'torch.nn.parameter.Parameter': _INERT,
    'torch.nn.parameter.Buffer': _INERT,
    'torch.device': _INERT,
    'torch.serialization._get_layout': _INERT,
    'argparse.Namespace': _INERT,  # what else a checkpoint of a training has, to describe it
    'pathlib.PosixPath': _INERT,
    'numpy.core.multiarray.scalar': _INERT,
    'numpy._core.multiarray.scalar': _INERT,
    'numpy.dtype': _INERT,
    '_codecs.encode': _INERT,
    **{f'torch.{name}Storage': _Type(dtype) for name, dtype in _TYPES.items()},
    **{f'torch.{dtype}': _Type(dtype) for dtype in _TYPES.values()},
}


def is_torch(path: pathlib.Path) -> bool:
    """Whether the file starts as a pickle does, or is a zip around one."""
    if not path.is_file():
        return False
    with path.open('rb') as file:
        start = file.read(4)
    if start != _ZIP:
        return len(start) > 1 and start[0] == 0x80 and start[1] in _PICKLES
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as archive:
        return any(name.endswith('/data.pkl') for name in archive.namelist())
    return False


def read(path: pathlib.Path, part: str | None = None) -> dict[str, np.ndarray]:
    """The tensors by their names, in PyTorch's layout. part: which of the file's dictionaries has them; None: the likeliest.

    UserError: the file is damaged, is no file of torch.save, or holds anything but tensors and what describes them.
    """
    where = shown(path)
    try:
        with path.open('rb') as file:
            is_zip = file.read(4) == _ZIP
        return _zipped(path, where, part) if is_zip else _old(path, where, part)
    except (
        OSError,
        KeyError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        EOFError,
        struct.error,
        zipfile.BadZipFile,
    ) as error:
        reason = str(error).strip('\'"').splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f'{where}: the file is truncated or corrupt ({reason}).') from error


def _zipped(path: pathlib.Path, where: str, part: str | None) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in members if name.endswith('/data.pkl')]
        if len(pickles) != 1 or len(members) != len(archive.infolist()):
            raise UserError(f'{where}: a zip with {len(pickles)} files data.pkl, or names in it twice; torch.save writes one.')
        if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in members.values()):
            raise UserError(f'{where}: a zip with compressed files in it; torch.save stores them as they are.')
        if sum(info.file_size for info in members.values()) > path.stat().st_size:
            raise UserError(f'{where}: the files in the zip are larger than the zip; it is damaged, or made to do harm.')
        folder = pickles[0].removesuffix('data.pkl')
        if f'{folder}constants.pkl' in members:
            raise UserError(
                f'{where}: a program of TorchScript, not weights; save the state_dict() of the network with torch.save.'
            )
        content = _small(archive.read(pickles[0]), where)
        value, _ = pickled.read(content, _KNOWN, where, _stored)
        order = '>' if f'{folder}byteorder' in members and archive.read(f'{folder}byteorder') == b'big' else '<'

        def content_of(storage: _Storage) -> bytes:
            name = f'{folder}data/{storage.key}'
            if name not in members:
                raise UserError(f'{where}: the file is truncated or corrupt (it has no {name[:80]}).')
            return archive.read(name)

        return _arrays(_tensors_in(value, where, part), content_of, order, where)


def _old(path: pathlib.Path, where: str, part: str | None) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    head = content[: 2 * _MOST]
    magic, place = pickled.read(head[:64], {}, where)
    if magic != _MAGIC:
        raise UserError(f'{where}: a pickle, but none of torch.save; save the state_dict() of the network with torch.save.')
    version, place = pickled.read(head, {}, where, start=place)
    if version != _VERSION:
        raise UserError(f'{where}: of version {version!r:.20}, expected {_VERSION}; save it anew with a later PyTorch.')
    system, place = pickled.read(head, {}, where, start=place)
    order = '>' if isinstance(system, dict) and system.get('little_endian') is False else '<'
    value, end = pickled.read(head, _KNOWN, where, _stored, start=place)
    _small(head[place:end], where)
    keys, place = pickled.read(head, {}, where, start=end)
    tensors = _tensors_in(value, where, part)
    sizes = {tensor.storage.key: tensor.storage for tensor in _every_tensor(value)}
    places: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else ():
        if key not in sizes:
            raise UserError(f'{where}: the file is truncated or corrupt (it has numbers of {key!r:.40}, which no tensor has).')
        (count,) = struct.unpack_from(f'{order}q', content, place)
        size = count * sizes[key].type.numpy.itemsize
        if count != sizes[key].count or place + 8 + size > len(content):
            raise UserError(f'{where}: the file is truncated or corrupt (storage {key[:40]!r} is not whole).')
        places[key] = (place + 8, size)
        place += 8 + size

    def content_of(storage: _Storage) -> bytes:
        if storage.key not in places:
            raise UserError(f'{where}: the file is truncated or corrupt (it lacks the storage {storage.key[:40]!r}).')
        start, size = places[storage.key]
        return content[start : start + size]

    return _arrays(tensors, content_of, order, where)


def _small(content: bytes, where: str) -> bytes:
    if len(content) > _MOST:
        raise UserError(f'{where}: its names take {len(content):,} bytes, which no file of weights needs.')
    return content


def _stored(identity: Any) -> _Storage:
    """('storage', type, key, device, count), which is what a persistent id of torch.save is; old files add a view, None."""
    if isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == 'storage' and not any(identity[5:]):
        _, kind, key, _, count = identity[:5]
        if isinstance(kind, _Type) and isinstance(key, str) and type(count) is int and count >= 0:
            return _Storage(kind, key, count)
    raise pickled.Refused('a storage in it is not described as torch.save does.')


def _arrays(
    tensors: Mapping[str, _Tensor], content_of: Callable[[_Storage], bytes], order: str, where: str
) -> dict[str, np.ndarray]:
    held = {tensor.storage.key: tensor.storage.count for tensor in tensors.values()}
    if sum(math.prod(tensor.sizes) for tensor in tensors.values()) > _SHARED * sum(held.values()):
        raise UserError(f'{where}: its tensors lie over each other; the file is damaged, or made to do harm.')
    contents: dict[str, bytes] = {}
    arrays = {}
    for name, tensor in tensors.items():
        key = tensor.storage.key
        if key not in contents:
            contents[key] = content_of(tensor.storage)
        if len(contents[key]) != tensor.storage.count * tensor.storage.type.numpy.itemsize:
            raise UserError(f'{where}: the file is truncated or corrupt (storage {key[:40]!r} is not whole).')
        arrays[name] = tensor.of(contents[key], order)
    return _unwrapped(arrays)


def _unwrapped(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without what a wrapper of the network put before every name."""
    while wrapper := next(
        (wrapper for wrapper in _WRAPPERS if arrays and all(name.startswith(wrapper) for name in arrays)), None
    ):
        arrays = {name.removeprefix(wrapper): value for name, value in arrays.items()}
    return arrays


def _tensors_in(value: Any, where: str, part: str | None) -> dict[str, _Tensor]:
    """The tensors of the file, or of one part of it."""
    parts = dict(_parts(value))
    if not parts:
        raise UserError(f'{where}: no tensors by names, expected the state_dict() of a network.')
    chosen = part if part is not None else next((name for name in ('', *_PARTS) if name in parts), None)
    if chosen is None and len(parts) == 1:
        (chosen,) = parts
    if chosen is None or chosen not in parts:
        what = f'it has no part {part}' if part is not None else 'none of its parts is the network for sure'
        raise UserError(
            f'{where}: {what}; tensors by names are in {", ".join(name or "the file itself" for name in parts)}: '
            f'import.part=NAME says which{did_you_mean(part or "", parts) or "."}'
        )
    others = [name for name in parts if name != chosen]
    if others and part is None:
        _log.info('%s: its part %s; import.part=NAME takes another: %s', where, chosen, ', '.join(others))
    return parts[chosen]


def _parts(value: Any, name: str = '') -> Iterator[tuple[str, dict[str, _Tensor]]]:
    """Each dictionary with tensors by names, of the file, of its dictionaries and of theirs."""
    if not isinstance(value, dict):
        return
    own = {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, _Tensor)}
    if own:
        yield name, own
    elif name.count('.') < 2:
        for key, item in value.items():
            if isinstance(key, str):
                yield from _parts(item, f'{name}.{key}' if name else key)


def _every_tensor(value: Any) -> Iterator[_Tensor]:
    """All tensors, wherever they are; each list and dictionary is looked at once."""
    left, seen = [value], set()
    while left:
        item = left.pop()
        if isinstance(item, _Tensor):
            yield item
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            left += item.values() if isinstance(item, dict) else item
