"""Writes labelled images to TFRecord files, one at a time: whole, well mixed, counted; the finished ones survive a kill.

Finished files wait in a hidden folder beside their place under a name that ends in what they hold, and move when all are there.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mayo.data import record
from mayo.data.prepare.raw import Raw
from mayo.util.errors import Problems, UserError
from mayo.util.files import flush, shown, whole_file
from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')  # `info` asks for the names of readers alone

tf = lazy('tensorflow')

SEED = 1810  # of the order in which training records lie
AHEAD = 128  # images that threads read and check before they are written
TOLD = 20  # unreadable images that are named
Tell = Callable[[int], None]


def targets(pattern: pathlib.Path, shards: int) -> list[pathlib.Path]:
    """The files that `pattern` stands for: itself without a `*`, else `shards` numbered ones.

    >>> [path.name for path in targets(pathlib.Path('train-*.tfrecord'), 2)]
    ['train-00000-of-00002.tfrecord', 'train-00001-of-00002.tfrecord']
    """
    if '*' not in pattern.name:
        return [pattern]
    return [pattern.with_name(pattern.name.replace('*', f'{n:05}-of-{shards:05}')) for n in range(shards)]


def dealt(total: int, shards: int, mixed: bool) -> list[list[int]]:
    """The numbers of the images in each shard, in the order of its records; shards differ by at most one record.

    mixed: each goes to a random place of a random shard, the same one each time; otherwise they are dealt out in order.

    >>> dealt(5, 2, mixed=False), dealt(5, 2, mixed=True)
    ([[0, 2, 4], [1, 3]], [[2, 0, 4], [3, 1]])
    """
    generator = np.random.Generator(np.random.PCG64(SEED))
    places = list(range(shards))
    numbers: list[list[int]] = [[] for _ in places]
    for number in range(total):
        turn = number % shards
        if mixed and not turn:
            generator.shuffle(places)
        numbers[places[turn]].append(number)
    if mixed:
        return [[some[index] for index in generator.permutation(len(some))] for some in numbers]
    return numbers


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file to write: `draft` becomes `path` when all shards are there. numbers: its images, in order."""

    path: pathlib.Path
    draft: pathlib.Path
    numbers: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Writing:
    """The files of one split, checked and ready to be written.

    raw: the images; pattern: the files. classes: names in label order; first_label: the label of class 0 in the records.
    """

    raw: Raw
    pattern: pathlib.Path
    shards: int
    mixed: bool
    classes: Sequence[str]
    first_label: int = 0

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.raw.labels)

    @functools.cached_property
    def kept(self) -> int:
        """How many of them an interrupted run has written already."""
        return sum(len(shard.numbers) for shard in self.plan if shard.draft.exists())

    @functools.cached_property
    def plan(self) -> Sequence[Shard]:
        """What each file will hold."""
        paths = targets(self.pattern, self.shards)
        return [
            Shard(path, self._folder / f'{path.name}.{self._digest(numbers)}', numbers)
            for path, numbers in zip(paths, dealt(self.total, len(paths), self.mixed), strict=True)
        ]

    @property
    def _folder(self) -> pathlib.Path:
        return self.pattern.with_name(f'.{self.pattern.name.replace("*", "")}.unfinished')

    def _digest(self, numbers: Iterable[int]) -> str:
        """What tells a shard from one of other images, labels or names."""
        content = hashlib.sha256(f'{self.first_label}'.encode())
        for number in numbers:
            label = int(self.raw.labels[number])
            content.update(f'\n{self.raw.key(number)}\t{label}\t{self.classes[label]}'.encode('utf-8', 'surrogateescape'))
        return content.hexdigest()[:16]

    def check(self, num_examples: int | None) -> None:
        """UserError unless there are images, `num_examples` of them if that is a number, all of known classes."""
        if not self.total:
            raise UserError(f'{shown(self.pattern)}: the source holds no image.')
        if num_examples not in (None, self.total):
            raise UserError(
                f'{shown(self.pattern)}: the source holds {self.total} images, but '
                f'dataset.num_examples_per_epoch says {num_examples}.'
            )
        worst = next((label for label in self.raw.labels if not 0 <= label < len(self.classes)), None)
        if worst is not None:
            least, most = min(self.raw.labels), max(self.raw.labels)
            from_one = (
                f'; its labels run from {least} to {most}, and {most + 1} classes leave the first without images'
                if least > 0
                else ''
            )
            raise UserError(
                f'the source has an image of class {worst}, but dataset.task.num_classes allows 0 to {len(self.classes) - 1}{from_one}.'
            )

    def write(self, tell: Tell = lambda done: None) -> None:
        """Draft and put in place."""
        self.draft(tell)
        self.put_in_place()

    def draft(self, tell: Tell = lambda done: None) -> None:
        """Write what is not there yet, where nothing reads it before `put_in_place`.

        tell: hears how many images are done. Unreadable images are told together at the end, as a UserError; it, an
        interrupt and a kill leave the old files as they were, and the new ones that are finished for the next run.
        """
        done = self.kept
        problems = Problems()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for shard in self.plan:
                if not shard.draft.exists():
                    with problems.collecting():
                        self._write_shard(shard, pool, done, tell)
                    done += len(shard.numbers)
        lines = [line for problem in problems for line in problem.splitlines()]
        if lines:
            more = [f'... and {len(lines) - TOLD} more.'] if len(lines) > TOLD else []
            raise UserError('\n'.join(lines[:TOLD] + more))

    def _write_shard(self, shard: Shard, pool: concurrent.futures.Executor, before: int, tell: Tell) -> None:
        problems = Problems()
        images = _in_order(pool, self.raw.read, shard.numbers)
        with whole_file(shard.draft) as temporary:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for done, (number, image) in enumerate(zip(shard.numbers, images, strict=True), before + 1):
                    with problems.collecting():
                        label = int(self.raw.labels[number])
                        writer.write(record.encode(image.result(), label + self.first_label, self.classes[label]))
                    tell(done)
            problems.raise_any()

    def put_in_place(self) -> None:
        """Let what was drafted be there; files of the pattern that were there before go."""
        for shard in self.plan:
            shard.draft.replace(shard.path)
        for stale in set(self.pattern.parent.glob(self.pattern.name)) - {shard.path for shard in self.plan}:
            stale.unlink()
        shutil.rmtree(self._folder)
        flush(self.pattern.parent)


def _in_order(
    pool: concurrent.futures.Executor, read: Callable[[int], bytes], numbers: Iterable[int]
) -> Iterator[concurrent.futures.Future[bytes]]:
    """What `read` gives for each number, in order, a few being read ahead."""
    waiting: collections.deque[concurrent.futures.Future[bytes]] = collections.deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(read, number))
            if len(waiting) >= AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for image in waiting:
            image.cancel()
