"""Files that are either whole or not there, and where the shipped ones live."""

import contextlib
import errno
import fcntl
import os
import pathlib
import tempfile
from collections.abc import Iterator

from mayo.util.errors import UserError

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent
IS_CHECKOUT = (_CHECKOUT / 'models').is_dir() and (_CHECKOUT / 'setup.py').is_file()
SHIPPED = _CHECKOUT if IS_CHECKOUT else _PACKAGE / 'shelf'  # holds models/ datasets/ trainers/ checkpoints/


def home() -> pathlib.Path:
    """Where new data and checkpoints go: the checkout, or the current folder when Mayo is installed."""
    return SHIPPED if IS_CHECKOUT else pathlib.Path.cwd()


def find(path: str | os.PathLike[str]) -> pathlib.Path | None:
    """`path` as it stands from the current folder, or else among the shipped files; None if in neither."""
    for base in (pathlib.Path.cwd(), home(), SHIPPED):
        candidate = base / os.path.expanduser(path)
        if candidate.exists():
            return candidate
    return None


def shown(path: str | os.PathLike[str]) -> str:
    """`path` as a user would type it: relative to the current or the shipped folder where it lies inside one."""
    absolute = pathlib.Path(path).absolute()
    for base in (pathlib.Path.cwd(), SHIPPED):
        if absolute.is_relative_to(base):
            return str(absolute.relative_to(base))
    return str(path)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`: renamed to it, flushed to disk, when the block ends well; deleted otherwise."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='.tmp', dir=path.parent)
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        flush(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A temporary folder beside `path`: takes its place, flushed to disk, when the block ends well; deleted otherwise."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', suffix='.tmp', dir=path.parent) as room:
        temporary = pathlib.Path(room, 'new')
        temporary.mkdir()
        yield temporary
        for file in sorted(temporary.rglob('*')):
            flush(file)
        if path.exists():
            path.replace(pathlib.Path(room, 'old'))
        temporary.replace(path)
    flush(path.parent)


@contextlib.contextmanager
def alone(path: str | os.PathLike[str]) -> Iterator[bool]:
    """Whether no other process is in a block of the same `path`; one that is killed leaves the block, too.

    path: an empty file, there while the block runs. Where the file system cannot lock, every process is alone.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def require_room(folder: str | os.PathLike[str], key: str) -> None:
    """UserError if no file can be made in `folder`, which need not exist yet: better now than after an hour's work.

    key: the setting that names the folder.
    """
    folder = pathlib.Path(folder).absolute()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, 'it is a file, not a folder')
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f'{shown(nearest)} cannot be written to: {error.strerror}; name another folder, {key}=PATH.') from None


def require_ours(path: pathlib.Path, mark: str, by: str, key: str) -> None:
    """UserError if a file cannot be written, or would replace what an action did not write itself.

    mark: what every file of the action `by` holds; key: the setting that names the file.
    """
    require_room(path.parent, key)
    if path.exists() and not (path.is_file() and mark in path.read_text(encoding='utf-8', errors='replace')):
        raise UserError(
            f'{shown(path)} exists and was not written by `{by}`; name another file, {key}=PATH.yaml, or move it away.'
        )


def flush(path: str | os.PathLike[str]) -> None:
    """Ask the system to put a file or folder on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
