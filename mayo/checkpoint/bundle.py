"""TensorFlow bundles (`name.index`, `name.data-00000-of-00001`): NumPy arrays in and out, whole or not at all."""

import contextlib
import glob
import os
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from mayo.util.errors import UserError
from mayo.util.files import flush, remove_abandoned, shown, writing
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

Prefix = str | os.PathLike[str]
Result = TypeVar('Result')
MARK = 'mayo/second_part'  # all that the second part of a bundle holds
_READINGS = 20  # of a bundle that is replaced again and again
_LFS = b'version https://git-lfs'
_SUFFIX = re.compile(r'\.(index|meta|data-\d+-of-\d+)$')
_PART = re.compile(r'data-\d{5}-of-(\d{5})')
_TABLE = 0xDB4775248B80FB57.to_bytes(8, 'little')  # ends LevelDB's tables, and TensorFlow's


def write(prefix: Prefix, tensors: Mapping[str, np.ndarray | str]) -> None:
    """Write all of `tensors` as one bundle, so that at each moment `prefix` is the earlier bundle or this one, whole.

    In a temporary folder, flushed to disk; then the data are put beside those of the earlier bundle, under other names: data in
    one part take the place of data in two, and the other way round. The rename of the index, in one step, lets the new data
    count, and the old ones go. Whoever reads meanwhile reads again (`read`); what a killed process leaves, `tidy` removes.
    """
    prefix = pathlib.Path(prefix)
    with writing(prefix, sum(np.asarray(value).nbytes for value in tensors.values())) as folder:
        _save(folder / prefix.name, tensors, parts=2 if 1 in _all_parts(prefix).values() else 1)
        at('saved')
        files = [file for file in folder.iterdir() if prefix_of(file).name == prefix.name]
        for file in sorted(files, key=lambda file: file.suffix == '.index'):
            flush(file)
            at('flushed')
            file.replace(prefix.parent / file.name)
            at('renamed')
        flush(prefix.parent)
        for file in _leftovers(prefix):
            file.unlink(missing_ok=True)
            at('removed')


def at(point: str) -> None:
    """A named point of `write`, between two steps: tests stop a process there."""


def _save(prefix: pathlib.Path, tensors: Mapping[str, np.ndarray | str], parts: int) -> None:
    """A bundle with all of `tensors` in the first of its parts, of which the second, if there is one, is empty but for a mark."""
    names = sorted(tensors)
    whole = prefix if parts == 1 else prefix.with_name(f'{prefix.name}-0')
    with tf.device('/cpu:0'):
        tf.raw_ops.SaveV2(
            prefix=str(whole),
            tensor_names=names,
            shape_and_slices=[''] * len(names),
            tensors=[tf.constant(tensors[name]) for name in names],
        )
        if parts == 1:
            return
        mark = prefix.with_name(f'{prefix.name}-1')
        tf.raw_ops.SaveV2(prefix=str(mark), tensor_names=[MARK], shape_and_slices=[''], tensors=[tf.constant(0, tf.int8)])
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[str(whole), str(mark)], destination_prefix=str(prefix), delete_old_dirs=False
        )


def _leftovers(prefix: Prefix) -> list[pathlib.Path]:
    """Data with the name of the bundle that its index does not speak of."""
    count = _parts(index_file(prefix))
    return [file for file, parts in _all_parts(prefix).items() if count not in (None, parts)]


def tidy(folder: pathlib.Path) -> list[str]:
    """Remove what writers that were killed left in a folder of bundles: their own folders, and data that no index speaks of.

    Returns the names of what is gone. What somebody is writing stays.
    """
    gone = remove_abandoned(folder)
    for file in sorted(folder.glob('*.data-?????-of-?????')):
        prefix = prefix_of(file)
        is_written = any(folder.glob(f'.{glob.escape(prefix.name)}.*.mayo.tmp'))
        if not is_written and (not index_file(prefix).exists() or file in _leftovers(prefix)):
            file.unlink(missing_ok=True)
            gone.append(file.name)
    return gone


def delete(prefix: Prefix) -> None:
    """Remove a bundle, index first; nothing happens if it is not there."""
    prefix = pathlib.Path(prefix)
    data = data_files(prefix)
    index_file(prefix).unlink(missing_ok=True)
    for file in data:
        file.unlink(missing_ok=True)


def read(prefix: Prefix) -> dict[str, np.ndarray]:
    """Every tensor of a bundle, each verified against its checksum; again, from the start, if it is replaced meanwhile."""

    def tensors() -> dict[str, np.ndarray]:
        with _opened(prefix) as reader:
            return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name != MARK}

    return unless_replaced(prefix, tensors)


def unless_replaced(prefix: Prefix, reading: Callable[[], Result]) -> Result:
    """What `reading` gives; it is done again where it fails and the bundle is another one by then."""
    for _ in range(_READINGS):
        before = _identity(prefix)
        try:
            return reading()
        except UserError:
            if _identity(prefix) == before:
                raise
    return reading()


def _identity(prefix: Prefix) -> tuple[int, int] | None:
    """Which index stands at the prefix."""
    try:
        status = index_file(prefix).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def shapes(prefix: Prefix) -> dict[str, tuple[int, ...]]:
    """The name and shape of every tensor, reading the index alone."""
    with _opened(prefix) as reader:
        return {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items() if name != MARK}


def index_file(prefix: Prefix) -> pathlib.Path:
    """`name.index` of the bundle `name`."""
    return pathlib.Path(f'{os.fspath(prefix)}.index')


