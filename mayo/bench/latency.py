"""A run of `bench`: for each batch size and density, every mode warm in a process of its own, then turns, then the comparison.

Importing this imports no TensorFlow: processes that do without it import it, too.
"""

import contextlib
import functools
import logging
import os
import pathlib
import random
import tempfile
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from mayo.bench.layers import layer_times
from mayo.bench.modes import NETWORKS, Mode, Subject, densities_of, macs_of, modes_of
from mayo.bench.record import Bench, Group, LayerTime, Sample, Timing, compare
from mayo.bench.worker import Ready, Worker
from mayo.net.gates import at_density, without_gates
from mayo.net.graph import Graph
from mayo.net.tf.engines import Job, Masked, engines, of_networks
from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.format import percent
from mayo.util.trial_images import random_images

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact import Program

Running = dict[Mode, tuple[Worker, Ready]]
Key = TypeVar('Key')

_log = logging.getLogger(__name__)
PAUSE = 0.02  # seconds between turns, in which threads that wait by spinning give up
ALIKE = 1e-3  # difference between engines above which a note is made


@dataclass(frozen=True)
class Plan:
    """What to measure. densities: of every gate, each in turn; none: as the gates have it. threads: None is every core.

    layers: also the time of each layer in the native engine.
    """

    batch_sizes: Sequence[int] = (1,)
    densities: Sequence[float] = ()
    networks: Sequence[str] = NETWORKS
    engines: Sequence[str] = field(default_factory=of_networks)
    artifacts: Sequence[str] = ()
    precisions: Sequence[str] = ('float32',)
    rounds: int = 20
    images: int = 16
    threads: int | None = None
    layers: bool = False


def measure(subject: Subject, plan: Plan) -> Bench:
    """Measure the modes of `plan` that this machine can run. Errors: RunError if there are none."""
    notes: list[str] = []
    threads = plan.threads or cores()
    modes = _possible(subject, plan, notes)
    groups = [
        _group(subject, plan, modes, threads, batch_size, density, notes)
        for batch_size in plan.batch_sizes
        for density in plan.densities or (None,)
    ]
    return Bench(subject.name, subject.input_shape.dims, subject.source, threads, tuple(groups), tuple(dict.fromkeys(notes)))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _possible(subject: Subject, plan: Plan, notes: list[str]) -> list[Mode]:
    """The modes that the network has and whose engines are installed; a note for each reason that takes others away."""
    modes = modes_of(plan.networks, plan.engines, plan.artifacts, plan.precisions)
    for name in dict.fromkeys(mode.engine for mode in modes):
        is_made = any(mode.engine == name and not mode.path for mode in modes)
        lacking = missing(engines[name].packages + (engines[name].to_make() if is_made else ()))
        if lacking:
            command = remedy(engines[name].extra)
            notes.append(f'{name} is left out: not installed: {", ".join(lacking)}; install with:  {command}')
            modes = [mode for mode in modes if mode.engine != name]
    if not densities_of(subject.graph):
        notes.append(f'{subject.name} has no gates: there is only the dense network to measure')
        modes = [mode for mode in modes if mode.network in ('dense', 'artifact')]
    if not modes:
        raise RunError('\n'.join(['`bench` has nothing to measure.', *notes]))
    return modes


def _group(
    subject: Subject, plan: Plan, modes: Sequence[Mode], threads: int, batch_size: int, density: float | None, notes: list[str]
) -> Group:
    """The modes at one batch size and density, in turns."""
    graph = at_density(subject.graph, density)
    macs = macs_of(graph, subject.input_shape)
    densities = densities_of(graph)
    density = densities.pop() if len(densities) == 1 else None
    where = f'batch {batch_size}' + (f', density {density:g}' if density else '')
    _log.info('%s: starting %d modes', where, len(modes))
    with tempfile.TemporaryDirectory(prefix='mayo-bench-') as folder:
        files = _Files(subject, graph, batch_size, pathlib.Path(folder))
        with _warm(modes, files, plan.images, threads, notes) as running:
            _log.info('%s: %d modes are warm, %d rounds', where, len(running), plan.rounds)
            samples = _measured(running, plan.rounds, notes)
            native = [mode for mode in running if mode.engine == 'native']
        layers = _layers(files, graph, native, plan, threads) if plan.layers else ()
    if not samples:
        raise RunError('\n'.join(['`bench` could measure nothing.', *dict.fromkeys(notes)]))
    changes = [ready.mask_change for _, ready in running.values() if ready.mask_change is not None]
    group = Group(
        batch_size, density, macs['dense'], compare(samples, macs, batch_size), changes[0] if changes else None, layers
    )
    notes += _remarks(group)
    return group


@contextlib.contextmanager
def _warm(modes: Sequence[Mode], files: '_Files', images: int, threads: int, notes: list[str]) -> Iterator[Running]:
    """The processes of the modes that got warm, as many at once as there are threads; afterwards they are gone."""
    workers: list[Worker] = []

    def start(mode: Mode, job: Job) -> tuple[Worker, Ready]:
        worker = Worker(job, files.folder / f'{mode.label}.log')
        workers.append(worker)
        return worker, worker.ready()

    starting, running = {}, {}
    pool = ThreadPoolExecutor(threads)
    try:
        for mode in modes:
            with _left_out(mode, notes):
                path = mode.path or str(files.of(mode))
                job = Job(mode.engine, path, files.dims, files.batch_size, images, threads, mode.precision)
                starting[mode] = pool.submit(start, mode, job)
        for mode, future in starting.items():
            with _left_out(mode, notes):
                running[mode] = future.result()
        yield running
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()


