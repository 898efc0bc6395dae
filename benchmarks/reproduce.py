"""Makes everything that docs/results.md shows from prepared images: `make results`.

    python -m benchmarks.reproduce --list [--seeds 0 1 2]           the stages, the hours that each is expected to take, its state
    python -m benchmarks.reproduce [--only STAGE ...] [--seeds 0]   run what is not done yet; --only: those, and what they need
    python -m benchmarks.reproduce --toy --folder DIR               the same on a few images, in minutes: to try the list itself

benchmarks/recipe.py declares the stages. What they make goes to results/seedN: checkpoints, models that `slim` writes, and for
each stage a record, which holds its words and those of all that it needs. A stage whose record says the same is done and is
skipped; after a change of words it, and whatever needs it, is made anew. What was interrupted, by Ctrl-C, a kill or a crash, goes
on where it was: the same words continue in the same epoch and step.
"""

import argparse
import glob
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from benchmarks.recipe import STAGES, Stage
from mayo.checkpoint import bundle
from mayo.checkpoint.store import Store
from mayo.cli.words import kind
from mayo.config import Config
from mayo.util.errors import MayoError, Problems, RunError, UserError, did_you_mean
from mayo.util.files import SHIPPED, alone, shown, whole_file
from mayo.util.format import table

INTERRUPTED = 130
TOY_IMAGES = 32
DONE, BEGUN, TO_DO = 'done', 'begun', 'to do'


@dataclass(frozen=True)
class Work:
    """A stage with one seed, in its folder; `before` is the work that it needs, `more` are words that every stage gets."""

    stage: Stage
    seed: int
    folder: pathlib.Path
    before: tuple['Work', ...]
    more: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f'{self.stage.name}, seed {self.seed}' if self.stage.each_seed else self.stage.name

    @property
    def checkpoints(self) -> pathlib.Path:
        return self.folder / 'checkpoints'

    @property
    def words(self) -> tuple[str, ...]:
        """Its words, with its folder in place of {folder}; those of ./my also say its seed and where checkpoints are."""
        words = tuple(word.replace('{folder}', str(self.folder)) for word in self.stage.words)
        if words[0] == '-m':
            return (*words, *self.more)
        first = next(index for index, word in enumerate(words) if kind(word) == 'action')
        own = (f'system.seed={self.seed}', f'system.checkpoint.path={self.checkpoints}')
        return (*words[:first], *own, *self.more, *words[first:])

    @property
    def fingerprint(self) -> str:
        """Of its words and of all that it needs: what is made depends on nothing else that is written down."""
        text = json.dumps([self.stage.words, self.seed, self.more, [work.fingerprint for work in self.before]])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def products(self) -> list[pathlib.Path]:
        """What it leaves: paths of files, and of checkpoints without a suffix."""
        return [SHIPPED / path.replace('{folder}', str(self.folder)) for path in self.stage.makes]

    @property
    def record_file(self) -> pathlib.Path:
        return SHIPPED / self.folder / 'records' / f'{self.stage.name}.json'

    def record(self) -> dict[str, Any]:
        """What was written down of these words; empty if nothing was, or of other words."""
        try:
            record = json.loads(self.record_file.read_text(encoding='utf-8'))
            return record if record['fingerprint'] == self.fingerprint else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def write(self, hours: float, is_done: bool) -> None:
        """Note its state, and the hours that it has taken so far."""
        value = {'fingerprint': self.fingerprint, 'words': self.words, 'hours': hours, 'done': is_done}
        with whole_file(self.record_file) as file:
            file.write_text(json.dumps(value, indent=1) + '\n', encoding='utf-8')

    def state(self) -> str:
        """DONE if its record says so and what it made is there; BEGUN if it was interrupted."""
        record = self.record()
        if record.get('done') and not self.missing():
            return DONE
        return BEGUN if record and not record['done'] else TO_DO

    def missing(self) -> list[pathlib.Path]:
        """What it was to make and is not there."""
        return [path for path in self.products if not path.exists() and not bundle.index_file(path).exists()]


def works(stages: Sequence[Stage], seeds: Sequence[int], folder: pathlib.Path, more: Sequence[str] = ()) -> list[Work]:
    """Each stage with each seed, a seed after the other, and each after what it needs; those of all seeds come last."""
    done: dict[tuple[str, int], Work] = {}
    for stage in stages:
        for seed in seeds if stage.each_seed else seeds[:1]:
            own = folder / f'seed{seed}' if stage.each_seed else folder
            of = (seed,) if stage.each_seed else tuple(seeds)
            before = tuple(done[name, number] for name in stage.needs for number in of if (name, number) in done)
            done[stage.name, seed] = Work(stage, seed, own, before, tuple(more))
    by_seed = [work for seed in seeds for work in done.values() if work.stage.each_seed and work.seed == seed]
    return [*by_seed, *(work for work in done.values() if not work.stage.each_seed)]


