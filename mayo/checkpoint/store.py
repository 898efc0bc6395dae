"""The folder of one network on one dataset, `checkpoints/MODEL/DATASET/`: what is in it, the latest, and which stay.

`checkpoint` in it is TensorFlow's manifest in its text form: the latest of all, and those that training keeps, oldest
first. Needs no TensorFlow, so that `check` and `ls` are quick.
"""

import contextlib
import logging
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from mayo.checkpoint import bundle, keras_file, state_file
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.files import SHIPPED, alone, find, home, shown, whole_file

_log = logging.getLogger(__name__)
_MANIFEST = 'checkpoint'


class Store:
    """The checkpoints of `model` on `dataset` below the folder `root`; the shipped ones are read, too."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        model: str,
        dataset: str,
        save: Sequence[str] = (),
        load: Sequence[str] = (),
        base: pathlib.Path | None = None,
    ) -> None:
        """save, load: folders in place of that, of which the first counts that holds a checkpoint, or else the first.

        base: what a relative `root` counts from, where that is not home.
        """
        below = pathlib.Path(os.path.expanduser(root)) / model / dataset
        self.folder = _first_with_any(save) if save else (base or home()) / below
        of_others = [_first_with_any(load)] if load else []
        others = (parent / below for parent in (pathlib.Path.cwd(), home(), SHIPPED))
        self.folders = list(dict.fromkeys([*of_others, self.folder, *others]))

    def names(self) -> list[str]:
        """Every checkpoint there is, sorted with numbers by value: epoch-2 before epoch-10."""
        names = {file.name.removesuffix('.index') for folder in self.folders for file in folder.glob('*?.index')}
        return sorted(names, key=_by_number)

    def latest(self) -> str | None:
        """The newest checkpoint of any training or `save`; None if there is none."""
        return self._manifest()[0] or (self._manifest(self.folders[0])[0] if self.folders[0] != self.folder else None)

    def newest_of(self, run: str) -> str | None:
        """The newest checkpoint of the training `run`, '' for the one without a name; None if there is none."""
        mine = [name for name in self._manifest()[1] if is_of(name, run)]
        return mine[-1] if mine else None

    def resolve(self, load: str, run: str = '', key: str = 'system.checkpoint.load') -> pathlib.Path:
        """The bundle that `load` means: `latest` (of `run`, if it has a name), a name in the folder, or a path.

        UserError: there is none, saying what exists; `key` is the setting that names it.
        """
        name = self._latest_of(run, key) if load == 'latest' else load
        number = re.fullmatch(r'epoch-(\d+)', load)
        if number and load not in self.names() and f'checkpoint-{number[1]}' in self.names():
            name = f'checkpoint-{number[1]}'  # as the original Mayo calls it
        for folder in [*self.folders, pathlib.Path.cwd(), home(), SHIPPED] if name else []:
            prefix = folder / os.path.expanduser(bundle.prefix_of(str(name)))
            if bundle.index_file(prefix).exists() or bundle.data_files(prefix):
                bundle.check(prefix)
                return prefix
        raise UserError(self._nothing(load, key))

    def _latest_of(self, run: str, key: str) -> str | None:
        """The newest checkpoint of a run, else what `save` called so; without a name, of `save` or the run without a name.

        If there is neither, that of the only run there is. UserError: there are several.
        """
        newest, latest = self.newest_of(run), self.latest()
        if run:
            return newest or (run if latest == run else None)
        if latest is not None and run_of(latest) == latest:
            return latest
        if newest is not None or latest is None:
            return newest
        runs = {run_of(name): name for name in self._manifest()[1] if run_of(name) != name}
        if len(runs) > 1:
            raise UserError(
                f'{key}=latest: of which training? The newest are {", ".join(runs.values())}; name one of them, or the '
                f'training with system.checkpoint.save={next(iter(runs))}.'
            )
        return latest

    def resolve_all(self, loads: Iterable[str], run: str = '', key: str = 'system.checkpoint.load') -> list[pathlib.Path]:
        """The bundle of each, as `resolve`. UserError: all that do not exist."""
        bundles: list[pathlib.Path] = []
        problems = Problems()
        for load in loads:
            with problems.collecting():
                bundles.append(self.resolve(load, run, key))
        problems.raise_any()
        return bundles

    def record(self, name: str, keep: int) -> None:
        """Make `name` the latest; of its run (`NAME-epoch-N`) only the last `keep` stay."""
        _, kept = self._recorded()
        kept = [other for other in kept if other != name and bundle.index_file(self.folder / other).exists()]
        kept.append(name)
        mine = [other for other in kept if is_of(other, run_of(name))]
        gone = mine[:-keep] if keep else []
        self._keep(name, [other for other in kept if other not in gone])
        for other in gone:
            bundle.delete(self.folder / other)

    def record_saved(self, name: str) -> None:
        """Make `name`, which `save` wrote, the latest; training keeps and replaces its own as before."""
        if is_passing(name):
            self.record(name, keep=0)
        else:
            self._keep(name, self._recorded()[1])

    @contextlib.contextmanager
    def training(self, run: str) -> Iterator[None]:
        """While the run `run` trains. UserError: another process trains one of that name."""
        with alone(self.folder / f'.{run}-training.lock') as is_alone:
            if not is_alone:
                name = f'of the name {run}' if run else 'without a name'
                raise UserError(
                    f'{shown(self.folder)}: another process is training there, {name}, and the checkpoints of one '
                    'would replace those of the other; wait for it, or name this one: system.checkpoint.save=NAME.'
                )
            gone = bundle.tidy(self.folder)
            if gone:
                _log.info('removed what a process that was stopped left in %s: %s', shown(self.folder), ', '.join(gone))
            yield

    def forget(self, run: str) -> None:
        """Delete what training the run `run` left: its epochs and its best. Checkpoints of other names stay."""
        latest, kept = self._recorded()
        gone = [name for name in kept if is_of(name, run)]
        if gone:
            kept = [name for name in kept if name not in gone]
            self._keep(latest if latest in kept else kept[-1] if kept else None, kept)
        for name in (*gone, f'{run}-best' if run else 'best'):
            bundle.delete(self.folder / name)

    def _keep(self, latest: str | None, kept: Iterable[str]) -> None:
        """Write the manifest."""
        with whole_file(self.folder / _MANIFEST) as file:
            file.write_text(state_file.text(latest, kept))

    def _manifest(self, folder: pathlib.Path | None = None) -> tuple[str | None, list[str]]:
        """The latest and all recorded names. UserError: the state file is damaged."""
        file = (folder or self.folder) / _MANIFEST
        state = self._state(file)
        if state.is_damaged:
            raise UserError(
                f'{shown(file)} is damaged: its checksum is of another content, so which checkpoint is the latest is not known. '
                f'Of those that there are, {", ".join(self.names()) or "none"}, name one, and delete the file.'
            )
        return state.latest, state.kept

    def _recorded(self) -> tuple[str | None, list[str]]:
        """The same for whoever writes the file anew; a damaged one is replaced by what training left, the oldest first."""
        file = self.folder / _MANIFEST
        state = self._state(file)
        if not state.is_damaged:
            return state.latest, state.kept
        _log.warning('%s is damaged; it is written anew from the checkpoints that are there', shown(file))
        indices = sorted(self.folder.glob('*?.index'), key=lambda index: index.stat().st_mtime_ns)
        kept = [index.name.removesuffix('.index') for index in indices]
        kept = [name for name in kept if run_of(name) != name]
        return (kept[-1] if kept else None), kept

    def _state(self, file: pathlib.Path) -> state_file.State:
        return state_file.parse(file.read_bytes() if file.is_file() else b'')

    def _nothing(self, load: str, key: str) -> str:
        file = find(load)
        if file is not None and (keras_file.is_keras(file) or bundle.is_first_format(file)):
            return f'{key}={load}: weights of another format; import.path={load} import-weights makes a checkpoint of them.'
        nameless = next(
            (file for folder in (load, os.path.dirname(load)) if (file := find(pathlib.Path(folder, '.index')))), None
        )
        if nameless is not None and load.rstrip('/') not in ('', '.'):
            return (
                f'{key}={load}: {shown(nameless)} is a checkpoint without a name; rename it and the .data-* beside it, to NAME.index '
                'and NAME.data-*, and load NAME.'
            )
        names = self.names()
        there = f'there are {", ".join(names)}' if names else 'it holds none'
        hint = did_you_mean(load, names if load == 'latest' else ['latest', *names])
        return f'{key}={load}: no such checkpoint in {shown(self.folder)}, {there}{hint or "."}'


def _first_with_any(folders: Sequence[str]) -> pathlib.Path:
    paths = [home() / os.path.expanduser(folder) for folder in folders]
    return next((path for path in paths if any(path.glob('*.index'))), paths[0])


def run_of(name: str) -> str:
    """The run that a training checkpoint belongs to, '' for one without a name.

    >>> run_of('gate50-epoch-12'), run_of('epoch-12')
    ('gate50', '')
    """
    return re.sub(r'(^|-)epoch-[0-9.]+$', '', name)


def is_of(name: str, run: str) -> bool:
    """Whether `name` was written by training the run `run`.

    >>> is_of('gate50-epoch-12', 'gate50'), is_of('gate50-epoch-12', '')
    (True, False)
    """
    prefix = f'{run}-' if run else ''
    return re.fullmatch(rf'{re.escape(prefix)}epoch-[0-9.]+', name) is not None


def is_passing(name: str) -> bool:
    """Whether training leaves `name` on its way: an epoch, or the best of them.

    >>> is_passing('gate50-epoch-12'), is_passing('gate50-best'), is_passing('gate50')
    (True, True, False)
    """
    return run_of(name) != name or name == 'best' or name.endswith('-best')


def all_names(root: str | os.PathLike[str]) -> Iterable[pathlib.Path]:
    """Every bundle below a checkpoint folder here, at home or shipped, by MODEL/DATASET/NAME."""
    bases = dict.fromkeys([pathlib.Path.cwd() / root, home() / root, SHIPPED / root])
    for base in bases:
        for file in sorted(base.glob('*/*/*?.index')):
            yield file.with_suffix('')


def _by_number(name: str) -> list[tuple[float, str]]:
    return [(float(part), '') if part.isdigit() else (float('inf'), part) for part in re.split(r'(\d+)', name)]
