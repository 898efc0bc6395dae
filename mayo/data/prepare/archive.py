"""The files in a folder, a tar or a zip, each of which can be read at any time and from any thread.

What an archive holds is not trusted: a member that lies outside of it, a device, a link that leads out, an archive of more
members, or a file of more bytes, than any data set has, is refused by name before it is read.
"""

import bz2
import contextlib
import dataclasses
import itertools
import lzma
import os
import pathlib
import posixpath
import re
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from mayo.data.files import is_lfs_pointer, lfs_message, walk
from mayo.util.errors import UserError
from mayo.util.files import shown, whole_file

BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, struct.error, ValueError)
CHUNK = 1 << 20
MAX_MEMBERS = 5_000_000  # of an archive
MAX_BYTES = 1 << 30  # of a file in it
MAX_RATIO = 250  # of the bytes of a packed file to those that it is packed in; pixels of one colour may come to this
SMALL = 1 << 24  # bytes of which no ratio is too much
MAX_LINKS = 40  # from one to the next
_PACKINGS: dict[bytes, tuple[str, Callable[[], Any] | None]] = {
    b'\x1f\x8b': ('gzip', lambda: zlib.decompressobj(31)),
    b'BZh': ('bzip2', bz2.BZ2Decompressor),
    b'\xfd7zXZ\0': ('xz', lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    b'\x5d\0\0': ('lzma', lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    **{bytes([0x78, level]): ('zlib', lambda: zlib.decompressobj(15)) for level in (0x01, 0x5E, 0x9C, 0xDA)},
    b'\x28\xb5\x2f\xfd': ('zstd', None),
    b'\x1f\x9d': ('compress', None),
    b'\x1f\xa0': ('compress', None),
    b'\x04\x22\x4d\x18': ('lz4', None),
    b'LZIP': ('lzip', None),
    b'7z\xbc\xaf\x27\x1c': ('7z', None),
    b'Rar!': ('RAR', None),
}
_ZIPPED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_METHODS = {9: 'Deflate64', 1: 'Shrink', 6: 'Implode', 93: 'Zstandard', 95: 'XZ', 98: 'PPMd', 99: 'AES'}


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file inside a source: its path there, `/` between the parts, and where its `size` bytes lie.

    place: the file on disk, in which it starts at byte `offset`; or the zip that holds it as `entry`.
    parts_stored: of a sparse file, (offset in it, number of bytes) of what is stored, one after the other; the rest is zeros.
    """

    name: str
    size: int
    place: str | zipfile.ZipFile
    offset: int = 0
    entry: zipfile.ZipInfo | None = None
    parts_stored: tuple[tuple[int, int], ...] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split('/'))

    @property
    def stem(self) -> str:
        """The file's own name without its suffix."""
        return os.path.splitext(self.parts[-1])[0]

    def read(self) -> bytes:
        """Its content. UserError if it is cut off, damaged or larger than any file of a data set is."""
        packed = self.entry.compress_size if self.entry else self.size
        if self.size > MAX_BYTES or self.size > max(SMALL, MAX_RATIO * packed):
            raise _too_large(shown_name(self.name), self.size, packed)
        try:
            if isinstance(self.place, zipfile.ZipFile):
                assert self.entry is not None
                return self.place.read(self.entry)
            with open(self.place, 'rb', buffering=0) as file:
                file.seek(self.offset)
                content = file.read(self.size) if self.parts_stored is None else self._with_holes(file)
        except BROKEN as error:
            raise UserError(f'{shown_name(self.name)} is truncated or corrupt: {error}.') from error
        if len(content) != self.size:
            raise UserError(f'{shown_name(self.name)} is truncated: {self.size} bytes belong to it, {len(content)} are there.')
        return content

    def _with_holes(self, file: IO[bytes]) -> bytes:
        content = bytearray(self.size)
        for start, size in self.parts_stored or ():
            stored = file.read(size)
            if len(stored) != size or start < 0 or start + size > self.size:
                raise EOFError('the map of its stored parts does not fit')
            content[start : start + size] = stored
        return bytes(content)


def shown_name(name: str) -> str:
    """A name in an archive as it can be printed: bytes that are no text, and line breaks, as escapes."""
    return name if name.isprintable() else name.encode('unicode_escape', 'backslashreplace').decode()


def _too_large(name: str, size: int, packed: int) -> UserError:
    ratio = f', packed in {packed}' if packed != size else ''
    return UserError(
        f'{name} is {size} bytes{ratio}; at most {MAX_BYTES} are read, and of more than {SMALL} no more than {MAX_RATIO} times what '
        'they are packed in.'
    )


def unpacked(source: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
    """`source`, or, where that is a compressed tar, the same tar uncompressed in the folder `scratch`.

    It is whole or not there; what an interrupted run unpacked serves again.
    """
    packing = None if source.is_dir() else _packing(source)
    if packing is None:
        return source
    target = scratch / f'{source.stat().st_mtime_ns:x}' / f'{stem_of(source)}.tar'
    if not target.exists():
        print(f'unpacking {shown(source)}', file=sys.stderr)
        try:
            with whole_file(target) as temporary, source.open('rb') as packed, temporary.open('wb') as file:
                for part in _decompressed(packed, packing, shown(source)):
                    file.write(part)
            if not _is_tar(target):
                target.unlink()
                raise UserError(f'{shown(source)} is packed by {packing}, but what it packs is no tar.')
        except (*BROKEN, UserError) as error:
            shutil.rmtree(target.parent, ignore_errors=True)
            with contextlib.suppress(OSError):  # another's archive may lie there
                scratch.rmdir()
            if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno is not None):
                raise
            raise UserError(f'{shown(source)} is truncated or corrupt: {error}.') from error
    return target


def _packing(source: pathlib.Path) -> str | None:
    """How a file is packed as a whole, by its first bytes; None for what is not. UserError: in a way that is not read."""
    with source.open('rb') as file:
        start = file.read(6)
    name, start_of = next((_PACKINGS[magic] for magic in _PACKINGS if start.startswith(magic)), (None, None))
    if name is not None and start_of is None:
        raise UserError(f'{shown(source)} is packed by {name}, which is not read; pack it anew as tar, tar.gz, tar.xz or zip.')
    return name


def _decompressed(file: IO[bytes], packing: str, name: str) -> Iterator[bytes]:
    """What a file packs, part by part. Streams may follow each other; other bytes after the last do not belong to it."""
    magic, start_of = next((magic, start_of) for magic, (known, start_of) in _PACKINGS.items() if known == packing)
    assert start_of is not None
    taken = given = 0
    stream, rest = start_of(), b''
    while chunk := rest or file.read(CHUNK):
        taken += 0 if rest else len(chunk)
        rest = b''
        if isinstance(stream, bz2.BZ2Decompressor | lzma.LZMADecompressor):
            part = stream.decompress(chunk, CHUNK)
            while not stream.eof and not stream.needs_input:
                given += len(part)
                _check_ratio(name, given, taken)
                yield part
                part = stream.decompress(b'', CHUNK)
        else:
            part = stream.decompress(chunk, CHUNK)
            rest = stream.unconsumed_tail
        given += len(part)
        _check_ratio(name, given, taken)
        yield part
        if stream.eof:
            rest = stream.unused_data or file.read(CHUNK)
            if not rest.startswith(magic):
                return
            stream = start_of()
    if not stream.eof:
        raise EOFError('it ends before what it packs does')


def _check_ratio(name: str, given: int, taken: int) -> None:
    if given > max(MAX_BYTES, MAX_RATIO * taken):
        raise UserError(
            f'{name} unpacks to more than {MAX_RATIO} times its size, which no data set does; it is not read on, lest it fill the disk.'
        )


def gunzipped(content: bytes, name: str) -> bytes:
    """What a gzip file packs. UserError: it is cut off, damaged, or packs more than a file of a data set holds."""
    if not content.startswith(b'\x1f\x8b'):
        raise UserError(f'{name} is truncated or corrupt: Not a gzipped file.')
    stream = zlib.decompressobj(31)
    try:
        unpacked_bytes = stream.decompress(content, max(SMALL, min(MAX_BYTES, MAX_RATIO * len(content))))
    except zlib.error as error:
        raise UserError(f'{name} is truncated or corrupt: {error}.') from error
    if stream.unconsumed_tail:
        raise UserError(
            f'{name} unpacks to more than {len(unpacked_bytes)} bytes, {MAX_RATIO} times its size or 1 GiB; it is not read.'
        )
    if not stream.eof:
        raise UserError(f'{name} is truncated or corrupt: it ends before what it packs does.')
    return unpacked_bytes + (gunzipped(stream.unused_data, name) if stream.unused_data.startswith(b'\x1f\x8b') else b'')


def stem_of(source: pathlib.Path) -> str:
    """The name of a folder, or of an archive without its suffixes.

    >>> stem_of(pathlib.Path('images-1.2.tar.gz')), stem_of(pathlib.Path('val.tgz'))
    ('images-1.2', 'val')
    """
    if source.is_dir():
        return source.resolve().name
    return source.stem.removesuffix('.tar')


def members(source: pathlib.Path) -> Iterator[Member]:
    """Every file in `source`, in the order of their names in a folder or zip, as they come in a tar; of a name that is there twice the last.

    A tar inside a folder or a tar counts as a folder named like the tar's stem: so ImageNet ships its classes and splits.
    Links inside an archive are what they lead to. Hidden files are left out. A compressed tar has to be `unpacked` before.
    UserError: a tar that is cut off; members that no archive of images has, each by name.
    """
    if source.is_dir():
        yield from _flattened(_folder(source))
    elif is_lfs_pointer(source):
        raise UserError(lfs_message(source))
    elif _is_tar(source):
        yield from _flattened(_tar(str(source), 0, source.stat().st_size, shown(source)))
    elif zipfile.is_zipfile(source):
        yield from _flattened(_zip(source))
    else:
        raise UserError(f'{shown(source)} is neither a folder nor a readable tar, tar.gz or zip file.')


def _is_tar(source: pathlib.Path) -> bool:
    with source.open('rb') as file:
        if file.read(4) == b'PK\3\4':
            return False
        file.seek(0)
        try:
            tarfile.open(fileobj=file, mode='r:').close()
        except BROKEN:
            return False
        return True


def _flattened(members: Iterator[Member]) -> Iterator[Member]:
    for member in members:
        if any(part.startswith(('.', '__MACOSX')) for part in member.parts):
            continue
        if member.name.endswith('.tar') and isinstance(member.place, str) and member.parts_stored is None:
            above = member.name.removesuffix('.tar')
            name = f'{shown(member.place)}: {member.name}' if member.offset else shown(member.place)
            for inner in _flattened(_tar(member.place, member.offset, member.size, name)):
                yield dataclasses.replace(inner, name=f'{above}/{inner.name}')
        else:
            yield member


def _folder(source: pathlib.Path) -> Iterator[Member]:
    for path in walk(source):
        yield Member(os.path.relpath(path, source).replace(os.sep, '/'), os.path.getsize(path), path)


@dataclasses.dataclass
class _Contents:
    """What an archive lists: files and links by name, and what is refused."""

    archive: str
    files: dict[str, Member] = dataclasses.field(default_factory=dict)
    links: dict[str, str] = dataclasses.field(default_factory=dict)  # to the path in the archive that each leads to
    refused: list[str] = dataclasses.field(default_factory=list)
    count: int = 0

    def path(self, name: str) -> str | None:
        """A member's path without empty parts and `.`; None if it is none inside the archive, which is noted."""
        self.count += 1
        if self.count > MAX_MEMBERS:
            raise UserError(f'{self.archive} holds more than {MAX_MEMBERS} members; no data set that is read has so many.')
        path = posixpath.normpath(name)
        on_windows = name.replace('\\', '/')  # what leads out there is refused everywhere
        if on_windows.startswith('/') or re.match(r'[A-Za-z]:/', on_windows):
            self.refuse(name, 'has an absolute path')
        elif any(f'{way}/'.startswith('../') for way in (path, posixpath.normpath(on_windows))):
            self.refuse(name, 'lies outside of the archive')
        elif '\0' in name:
            self.refuse(name, 'has a NUL character in its name')
        else:
            return path
        return None

    def refuse(self, name: str, why: str) -> None:
        """Note what no archive of images has."""
        self.refused.append(f'{shown_name(name)} {why}')

    def put(self, path: str, member: Member) -> None:
        """A file; one of the same name before it is not there any more."""
        self.files.pop(path, None)
        self.links.pop(path, None)
        self.files[path] = member

    def link(self, path: str, target: str, *, hard: bool = False) -> None:
        """A link, whose target counts from the archive for a hard one, else from the link's own folder."""
        self.files.pop(path, None)
        self.links.pop(path, None)
        inside = posixpath.normpath(target if hard else posixpath.join(posixpath.dirname(path), target))
        if target.startswith('/') or inside == '..' or inside.startswith('../'):
            self.refuse(path, f'is a link that leads out of the archive, to {shown_name(target)}')
        else:
            self.links[path] = inside

    def members(self) -> list[Member]:
        """Every file, then those that links lead to. UserError: everything that is refused, by name."""
        followed = list(itertools.chain.from_iterable(map(self._followed, self.links)))
        if self.refused:
            shown_ones, more = self.refused[:20], len(self.refused) - 20
            lines = [f'{self.archive}: {line}.' for line in shown_ones] + [f'... and {more} more.'] * (more > 0)
            raise UserError('\n'.join(lines))
        return [*self.files.values(), *followed]

    def _followed(self, link: str) -> list[Member]:
        target = self._end_of(self.links[link])
        if target is None:
            self.refuse(link, 'is a link in a circle')
        elif target in self.files:
            return [dataclasses.replace(self.files[target], name=link)]
        elif target == '.' or f'{link}/'.startswith(f'{target}/'):
            return []  # a folder that holds the link itself: its files are there already
        else:
            inside = [member for path, member in self.files.items() if path.startswith(f'{target}/')]
            if not inside:
                self.refuse(link, f'is a link to {shown_name(target)}, which is not in the archive')
            return [dataclasses.replace(member, name=link + member.name.removeprefix(target)) for member in inside]
        return []

    def _end_of(self, path: str) -> str | None:
        """Where a path leads when every link on it is followed; None if that has no end."""
        for _ in range(MAX_LINKS):
            parts = path.split('/')
            prefixes = ('/'.join(parts[:count]) for count in range(1, len(parts) + 1))
            prefix = next((prefix for prefix in prefixes if prefix in self.links), None)
            if prefix is None:
                return path
            path = posixpath.normpath(self.links[prefix] + path.removeprefix(prefix))
        return None


def _zip(source: pathlib.Path) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(source)  # stays open: its members are read later
    except (*BROKEN, NotImplementedError) as error:
        raise UserError(f'{shown(source)} is truncated or corrupt: {error}.') from error
    contents = _Contents(shown(source))
    for entry in archive.infolist():
        name = _zip_name(entry)
        path = contents.path(name)
        mode = stat.S_IFMT(entry.external_attr >> 16)
        if path is None or name.endswith('/') or mode == stat.S_IFDIR:
            continue
        if entry.flag_bits & 1:
            contents.refuse(name, 'is encrypted; unpack the archive with its password, and prepare the folder')
        elif entry.compress_type not in _ZIPPED:
            method = _METHODS.get(entry.compress_type, 'a method')
            contents.refuse(
                name, f'is packed by {method} (number {entry.compress_type}), which is not read; unpack the archive'
            )
        elif mode == stat.S_IFLNK:
            target = Member(name, entry.file_size, archive, entry=entry).read()[:4096]
            contents.link(path, target.decode('utf-8', 'surrogateescape'))
        elif mode not in (0, stat.S_IFREG):
            contents.refuse(name, 'is a device or another special file')
        else:
            contents.put(path, Member(path, entry.file_size, archive, entry=entry))
    yield from sorted(contents.members(), key=lambda member: member.name)


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name, UTF-8 even where nothing says that it is, with `/` where Windows wrote a backslash."""
    name = entry.orig_filename if '\0' in entry.orig_filename else entry.filename
    if not entry.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode('cp437').decode('utf-8')
    return name.replace('\\', '/')


def _tar(path: str, start: int, size: int, name: str) -> Iterator[Member]:
    """The files of the tar that lies in `path` from byte `start` on."""
    contents = _Contents(name)
    with open(path, 'rb') as file:
        file.seek(start)
        try:
            with tarfile.open(fileobj=file, mode='r:') as archive:
                while (entry := archive.next()) is not None:
                    vars(archive)['members'].clear()  # it would keep every entry that it has seen
                    _add(contents, entry, path)
                _check_end(file, archive.offset, start + size)
        except BROKEN as error:
            raise UserError(f'{name} is truncated or corrupt: {error}.') from error
    yield from contents.members()


def _add(contents: _Contents, entry: tarfile.TarInfo, place: str) -> None:
    path = contents.path(entry.name)
    if path is None:
        return
    if entry.isfile():
        stored: Any = entry.sparse  # (offset, number of bytes) of each part
        contents.put(path, Member(path, entry.size, place, entry.offset_data, parts_stored=stored and tuple(stored)))
    elif entry.issym() or entry.islnk():
        contents.link(path, entry.linkname, hard=entry.islnk())
    elif not entry.isdir():
        contents.refuse(entry.name, 'is a device or another special file')


def _check_end(file: IO[bytes], offset: int, end: int) -> None:
    """tarfile takes damage after the first entry for the end, which by the standard is a block of zeros."""
    file.seek(offset)
    if offset + tarfile.BLOCKSIZE > end or any(file.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError('it has no end')