def chosen(all_works: Sequence[Work], only: Sequence[str] | None) -> list[Work]:
    """Those of `only`, names or patterns as `gate*`, with all that they need. UserError: names that no stage has."""
    if only is None:
        return list(all_works)
    names = list(dict.fromkeys(work.stage.name for work in all_works))
    problems = Problems()
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in names):
            problems.append(f'--only {pattern}: no stage has that name{did_you_mean(pattern, names) or "."} --list names all.')
    problems.raise_any()
    wanted: set[tuple[str, int]] = set()
    for work in reversed(all_works):
        key = work.stage.name, work.seed
        if key in wanted or any(fnmatchcase(work.stage.name, pattern) for pattern in only):
            wanted |= {key, *((other.stage.name, other.seed) for other in work.before)}
    return [work for work in all_works if (work.stage.name, work.seed) in wanted]


def require_images(wanted: Sequence[Work]) -> None:
    """UserError: the datasets of these stages whose images are not prepared, and how they are."""
    problems = Problems()
    for dataset in dict.fromkeys(word for work in wanted for word in work.words if word.startswith('datasets/')):
        config = Config.default()
        for word in (dataset, *(word for word in wanted[0].more if word.startswith('dataset.'))):
            config.merge_file(SHIPPED / word) if kind(word) == 'file' else config.merge_word(word)
        absent = [path for path in config.get('dataset.path').values() if path and not glob.glob(str(SHIPPED / path))]
        if absent:
            prepared = config.get('dataset.prepare.instead') or dataset
            problems.append(f'{dataset}: there is no {", ".join(absent)}; prepare the images first: ./my {prepared} prepare')
    problems.raise_any()


def toy_words(folder: pathlib.Path) -> tuple[str, ...]:
    """Words by which every stage trains and evaluates on the same few images of Fashion-MNIST."""
    path = str(folder / 'toy.tfrecord')
    return (
        *(f'dataset.path.{mode}={path}' for mode in ('train', 'validate')),
        *(f'dataset.num_examples_per_epoch.{mode}={TOY_IMAGES}' for mode in ('train', 'validate')),
        f'system.batch_size={TOY_IMAGES}',
        *(
            'train.max_epochs=1',
            'train.anneal.epochs=1',
            'train.anneal.final_epochs=1',
            f'train.anneal.fit_images={TOY_IMAGES}',
        ),
    )


def write_toy(path: pathlib.Path) -> None:
    """The first TOY_IMAGES records of the images that ship. A record: its length in 8 bytes, 4 of checksum, it, and 4 more."""
    copied = b''
    with (SHIPPED / 'datasets/fashion_mnist/test.tfrecord').open('rb') as source:
        for _ in range(TOY_IMAGES):
            head = source.read(12)
            copied += head + source.read(int.from_bytes(head[:8], 'little') + 4)
    with whole_file(path) as file:
        file.write_bytes(copied)


def render(all_works: Sequence[Work]) -> str:
    """The table of --list, and the hours that are left."""
    rows = []
    for work in all_works:
        record, state = work.record(), work.state()
        taken = f'{record["hours"]:.2f}' if record else '-'
        needs = ', '.join(work.stage.needs[:2]) + ' ...' * (len(work.stage.needs) > 2) or '-'
        rows.append([work.label, f'{work.stage.hours:.2f}', taken, state, needs, told_briefly(work.stage.makes)])
    left = sum(work.stage.hours for work in all_works if work.state() != DONE)
    total = sum(work.stage.hours for work in all_works)
    text = table(['stage', 'hours', 'taken', 'state', 'needs', 'makes'], rows)
    return f'{text}\n{total:.1f} hours expected on two cores, of which {left:.1f} are left'


def told_briefly(paths: Sequence[str]) -> str:
    """Paths without the folder of all, and those beside the one before them by name alone.

    >>> told_briefly(['{folder}/checkpoints/cifarnet/cifar10/gate70', '{folder}/checkpoints/cifarnet/cifar10/gate50'])
    'cifarnet/cifar10/gate70, gate50'
    """
    pure = [pathlib.PurePath(path.removeprefix('{folder}/').removeprefix('checkpoints/')) for path in paths]
    parents = [None, *(path.parent for path in pure)]
    return ', '.join(path.name if path.parent == before else str(path) for path, before in zip(pure, parents, strict=False))


