"""The files in a folder, a tar or a zip, each of which can be read at any time and from any thread."""

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import os
import pathlib
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from mayo.data.files import is_lfs_pointer, lfs_message
from mayo.util.errors import UserError
from mayo.util.files import shown, whole_file

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
CHUNK = 1 << 20
_COMPRESSED: dict[bytes, Callable[..., Any]] = {b'\x1f\x8b': gzip.open, b'BZh': bz2.open, b'\xfd7zXZ\0': lzma.open}


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file inside a source: its path there, `/` between the parts, and where its `size` bytes lie.

    place: the file on disk, in which it starts at byte `offset`; or the zip that holds it.
    """

    name: str
    size: int
    place: str | zipfile.ZipFile
    offset: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split('/'))

    @property
    def stem(self) -> str:
        """The file's own name without its suffix."""
        return os.path.splitext(self.parts[-1])[0]

    def read(self) -> bytes:
        """Its content. UserError if it is cut off or damaged."""
        try:
            if isinstance(self.place, zipfile.ZipFile):
                return self.place.read(self.name)
            with open(self.place, 'rb', buffering=0) as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except BROKEN as error:
            raise UserError(f'{self.name} is truncated or corrupt: {error}.') from error
        if len(content) != self.size:
            raise UserError(f'{self.name} is truncated: {self.size} bytes belong to it, {len(content)} are there.')
        return content


def unpacked(source: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
    """`source`, or, where that is a compressed tar, the same tar uncompressed in the folder `scratch`.

    It is whole or not there; what an interrupted run unpacked serves again.
    """
    if source.is_dir() or zipfile.is_zipfile(source) or not _is_tar(source):
        return source
    with source.open('rb') as file:
        start = file.read(6)
    opened = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), None)
    if opened is None:
        return source
    target = scratch / f'{source.stat().st_mtime_ns:x}' / f'{stem_of(source)}.tar'
    if not target.exists():
        print(f'unpacking {shown(source)}', file=sys.stderr)
        try:
            with whole_file(target) as temporary, opened(source, 'rb') as packed, temporary.open('wb') as file:
                shutil.copyfileobj(packed, file, CHUNK)
        except (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
            shutil.rmtree(target.parent)
            with contextlib.suppress(OSError):  # another's archive may lie there
                scratch.rmdir()
            raise UserError(f'{shown(source)} is truncated or corrupt: {error}.') from error
    return target


def stem_of(source: pathlib.Path) -> str:
    """The name of a folder, or of an archive without its suffixes.

    >>> stem_of(pathlib.Path('images-1.2.tar.gz')), stem_of(pathlib.Path('val.tgz'))
    ('images-1.2', 'val')
    """
    if source.is_dir():
        return source.resolve().name
    return source.stem.removesuffix('.tar')


def members(source: pathlib.Path) -> Iterator[Member]:
    """Every file in `source`, in the order of their names in a folder or zip, as they come in a tar.

    A tar inside a folder or a tar counts as a folder named like the tar's stem: so ImageNet ships its classes and splits.
    Hidden files are left out. A compressed tar has to be `unpacked` before. A tar that is cut off is a UserError.
    """
    if source.is_dir():
        yield from _flattened(_folder(source))
    elif zipfile.is_zipfile(source):
        yield from _flattened(_zip(source))
    elif _is_tar(source):
        yield from _flattened(_tar(str(source), 0, source.stat().st_size, shown(source)))
    elif is_lfs_pointer(source):
        raise UserError(lfs_message(source))
    else:
        raise UserError(f'{shown(source)} is neither a folder nor a readable tar, tar.gz or zip file.')


def _is_tar(source: pathlib.Path) -> bool:
    try:
        return tarfile.is_tarfile(source)
    except BROKEN as error:
        raise UserError(f'{shown(source)} is truncated or corrupt: {error}.') from error


def _flattened(members: Iterator[Member]) -> Iterator[Member]:
    for member in members:
        if any(part.startswith(('.', '__MACOSX')) for part in member.parts):
            continue
        if member.name.endswith('.tar') and isinstance(member.place, str):
            above = member.name.removesuffix('.tar')
            name = f'{shown(member.place)}: {member.name}' if member.offset else shown(member.place)
            for inner in _flattened(_tar(member.place, member.offset, member.size, name)):
                yield dataclasses.replace(inner, name=f'{above}/{inner.name}')
        else:
            yield member


def _folder(source: pathlib.Path) -> Iterator[Member]:
    for folder, folders, names in os.walk(source, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                inside = os.path.relpath(path, source).replace(os.sep, '/')
                yield Member(inside, os.path.getsize(path), path)


def _zip(source: pathlib.Path) -> Iterator[Member]:
    archive = zipfile.ZipFile(source)  # stays open: its members are read later
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        if not entry.is_dir():
            yield Member(entry.filename, entry.file_size, archive)


def _tar(path: str, start: int, size: int, name: str) -> Iterator[Member]:
    """The files of the tar that lies in `path` from byte `start` on."""
    with open(path, 'rb') as file:
        file.seek(start)
        try:
            with tarfile.open(fileobj=file, mode='r:') as archive:
                while (entry := archive.next()) is not None:
                    vars(archive)['members'].clear()  # it would keep every entry that it has seen
                    if entry.isfile():
                        yield Member(entry.name.removeprefix('./'), entry.size, path, entry.offset_data)
                _check_end(file, archive.offset, start + size)
        except BROKEN as error:
            raise UserError(f'{name} is truncated or corrupt: {error}.') from error


def _check_end(file: IO[bytes], offset: int, end: int) -> None:
    """tarfile takes damage after the first entry for the end, which by the standard is a block of zeros."""
    file.seek(offset)
    if offset + tarfile.BLOCKSIZE > end or any(file.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError('it has no end')