@contextlib.contextmanager
def _left_out(mode: Mode, notes: list[str]) -> Iterator[None]:
    """A note about a mode that cannot be measured: ValueError is what compact execution does not serve."""
    try:
        yield
    except (ValueError, RunError) as error:
        notes.append(f'{mode.label} is left out: {" ".join(str(error).splitlines())}')


def take_turns(turns: Mapping[Key, Callable[[], list[float]]], rounds: int) -> dict[Key, list[float]]:
    """The seconds that each told of: all in turn, in another order each round; the first round does not count."""
    seconds: dict[Key, list[float]] = {key: [] for key in turns}
    chance = random.Random(0)
    for count in range(rounds + 1):
        for key in chance.sample(list(turns), len(turns)):
            taken = turns[key]()
            seconds[key] += taken if count else []
            time.sleep(PAUSE)
    return seconds


def _measured(running: Running, rounds: int, notes: list[str]) -> list[Sample]:
    """What the processes took, and what they needed of memory; a note about each that fails."""

    def turn(mode: Mode) -> list[float]:
        with _left_out(mode, notes):
            return running[mode][0].turn()
        return []

    seconds = take_turns({mode: functools.partial(turn, mode) for mode in running}, rounds)
    peaks: dict[Mode, int] = {}
    for mode, (worker, _) in running.items():
        with _left_out(mode, notes):
            peaks[mode] = worker.stop()
    return [Sample(mode, Timing.of(seconds[mode]), peak, running[mode][1].outputs) for mode, peak in peaks.items()]


def _layers(files: '_Files', graph: Graph, modes: Sequence[Mode], plan: Plan, threads: int) -> tuple[LayerTime, ...]:
    """The time of each layer in `modes`, which the native engine ran, when nothing else runs any more."""
    from mayo.net.tf.compact.native import NativeNetwork

    programs = {mode.label: files.program(mode.network, mode.precision) for mode in modes}
    clocks = {label: NativeNetwork(program, threads).seconds for label, program in programs.items()}
    macs = {label: program.macs for label, program in programs.items()}
    names = [*graph.inputs, *(node.name for node in graph.nodes)]
    return layer_times(clocks, macs, names, random_images(plan.images, files.dims), plan.rounds)


def _remarks(group: Group) -> Iterator[str]:
    """What a reader should know of a group's figures."""
    if group.mask_change == 0:
        yield 'every image has the same mask: the gates do not look at it (their phi is zero)'
    for timed in group.measurements:
        if timed.difference and timed.difference > ALIKE:
            yield (
                f'{timed.label}: outputs differ by {percent(timed.difference, 1)} of the largest (batch {group.batch_size}); '
                'where two saliencies are nearly equal, engines may choose differently'
            )


class _Files:
    """What the processes read, written when first asked for; engines share a network's file."""

    def __init__(self, subject: Subject, graph: Graph, batch_size: int, folder: pathlib.Path) -> None:
        self.subject, self.graph, self.batch_size, self.folder = subject, graph, batch_size, folder
        self.dims = subject.input_shape.dims
        self.programs: dict[tuple[str, str], Program] = {}

    def of(self, mode: Mode) -> pathlib.Path:
        """The file of a mode. Errors: ValueError where compact execution cannot serve the network."""
        file = engines[mode.engine].network_file
        assert file is not None, f'{mode.engine} runs exported files only'
        path = self.folder / f'{mode.network}-{mode.precision}{file.suffix}'
        if not path.exists():
            file.write(self._network(mode), path, self.batch_size)
        return path

    def _network(self, mode: Mode) -> 'Program | Masked':
        if mode.network == 'masked':
            return Masked(self.graph, self.dims, dict(self.subject.weights))
        return self.program(mode.network, mode.precision)

    def program(self, network: str, precision: str = 'float32') -> 'Program':
        """The operations of dense, compact or static."""
        if (network, precision) not in self.programs:
            self.programs[network, precision] = self._lowered(network, precision)
        return self.programs[network, precision]

    def _lowered(self, network: str, precision: str) -> 'Program':
        """In int8 with the ranges of one random image: they do not matter to the time."""
        from mayo.net.tf.compact import CompactNetwork, lower_graph, static

        if precision != 'float32':
            from mayo.net.tf.compact.calibrate import ranges_of
            from mayo.net.tf.compact.narrow import narrowed

            wide = self.program(network)
            ranges = ranges_of(wide, CompactNetwork, [random_images(1, self.dims)]) if precision == 'int8' else {}
            return narrowed(wide, precision, ranges)
        if network == 'static':
            return static(self.program('compact'))
        graph = without_gates(self.graph) if network == 'dense' else self.graph
        return lower_graph(graph, self.subject.input_shape, self.subject.weights)
