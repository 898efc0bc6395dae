"""Which files a path, a glob or a list of them stands for, and whether they can be data at all. Needs no TensorFlow."""
import glob
import os
import pathlib
import struct
from collections.abc import Sequence

from mayo.util.errors import Problems, UserError
from mayo.util.files import SHIPPED, home, shown
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

LFS_POINTER = b'version https://git-lfs.github.com/spec/'
FRAME = 16          # bytes of a record besides the example: its length and two checksums


def find_files(patterns: str | Sequence[str], where: str = 'dataset.path') -> list[str]:
    """The files that `patterns` match, sorted within each pattern: local ones from the current folder, else from
    where data are kept, else shipped; those with `://` by tf.io.gfile.

    Errors, `where` first, all together: a pattern that matches nothing (with what the folder holds), a file that is
    empty or a Git-LFS pointer.
    """
    problems = Problems()
    files: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = _matches(pattern)
        if not matches:
            problems.append(f'{where}: {pattern} matches no file{_neighbours(pattern)}')
        for path in filter(is_local, matches):
            with problems.collecting():
                _check(path)
        files += matches
    problems.raise_any()
    return files


def is_local(path: str) -> bool:
    return '://' not in path


def _matches(pattern: str) -> list[str]:
    if not is_local(pattern):
        return sorted(tf.io.gfile.glob(pattern))
    for base in (pathlib.Path.cwd(), home(), SHIPPED):
        found = glob.glob(str(base / os.path.expanduser(pattern)))
        if found:
            return sorted(found)
    return []


def _neighbours(pattern: str) -> str:
    if not is_local(pattern):
        return '.'
    folder = next((base / pattern for base in (pathlib.Path.cwd(), home(), SHIPPED)
                   if (base / pattern).parent.is_dir()), None)
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
