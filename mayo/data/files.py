"""Which files a path, a glob or a list of them stands for, and whether they can be data at all. Needs no TensorFlow."""

import glob
import os
import pathlib
import struct
from collections.abc import Iterator, Sequence

from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.files import SHIPPED, home, shown
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.dib', '.gif', '.webp')  # of pictures, in lower case
LFS_POINTER = b'version https://git-lfs.github.com/spec/'
FRAME = 16  # bytes of a record besides the example: its length and two checksums


def find_files(patterns: str | Sequence[str], where: str = 'dataset.path', folders: Sequence[str] = ()) -> list[str]:
    """The files that `patterns` match, sorted within each pattern.

    Local ones are those of the current folder, else of where data are kept, else those that ship; where there is none, those
    below each of `folders`, all together. tf.io.gfile finds those with `://`.

    Errors, `where` first, all together: a pattern that matches nothing (with what the folder holds), a file that is
    empty or a Git-LFS pointer.
    """
    problems = Problems()
    files: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = _matches(pattern) or [path for folder in folders for path in _below(folder, pattern)]
        if not matches:
            problems.append(f'{where}: {pattern} matches no file{_neighbours(pattern)}')
        for path in filter(is_local, matches):
            with problems.collecting():
                _check(path)
        files += matches
    problems.raise_any()
    return files


def images_of(patterns: str | Sequence[str], where: str = 'predict.files') -> list[str]:
    """The image files that paths, globs and folders stand for, each once; those in folders by their suffix.

    Errors, `where` first, all together: a path that does not exist, a glob or a folder without an image.
    """
    problems = Problems()
    files: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        path = os.path.expanduser(pattern)
        matches = (
            [path]
            if os.path.isfile(path)
            else images_in(path)
            if os.path.isdir(path)
            else [name for name in expanded(path) if os.path.isfile(name)]
        )
        if not matches:
            what = 'holds no image' if os.path.isdir(path) else 'matches no file' if glob.has_magic(path) else 'does not exist'
            problems.append(f'{where}: {pattern} {what}{_similar(path)}')
        files += matches
    problems.raise_any()
    return list(dict.fromkeys(files))


def images_in(folder: str | os.PathLike[str]) -> list[str]:
    """The image files below `folder`, in the order of their names; hidden ones are left out."""
    return [path for path in walk(folder) if is_image(path)]


def is_image(path: str) -> bool:
    """Whether a name is that of an image, by its suffix."""
    return path.lower().endswith(SUFFIXES)


def walk(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Every file below `folder`, in the order of their names, hidden ones left out; links are followed, but to each folder once.

    A link to a folder that holds it leads nowhere new. UserError: a folder that cannot be read, a link to nothing.
    """

    def refuse(error: OSError) -> None:
        raise UserError(f'{shown(error.filename)} cannot be read: {error.strerror}.')

    top = os.path.realpath(folder)
    seen = {top}
    for above, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [
            name for name in sorted(folders) if not name.startswith('.') and _is_new(os.path.join(above, name), top, seen)
        ]
        for name in sorted(names):
            path = os.path.join(above, name)
            if name.startswith('.'):
                continue
            if os.path.islink(path) and not os.path.exists(path) and is_image(name):
                raise UserError(f'{shown(path)} is a link to {os.readlink(path)}, which is not there.')
            if os.path.isfile(path):
                yield path


def _is_new(path: str, top: str, seen: set[str]) -> bool:
    real = os.path.realpath(path)
    is_around = os.path.islink(path) and f'{top}/'.startswith(f'{real.rstrip("/")}/')
    if real in seen or is_around:
        return False
    seen.add(real)
    return True


def _similar(path: str) -> str:
    """The end of a message about a path that is not there: one like it."""
    folder, name = os.path.split(path)
    if os.path.exists(path) or glob.has_magic(path) or not os.path.isdir(folder or '.'):
        return '.'
    return did_you_mean(name, os.listdir(folder or '.')) or '.'


def is_local(path: str) -> bool:
    """Whether it is no URL."""
    return '://' not in path


def _matches(pattern: str) -> list[str]:
    if not is_local(pattern):
        return sorted(tf.io.gfile.glob(pattern))
    for base in (pathlib.Path.cwd(), home(), SHIPPED):
        files = expanded(base / os.path.expanduser(pattern))
        if files:
            return files
    return []


def expanded(path: str | os.PathLike[str]) -> list[str]:
    """The paths that a pattern matches, sorted. What exists is itself, whatever its name: so is the folder above a pattern."""
    if os.path.lexists(path):
        return [os.fspath(path)]
    folder, rest = os.path.split(os.fspath(path))
    while folder and rest and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        rest = os.path.join(name, rest)
    return sorted(glob.glob(os.path.join(glob.escape(folder), rest), recursive=True))


def _below(folder: str, pattern: str) -> list[str]:
    return _matches(os.path.join(folder, pattern)) if is_local(pattern) and not os.path.isabs(pattern) else []


def _neighbours(pattern: str) -> str:
    if not is_local(pattern):
        return '.'
    folder = next((base / pattern for base in (pathlib.Path.cwd(), home(), SHIPPED) if (base / pattern).parent.is_dir()), None)
    if folder is None:
        return f'; there is no folder {os.path.dirname(pattern)}. `prepare` makes it from the raw data set.'
    names = sorted(entry.name for entry in folder.parent.iterdir() if not entry.name.startswith('.'))
    return f'; {shown(folder.parent)} holds {_few(names)}. `prepare` makes it from the raw data set.'


def _few(names: Sequence[str]) -> str:
    shortened = [*names[:5], f'{len(names) - 5} more'] if len(names) > 6 else names
    return ', '.join(shortened) or 'nothing'


def _check(path: str) -> None:
    if not os.path.getsize(path):
        raise UserError(f'{shown(path)} is empty.')
    if is_lfs_pointer(path):
        raise UserError(lfs_message(path))
    with open(path, 'rb') as file:
        start = file.read(8)
    if start.startswith(b'\x1f\x8b\x08') and (any(start[3:]) or os.path.getsize(path) < int.from_bytes(start, 'little')):
        raise UserError(f'{shown(path)} is packed by gzip; records are read as they are: unpack it with `gunzip`.')


def is_lfs_pointer(path: str | os.PathLike[str]) -> bool:
    """Whether the file only says where Git-LFS keeps the real one."""
    with open(path, 'rb') as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def lfs_message(path: str | os.PathLike[str]) -> str:
    """What to tell about such a file."""
    return f'{shown(path)} is a Git-LFS pointer, not data; fetch it with `git lfs pull`.'


def count_records(path: str | os.PathLike[str]) -> int:
    """How many records a local TFRecord file holds, reading their lengths alone.

    A `UserError` names a file that is a Git-LFS pointer, empty, or cut off.
    """
    _check(os.fspath(path))
    size = os.path.getsize(path)
    position = records = 0
    with open(path, 'rb', buffering=0) as file:
        while position < size:
            file.seek(position)
            header = file.read(8)
            position += FRAME + (struct.unpack('<Q', header)[0] if len(header) == 8 else size)
            if position > size:
                raise UserError(f'{shown(path)} is truncated or corrupt after {records} whole records.')
            records += 1
    return records
