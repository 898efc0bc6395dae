"""Writes a stream of labelled images to TFRecord files: all of them or none, well mixed, counted."""
import contextlib
import pathlib
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mayo.data import record
from mayo.data.prepare.raw import Raw
from mayo.util.errors import UserError
from mayo.util.files import flush, shown
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

SEED = 1810             # of the order in which training records lie


def targets(pattern: pathlib.Path, shards: int) -> list[pathlib.Path]:
    """The files that `pattern` stands for: itself without a `*`, else `shards` numbered ones.

    >>> [path.name for path in targets(pathlib.Path('train-*.tfrecord'), 2)]
    ['train-00000-of-00002.tfrecord', 'train-00001-of-00002.tfrecord']
    """
    if '*' not in pattern.name:
        return [pattern]
    return [pattern.with_name(pattern.name.replace('*', f'{n:05}-of-{shards:05}')) for n in range(shards)]


def write(raw: Raw, pattern: pathlib.Path, *, shards: int, mixed: bool, classes: Sequence[str], first_label: int = 0,
          num_examples: int | None = None, tell: Callable[[int], None] = lambda done: None) -> int:
    """Write the images of `raw` to the files of `pattern` and give their number.

    mixed: each record goes to a random place of a random shard, the same one each time; otherwise they are dealt out in order.
    Either way shards differ by at most one record.
    classes: names in label order; first_label: the label of class 0 in the records.
    num_examples: how many images there must be, None if any number is right. tell: hears how many are done.
    Old files of `pattern` go when the new ones are complete. Errors leave everything as it was.
    """
    paths = targets(pattern, shards)
    _check_open_files(len(paths))
    pattern.parent.mkdir(parents=True, exist_ok=True)
    name = pattern.name.partition('*')[0]
    with tempfile.TemporaryDirectory(prefix=f'.{name}.', suffix='.tmp', dir=pattern.parent) as folder:
        drafts = [pathlib.Path(folder, path.name) for path in paths]
        total = _deal(_examples(raw, classes, first_label), drafts, mixed, tell)
        if not total:
            raise UserError(f'{shown(pattern)}: the source holds no image.')
        if num_examples not in (None, total):
            raise UserError(f'{shown(pattern)}: the source holds {total} images, but '
                            f'dataset.num_examples_per_epoch says {num_examples}.')
        _put_in_place(drafts, paths, pattern)
    return total


def _check_open_files(number: int) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100
    if number > allowed:
        raise UserError(f'dataset.prepare.shards: {number} shards are more files than may be open at once here; '
                        f'at most {allowed}.')


def _examples(raw: Raw, classes: Sequence[str], first_label: int) -> Iterator[bytes]:
    for image, label in raw.images:
        if not 0 <= label < len(classes):
            raise UserError(f'the source has an image of class {label}, but dataset.task.num_classes allows '
                            f'0 to {len(classes) - 1}.')
        yield record.encode(image, label + first_label, classes[label])


def _deal(examples: Iterator[bytes], paths: Sequence[pathlib.Path], mixed: bool, tell: Callable[[int], None]) -> int:
    generator = np.random.Generator(np.random.PCG64(SEED))
    done = 0
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(path))) for path in paths]
        for example in examples:
            turn = done % len(writers)
            if mixed and not turn:
                generator.shuffle(writers)
            writers[turn].write(example)
            done += 1
            tell(done)
    if mixed:
        for path in paths:
            _mix(path, generator)
    return done


def _mix(path: pathlib.Path, generator: np.random.Generator) -> None:
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in generator.permutation(len(records)):
            writer.write(records[index])


def _put_in_place(drafts: Sequence[pathlib.Path], paths: Sequence[pathlib.Path], pattern: pathlib.Path) -> None:
    for draft in drafts:
        flush(draft)
    for draft, path in zip(drafts, paths, strict=True):
        draft.replace(path)
    for stale in set(pattern.parent.glob(pattern.name)) - set(paths):
        stale.unlink()
    flush(pattern.parent)
