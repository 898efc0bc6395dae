"""Weights in a .safetensors file: the length of a header in eight bytes, the header in JSON, and the numbers one after the other.

{"conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 37632]}, "__metadata__": {"format": "pt"}}
"""

import json
import math
import pathlib
import struct
from typing import Any, TypeGuard

import numpy as np

from mayo.util.errors import UserError
from mayo.util.files import shown
from mayo.util.lazy import lazy

ml_dtypes = lazy('ml_dtypes')

_MOST = 100_000_000  # bytes of a header, as the format says
_TYPES = {
    'F64': '<f8',
    'F32': '<f4',
    'F16': '<f2',
    'BF16': 'bfloat16',
    'I64': '<i8',
    'I32': '<i4',
    'I16': '<i2',
    'I8': 'i1',
    'U8': 'u1',
    'BOOL': '?',
}
_FORMATS = ('pt', None)  # whose layout the numbers have: PyTorch's, or nobody says


def is_safetensors(path: pathlib.Path) -> bool:
    """Whether the file starts with a length and the brace of a header, which is inside the file."""
    if not path.is_file() or path.stat().st_size < 10:
        return False
    with path.open('rb') as file:
        (length,) = struct.unpack('<Q', file.read(8))
        return file.read(1) == b'{' and length <= max(_MOST, path.stat().st_size)


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors by their names, as they lie in the file. UserError: it is damaged, or of another framework's layout."""
    where = shown(path)
    content = path.read_bytes()
    (length,) = struct.unpack_from('<Q', content)
    if length > min(_MOST, len(content) - 8):
        raise _damaged(where, f'a header of {length:,} bytes in a file of {len(content):,}')
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, f'the header is no JSON: {str(error)[:80]}') from None
    if not isinstance(header, dict):
        raise _damaged(where, 'the header is no mapping')
    described = header.pop('__metadata__', {})
    written_by = described.get('format') if isinstance(described, dict) else None
    if written_by not in _FORMATS:
        raise UserError(f'{where}: weights in the layout of {str(written_by)[:20]}, expected those of PyTorch (format pt).')
    tensors, end = {}, 0
    body = memoryview(content)[8 + length :]
    for name, entry in sorted(header.items(), key=lambda item: _offsets(where, *item)):
        start, stop = _offsets(where, name, entry)
        dtype, shape = entry.get('dtype'), entry.get('shape', ())
        if dtype not in _TYPES:
            raise UserError(f'{where}: {name[:80]} is of the type {str(dtype)[:20]}, expected one of {", ".join(_TYPES)}.')
        if not _are_sizes(shape) or len(shape) > 16:
            raise _damaged(where, f'the shape of {name[:80]} is no list of sizes')
        kind = np.dtype(ml_dtypes.bfloat16) if _TYPES[dtype] == 'bfloat16' else np.dtype(_TYPES[dtype])
        if start != end or stop > len(body) or math.prod(shape) * kind.itemsize != stop - start:
            raise _damaged(where, f'{name[:80]} is not where its size says')
        value = np.frombuffer(body[start:stop], kind).reshape(shape)
        tensors[name], end = value.astype(np.float32) if dtype == 'BF16' else value, stop
    if end != len(body):
        raise _damaged(where, f'{len(body) - end:,} bytes behind the last tensor')
    return tensors


def _offsets(where: str, name: str, entry: Any) -> tuple[int, int]:
    offsets = entry.get('data_offsets') if isinstance(entry, dict) else None
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise _damaged(where, f'{name[:80]} has no place in the file')
    return offsets[0], offsets[1]


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError('a name stands twice')
    return names


def _damaged(where: str, what: str) -> UserError:
    return UserError(f'{where}: the file is truncated or corrupt ({what}).')
