"""One text in a bundle, and the names of all that it holds, read and verified without TensorFlow, which takes seconds to import.

`name.index` is a table as LevelDB has them, uncompressed: blocks of keys and values, and an index of the blocks, whose place the
last 48 bytes tell. A value says in which data file a tensor is, where, and its CRC-32C. tensorflow/core/util/tensor_bundle
"""

import functools
import pathlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from mayo.checkpoint import bundle
from mayo.util.errors import UserError
from mayo.util.files import shown

_FOOTER = 48
_LARGEST = 1 << 24  # bytes of a text; a configuration has ten thousand


class _Damaged(Exception):
    """What stands there is no table, or no text."""


class _Entry(NamedTuple):
    """Where a tensor is: bytes `offset` to `offset + size` of data file `shard`; crc: of them, masked."""

    shard: int
    offset: int
    size: int
    crc: int


def text_in(prefix: bundle.Prefix, name: str) -> str | None:
    """The text `name` of the bundle `prefix`; None if it has none.

    UserError: the files are not there, or damaged. A file in TensorFlow's first format has none.
    """
    if bundle.is_first_format(pathlib.Path(prefix)):
        return None
    return bundle.unless_replaced(prefix, lambda: _text_in(prefix, name))


def _text_in(prefix: bundle.Prefix, name: str) -> str | None:
    bundle.check(prefix)
    try:
        entry = _entry(bundle.index_file(prefix).read_bytes(), name.encode())
        return None if entry is None else _text(bundle.data_files(prefix), entry)
    except (_Damaged, IndexError, struct.error, UnicodeDecodeError, FileNotFoundError) as error:
        raise UserError(f'{shown(prefix)}: the checkpoint is truncated or corrupt (its {name} is no text).') from error


def names_in(prefix: bundle.Prefix) -> list[str]:
    """The name of every tensor and text of the bundle `prefix`, sorted; none of a file in TensorFlow's first format.

    UserError: the files are not there, or damaged.
    """
    if bundle.is_first_format(pathlib.Path(prefix)):
        return []
    return bundle.unless_replaced(prefix, lambda: _names_in(prefix))


def _names_in(prefix: bundle.Prefix) -> list[str]:
    bundle.check(prefix)
    try:
        table = bundle.index_file(prefix).read_bytes()
        keys = [key.decode() for _, handle in _blocks(table) for key, _ in _block(table, *_handle(handle, 0))]
    except (_Damaged, IndexError, struct.error, UnicodeDecodeError) as error:
        raise UserError(f'{shown(prefix)}: the checkpoint is truncated or corrupt (its index is no table of names).') from error
    return [key for key in keys if key not in ('', bundle.MARK)]


def _text(files: list[pathlib.Path], entry: _Entry) -> str:
    """Its length, a checksum of that, and the bytes themselves."""
    if entry.size > _LARGEST:
        raise _Damaged
    with files[entry.shard].open('rb') as file:
        file.seek(entry.offset)
        stored = file.read(entry.size)
    length, start = _varint(stored, 0)
    if start + 4 + length != entry.size or len(stored) != entry.size:
        raise _Damaged
    if _masked_crc(struct.pack('<I', length) + stored[start:]) != entry.crc:
        raise _Damaged
    return stored[start + 4 :].decode()


def _entry(table: bytes, name: bytes) -> _Entry | None:
    for last, handle in _blocks(table):
        if name <= last:
            value = dict(_block(table, *_handle(handle, 0))).get(name)
            return None if value is None else _decoded(value)
    return None


def _blocks(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Of each block of names, one that is not before its last, and the block's place."""
    place = len(table) - _FOOTER
    if place < 0:
        raise _Damaged
    for _ in range(2):  # of the block of metadata, which is not needed
        _, place = _varint(table, place)
    return _block(table, *_handle(table, place))


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Its keys, each written as how much of the one before it shares, and their values."""
    if start + size + 5 > len(table) or table[start + size]:  # a type other than 0 is compressed
        raise _Damaged
    if _masked_crc(table[start : start + size + 1]) != struct.unpack_from('<I', table, start + size + 1)[0]:
        raise _Damaged
    end = start + size - 4
    end -= 4 * int(struct.unpack_from('<I', table, end)[0])
    key, place = b'', start
    while place < end:
        shared, place = _varint(table, place)
        own, place = _varint(table, place)
        length, place = _varint(table, place)
        key = key[:shared] + table[place : place + own]
        yield key, table[place + own : place + own + length]
        place += own + length


def _handle(data: bytes, place: int) -> tuple[int, int]:
    start, place = _varint(data, place)
    return start, _varint(data, place)[0]


def _decoded(message: bytes) -> _Entry:
    """BundleEntryProto: 3 the shard, 4 the offset, 5 the size, 6 the checksum; what is 0 is left out."""
    values = {3: 0, 4: 0, 5: 0, 6: 0}
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            values[field], place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            place += length
        elif kind == 5:
            values[field], place = int(struct.unpack_from('<I', message, place)[0]), place + 4
        else:
            raise _Damaged
    return _Entry(values[3], values[4], values[5], values[6])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise _Damaged


def _masked_crc(data: bytes) -> int:
    """CRC-32C, turned right by 15 bits, plus a constant: as TensorFlow and LevelDB store it."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _crc_table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value

    return tuple(map(entry, range(256)))