def data_files(prefix: Prefix) -> list[pathlib.Path]:
    """`name.data-NNNNN-of-NNNNN` of the bundle `name`, sorted; nothing else whose name begins so.

    Where the index says in how many parts the bundle is, those of another count are leftovers, and not of it.
    """
    count = _parts(index_file(prefix))
    return [file for file, parts in _all_parts(prefix).items() if count in (None, parts)]


def _all_parts(prefix: Prefix) -> dict[pathlib.Path, int]:
    """Files with the name of a part of the bundle, and in how many parts it is by that name."""
    prefix = pathlib.Path(prefix)
    files = sorted(prefix.parent.glob(f'{glob.escape(prefix.name)}.data-*-of-*'))
    matches = ((file, _PART.fullmatch(file.name.removeprefix(f'{prefix.name}.'))) for file in files)
    return {file: int(match[1]) for file, match in matches if match}


def _parts(index: pathlib.Path) -> int | None:
    """In how many files the data of a bundle are, as its index says; None if that is not there or of another form.

    An index is a table of strings that opens with the entry of no name, a message whose first field is that number:
    no bytes shared with the entry before, none of a name, its length; then 8, and the number.
    """
    try:
        with index.open('rb') as file:
            start = file.read(8)
    except OSError:
        return None
    is_plain = len(start) == 8 and start[:2] == b'\0\0' and start[2] < 128 and start[3] == 8 and 0 < start[4] < 128
    return start[4] if is_plain else None


def check(prefix: Prefix) -> None:
    """Raise a `UserError` if the files of a bundle are not there or only Git-LFS pointers; needs no TensorFlow."""
    data = data_files(prefix)
    if not index_file(prefix).is_file():
        raise UserError(f'{shown(prefix)}: no such checkpoint, {shown(index_file(prefix))} does not exist.')
    check_no_pointer(index_file(prefix))
    count = _parts(index_file(prefix)) or max((int(str(file).rpartition('-of-')[2]) for file in data), default=1)
    if not data and _all_parts(prefix):
        raise UserError(
            f'{shown(prefix)}: the checkpoint is truncated or corrupt (its index says {count} parts, there are others).'
        )
    if not data:
        raise UserError(
            f'{shown(prefix)}: the checkpoint has an index but no data, expected {shown(_expected(prefix, count)[0])} beside it.'
        )
    missing = [shown(file) for file in _expected(prefix, count) if file not in data]
    if missing:
        raise UserError(f'{shown(prefix)}: the checkpoint is in {count} parts, of which {", ".join(missing)} does not exist.')
    for file in data:
        check_no_pointer(file)


def _expected(prefix: Prefix, count: int) -> list[pathlib.Path]:
    return [pathlib.Path(f'{os.fspath(prefix)}.data-{part:05}-of-{count:05}') for part in range(count)]


def check_no_pointer(file: pathlib.Path) -> None:
    """Raise a `UserError` if Git has put a pointer where a large file belongs."""
    with file.open('rb') as stream:
        if stream.read(len(_LFS)) == _LFS:
            raise UserError(f'{shown(file)}: a Git-LFS pointer, not the file itself; `git lfs pull` fetches it.')


def prefix_of(path: Prefix) -> pathlib.Path:
    """The bundle that a file is of: its path without what TensorFlow puts after the prefix.

    >>> str(prefix_of('a/epoch-3.data-00000-of-00001')), str(prefix_of('a/epoch-3.5'))
    ('a/epoch-3', 'a/epoch-3.5')
    """
    return pathlib.Path(_SUFFIX.sub('', os.fspath(path)))


def is_first_format(path: pathlib.Path) -> bool:
    """Whether `path` is a checkpoint in TensorFlow's first format, one file: it ends as a table of strings does."""
    if not path.is_file() or path.stat().st_size < len(_TABLE):
        return False
    with path.open('rb') as stream:
        stream.seek(-len(_TABLE), os.SEEK_END)
        return stream.read() == _TABLE


@contextlib.contextmanager
def _opened(prefix: Prefix) -> Iterator[Any]:
    """TensorFlow's reader of the bundle. UserError: it is not there, or not whole."""
    if not is_first_format(pathlib.Path(prefix)):
        check(prefix)
    try:
        with _not_like_a_pattern(prefix) as path:
            yield tf.train.load_checkpoint(path)
    except _unreadable() as error:
        raise _corrupt(prefix, error) from error


@contextlib.contextmanager
def _not_like_a_pattern(prefix: Prefix) -> Iterator[str]:
    """A path of the same bundle that TensorFlow, which looks for files by pattern, takes for itself: through links, if need be."""
    if not set('*?[\\') & set(os.fspath(prefix)):
        yield os.fspath(prefix)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'checkpoint')
        for file in [pathlib.Path(prefix), index_file(prefix), *data_files(prefix)]:
            if file.is_file():
                os.symlink(file.absolute(), path + str(file.absolute()).removeprefix(str(pathlib.Path(prefix).absolute())))
        yield path


def _unreadable() -> tuple[type[Exception], ...]:
    """What TensorFlow's reader raises on damaged files."""
    return tf.errors.OpError, IndexError, ValueError, RuntimeError


def _corrupt(prefix: Prefix, error: Exception) -> UserError:
    reason = str(getattr(error, 'message', error)).splitlines()[0]
    return UserError(f'{shown(prefix)}: the checkpoint is truncated or corrupt ({reason}).')