def run(work: Work) -> None:
    """Do it, from its beginning or from where it was interrupted. RunError: it failed, or did not make what it was to."""
    record = work.record()
    resumes = work.state() == BEGUN and has_begun(work)
    taken = record['hours'] if resumes else 0.0
    if not resumes:
        forget(work)
    work.write(taken, is_done=False)
    start = time.monotonic()
    try:
        status = execute(command(work, resumes))
    finally:
        taken += (time.monotonic() - start) / 3600
        work.write(taken, is_done=False)
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        raise RunError(f'{work.label} ended with status {status}; what it said is above. The same command goes on from there.')
    if work.missing():
        raise RunError(f'{work.label} did not make {", ".join(map(shown, work.missing()))}, which it should.')
    work.write(taken, is_done=True)


def command(work: Work, resumes: bool) -> list[str]:
    """The words of a process. resumes: a training goes on from its own latest checkpoint; `anneal` knows by itself."""
    words = list(work.words)
    if words[0] == '-m':
        return [sys.executable, *words]
    first = next(index for index, word in enumerate(words) if kind(word) == 'action')
    if resumes and 'train' in words:
        words = [*words[:first], 'system.checkpoint.load=latest', *words[first:]]
        words = [word for word in words if word != 'reset-num-epochs']
    elif not resumes and 'anneal' in words:
        words.insert(first, 'anneal.restart=true')
    print(f'\n$ ./my {" ".join(words)}', flush=True)
    return [sys.executable, '-P', '-m', 'mayo.cli', *words]


def execute(words: Sequence[str]) -> int:
    """Its exit status. An interrupt of ours is passed on, once, and waited for: a training saves first."""
    environment = os.environ | {'PYTHONPATH': os.pathsep.join([str(SHIPPED), *sys.path[1:]])}
    process = subprocess.Popen(words, cwd=SHIPPED, env=environment, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise


def trainings(work: Work) -> Iterator[tuple[Store, str]]:
    """Where each checkpoint that it makes is, and the name of the run that leaves it."""
    for path in work.stage.makes:
        parts = pathlib.PurePath(path).parts
        if parts[:2] == ('{folder}', 'checkpoints'):
            yield Store(work.checkpoints, parts[2], parts[3]), parts[4].removesuffix('-best')


def has_begun(work: Work) -> bool:
    """Whether there is something to go on from: for a training, a checkpoint of an epoch."""
    return 'train' not in work.words or any(store.newest_of(name) for store, name in trainings(work))


def forget(work: Work) -> None:
    """Delete what an earlier run of the stage, perhaps with other words, left on its way."""
    for store, name in trainings(work):
        store.forget(name)


def main(arguments: Sequence[str] | None = None, stages: Sequence[Stage] = STAGES) -> int:
    """List or run; the exit status: 0 done, 1 a stage failed, 2 a mistake in the words, 130 interrupted."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.reproduce', description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--list', action='store_true', help='name the stages, their hours and their state, and run nothing')
    parser.add_argument(
        '--only', nargs='+', metavar='STAGE', help='these stages, or patterns such as "gate*", and what they need'
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0], metavar='N', help='each stage once with each of these seeds'
    )
    parser.add_argument('--folder', type=pathlib.Path, default=pathlib.Path('results'), help='where what is made goes')
    parser.add_argument('--toy', action='store_true', help='on a few images: to try the list, not to measure anything')
    told = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        every = works(stages, list(dict.fromkeys(told.seeds)), told.folder, toy_words(told.folder) if told.toy else ())
        wanted = chosen(every, told.only)
        if told.list:
            print(render(wanted))
            return 0
        if told.toy:
            write_toy(SHIPPED / told.folder / 'toy.tfrecord')
        require_images(wanted)
        with alone(SHIPPED / told.folder / '.reproduce.lock') as is_alone:
            if not is_alone:
                raise UserError(
                    f'{told.folder}: another process makes the results there; wait for it, or name another --folder.'
                )
            for work in wanted:
                if work.state() == DONE:
                    print(f'{work.label}: done before, in {work.record()["hours"]:.2f} hours', flush=True)
                else:
                    run(work)
    except MayoError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print('interrupted; the same command goes on from here', file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == '__main__':
    sys.exit(main())
