"""The files in a folder, a tar (compressed or not) or a zip, one after the other, without unpacking anything to disk."""
import dataclasses
import functools
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from mayo.data.files import is_lfs_pointer, lfs_message
from mayo.util.errors import UserError
from mayo.util.files import shown

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)


@dataclasses.dataclass(frozen=True)
class Member:
    """A file inside a source: its path there, `/` between the parts, and how to open it.

    A member of a tar can be opened only until the next member is asked for.
    """
    name: str
    open: Callable[[], IO[bytes]]

    @property
    def parts(self) -> tuple[str, ...]:
        return pathlib.PurePosixPath(self.name).parts

    def read(self) -> bytes:
        """Its content. UserError if it is cut off or damaged."""
        try:
            with self.open() as file:
                return file.read()
        except BROKEN as error:
            raise UserError(f'{self.name} is truncated or corrupt: {error}.') from error


def members(source: pathlib.Path) -> Iterator[Member]:
    """Every file in `source`, in the order of their names in a folder or zip, as they come in a tar.

    A tar inside a source counts as a folder named like the tar's stem: so ImageNet ships its classes and splits.
    Hidden files are left out.
    """
    if source.is_dir():
        yield from _flattened(_folder(source))
    elif zipfile.is_zipfile(source):
        yield from _flattened(_zip(source))
    elif _is_tar(source):
        with source.open('rb') as file:
            yield from _flattened(_tar(file, shown(source)))
    elif is_lfs_pointer(source):
        raise UserError(lfs_message(source))
    else:
        raise UserError(f'{shown(source)} is neither a folder nor a readable tar, tar.gz or zip file.')


def _is_tar(source: pathlib.Path) -> bool:
    try:
        return tarfile.is_tarfile(source)
    except BROKEN as error:
        raise UserError(f'{shown(source)} is truncated or corrupt: {error}.') from error


def _flattened(found: Iterator[Member]) -> Iterator[Member]:
    for member in found:
        if any(part.startswith(('.', '__MACOSX')) for part in member.parts):
            continue
        if member.name.endswith('.tar'):
            above = member.name.removesuffix('.tar')
            with member.open() as file:
                for inner in _flattened(_tar(file, member.name)):
                    yield dataclasses.replace(inner, name=f'{above}/{inner.name}')
        else:
            yield member


def _folder(source: pathlib.Path) -> Iterator[Member]:
    for folder, folders, names in os.walk(source, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            yield Member(path.relative_to(source).as_posix(), functools.partial(_opened, path))


def _opened(path: pathlib.Path) -> IO[bytes]:
    return path.open('rb')


def _zip(source: pathlib.Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith('/'):
                yield Member(name, functools.partial(archive.open, name))


def _tar(file: IO[bytes], name: str) -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=file, mode='r|*') as archive:
            for entry in archive:
                if entry.isfile():
                    yield Member(entry.name, functools.partial(_extracted, archive, entry))
    except BROKEN as error:
        raise UserError(f'{name} is truncated or corrupt: {error}.') from error


def _extracted(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(entry)
    assert file is not None                 # None is for folders and devices
    return file
