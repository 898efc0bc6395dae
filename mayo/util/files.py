"""Files that are either whole or not there, and where the shipped ones live."""

import codecs
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator

from mayo.util.errors import MayoError, RunError, UserError
from mayo.util.format import size

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent
_TEMPORARY = '.mayo.tmp'  # how the name of a folder ends that is there while something is written
_OLD = 'old'  # in it: what was there, while the new takes its place
_YOUNG = 1.0  # seconds from making a folder to locking it
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
IS_CHECKOUT = (_CHECKOUT / 'models').is_dir() and (_CHECKOUT / 'setup.py').is_file()
SHIPPED = _CHECKOUT if IS_CHECKOUT else _PACKAGE / 'shelf'  # holds models/ datasets/ trainers/ checkpoints/


def home() -> pathlib.Path:
    """Where new data and checkpoints go: the checkout, or the current folder when Mayo is installed."""
    return SHIPPED if IS_CHECKOUT else pathlib.Path.cwd()


def base_of(setter: str) -> pathlib.Path:
    """The folder that relative paths of what is written count from: the current one for paths that the user names.

    setter: who named it: `command line`, `defaults`, or a file. What shipped files and defaults name lies at home.
    """
    if setter == 'defaults':  # whatever is called so in the current folder
        return home()
    file = find(setter)
    is_own = setter == 'command line' or (file is not None and not file.resolve().is_relative_to(SHIPPED))
    return pathlib.Path.cwd() if is_own else home()


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


def text_of(content: bytes, name: str) -> str:
    """What a text file holds: UTF-8, with a byte-order mark or without, or UTF-16 with one. UserError: another encoding."""
    encoding = 'utf-16' if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else 'utf-8-sig'
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise UserError(
            f'{name}:{line} is not UTF-8 text: {error.reason} at byte {error.start}, 0x{content[error.start]:02x}; save the file as UTF-8.'
        ) from None


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`: renamed to it, flushed to disk, when the block ends well; deleted otherwise.

    RunError: the disk is full, or cannot be written to; `path` is as it was.
    """
    path = pathlib.Path(path)
    with writing(path) as room:
        temporary = room / path.name
        temporary.touch()
        yield temporary
        flush(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A temporary folder beside `path`: takes its place, flushed to disk, when the block ends well; deleted otherwise.

    RunError: the disk is full, or cannot be written to; `path` is as it was.
    """
    path = pathlib.Path(path)
    with writing(path) as room:
        temporary = room / 'new'
        temporary.mkdir()
        yield temporary
        for file in sorted(temporary.rglob('*')):
            flush(file)
        if not path.exists() or not _exchange(temporary, path):
            if path.exists():
                path.replace(room / _OLD)
            temporary.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def writing(path: pathlib.Path, needed: int | None = None) -> Iterator[pathlib.Path]:
    """A folder `.NAME.XXXXXXXX.mayo.tmp` beside `path` to write into, gone when the block ends, however it ends.

    A process that is killed leaves it: who writes there next removes it. needed: bytes, for messages. RunError: the disk is
    full, or cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        room = pathlib.Path(tempfile.mkdtemp(prefix=f'.{path.name}.', suffix=_TEMPORARY, dir=path.parent))
    except OSError as error:
        raise RunError(f'{shown(path)} cannot be written: {error.strerror}.') from error
    handle = os.open(room, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # of a file system that cannot lock
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield room
    except Exception as error:
        reason = _no_room(error)
        if reason is None or isinstance(error, MayoError):
            raise
        so_far = sum(file.stat().st_size for file in room.rglob('*') if file.is_file())
        wanted = size(needed) if needed else f'more than the {size(so_far)} so far'
        free = size(shutil.disk_usage(path.parent).free)
        raise RunError(
            f'{shown(path)} cannot be written: {reason}; {wanted} are needed, {free} are free there. What was there is as it was.'
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(handle)


def _no_room(error: Exception) -> str | None:
    """Why the disk did not take what was written, in the system's words; None for any other error.

    TensorFlow and databases tell it in the text of errors of their own.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno in _DISK else None
    text = str(error).lower()
    known = {os.strerror(number).lower(): os.strerror(number) for number in _DISK} | {
        'disk is full': os.strerror(errno.ENOSPC),
        'disk i/o error': os.strerror(errno.EIO),
        'readonly database': os.strerror(errno.EROFS),
    }
    return next((reason for sign, reason in known.items() if sign in text), None)


def _exchange(first: pathlib.Path, second: pathlib.Path) -> bool:
    """Swap two paths in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None), 'renameat2', None)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, os.fsencode(first), here, os.fsencode(second), swap) == 0


def remove_abandoned(folder: pathlib.Path) -> list[str]:
    """Remove the temporary folders of writers that were killed; the names of those. A writer that lives holds a lock on its own."""
    gone = []
    for room in sorted(folder.glob(f'.*{_TEMPORARY}')):
        if is_abandoned(room):
            old, path = room / _OLD, folder / room.name[1 : -len(_TEMPORARY)].rpartition('.')[0]
            if old.exists() and not path.exists():  # killed between two renames
                old.replace(path)
            shutil.rmtree(room, ignore_errors=True) if room.is_dir() else room.unlink(missing_ok=True)
            gone.append(room.name)
    return gone


def is_abandoned(room: pathlib.Path) -> bool:
    """Whether nobody holds the temporary folder of a writer, which is not just being made."""
    try:
        if room.is_symlink() or time.time() - room.stat().st_mtime < _YOUNG:
            return False
        handle = os.open(room, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


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
