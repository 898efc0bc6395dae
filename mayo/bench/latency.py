"""A run of `bench`: for each batch size and density, every mode warm in a process of its own, then turns, then the comparison.

Importing this imports no TensorFlow: processes that do without it import it, too.
"""

import contextlib
import functools
import logging
import os
import pathlib
import random
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from mayo.bench.busy import busy
from mayo.bench.layers import layer_times
from mayo.bench.modes import NETWORKS, Mode, Subject, densities_of, macs_of, modes_of
from mayo.bench.record import Bench, Group, LayerTime, Sample, Timing, compare
from mayo.bench.worker import Ready, Worker
from mayo.net.gates import at_density, without_gates
from mayo.net.graph import Graph
from mayo.net.tf.engines import Job, Masked, engines, of_networks
from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.files import scratch
from mayo.util.format import percent
from mayo.util.trial_images import random_images

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact import Program

Running = dict[Mode, tuple[Worker, Ready]]
Key = TypeVar('Key')

_log = logging.getLogger(__name__)
AT_ONCE = 8  # images on which ranges are measured at once
PAUSE = 0.02  # seconds between turns, in which threads that wait by spinning give up
LOST = 0.01  # of top-1, above which a note is made
ALIKE = 1e-3  # difference between engines above which a note is made


@dataclass(frozen=True)
class Plan:
    """What to measure. densities: of every gate, each in turn; none: as the gates have it. threads: None is every core.

    layers: also the time of each layer in the native engine. busy: so many processes compute meanwhile, in a second pass.
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
    busy: int = 0


def measure(subject: Subject, plan: Plan) -> Bench:
    """Measure the modes of `plan` that this machine can run. Errors: RunError if there are none."""
    notes: list[str] = []
    top1: dict[tuple[Mode, float | None], float] = {}
    threads = plan.threads or cores()
    modes = _possible(subject, plan, notes)
    groups: list[Group] = []
    for batch_size in plan.batch_sizes:
        for density in plan.densities or (None,):
            groups += _groups(subject, plan, modes, threads, batch_size, density, notes, top1)
    notes = list(dict.fromkeys(notes))
    judged = len(subject.judges.labels) if top1 and subject.judges else 0
    return Bench(subject.name, subject.input_shape.dims, subject.source, threads, tuple(groups), tuple(notes), judged)


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


def _groups(
    subject: Subject,
    plan: Plan,
    modes: Sequence[Mode],
    threads: int,
    batch_size: int,
    density: float | None,
    notes: list[str],
    top1: dict[tuple[Mode, float | None], float],
) -> list[Group]:
    """The modes at one batch size and density, in turns; and again beside busy processes, if the plan has any.

    top1: what is known of accuracy, by mode and density.
    """
    graph = at_density(subject.graph, density)
    macs = macs_of(graph, subject.input_shape)
    densities = densities_of(graph)
    density = densities.pop() if len(densities) == 1 else None
    where = f'batch {batch_size}' + (f', density {density:g}' if density else '')
    _log.info('%s: starting %d modes', where, len(modes))
    with scratch('mayo-bench-') as folder:
        files = _Files(subject, graph, batch_size, pathlib.Path(folder))
        with _warm(modes, files, plan.images, threads, notes) as running:
            _log.info('%s: %d modes are warm, %d rounds', where, len(running), plan.rounds)
            seconds = {0: _seconds(running, plan.rounds, notes)}
            if plan.busy:
                with busy(plan.busy):
                    _log.info('%s: the same beside %d busy processes', where, plan.busy)
                    seconds[plan.busy] = _seconds(running, plan.rounds, notes)
            _judge(subject, running, density, top1, notes)
            peaks = _peaks(running, notes)
            native = [mode for mode in running if mode.engine == 'native']
        layers = _layers(files, graph, native, plan, threads) if plan.layers else ()
    if not peaks:
        raise RunError('\n'.join(['`bench` could measure nothing.', *dict.fromkeys(notes)]))
    changes = [ready.mask_change for _, ready in running.values() if ready.mask_change is not None]
    groups = []
    for others, taken in seconds.items():
        samples = [
            Sample(mode, Timing.of(taken[mode]), peak, running[mode][1].outputs, top1.get(_judged_as(mode, density)))
            for mode, peak in peaks.items()
        ]
        compared = compare(samples, macs, batch_size)
        groups.append(
            Group(
                batch_size, density, macs['dense'], compared, changes[0] if changes else None, () if others else layers, others
            )
        )
    notes += _remarks(groups[0])
    return groups


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
                judged = files.judged if files.subject.is_judged(mode.network) else ''
                job = Job(mode.engine, path, files.dims, files.batch_size, images, threads, mode.precision, judged)
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


def _seconds(running: Running, rounds: int, notes: list[str]) -> dict[Mode, list[float]]:
    """What each call of the processes took; a note about each that fails."""

    def turn(mode: Mode) -> list[float]:
        with _left_out(mode, notes):
            return running[mode][0].turn()
        return []

    return take_turns({mode: functools.partial(turn, mode) for mode in running}, rounds)


def _judge(
    subject: Subject, running: Running, density: float | None, top1: dict[tuple[Mode, float | None], float], notes: list[str]
) -> None:
    """Top-1 of the networks where it means something, once for all batch sizes, and for the dense one once for all densities."""
    for mode, (worker, _) in running.items():
        key = _judged_as(mode, density)
        if key in top1 or subject.judges is None or not subject.is_judged(mode.network):
            continue
        _log.info('%s: top-1 of %d images', mode.label, len(subject.judges.labels))
        with _left_out(mode, notes):
            top1[key] = float(np.mean(worker.classes() == subject.judges.labels))


def _judged_as(mode: Mode, density: float | None) -> tuple[Mode, float | None]:
    return mode, None if mode.network == 'dense' else density


def _peaks(running: Running, notes: list[str]) -> dict[Mode, int]:
    """What the processes needed of memory, in bytes, as they end; a note about each that fails."""
    peaks: dict[Mode, int] = {}
    for mode, (worker, _) in running.items():
        with _left_out(mode, notes):
            peaks[mode] = worker.stop()
    return peaks


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
    wide: dict[str, float] = {}  # top-1 in float32 by network
    for timed in group.measurements:
        if timed.precision == 'float32' and timed.top1 is not None:
            wide[timed.network] = max(timed.top1, wide.get(timed.network, 0.0))
    for timed in group.measurements:
        lost = wide.get(timed.network, 0.0) - (1.0 if timed.top1 is None else timed.top1)
        if lost > LOST:
            yield f'{timed.label}: its top-1 is {100 * lost:.1f} points below that of the same network in float32'
        if timed.precision != 'int8' and timed.difference and timed.difference > ALIKE:
            yield (
                f'{timed.label}: outputs differ by {percent(timed.difference, 1)} of the largest (batch {group.batch_size}); '
                'where two saliencies are nearly equal, engines may choose differently'
            )


class _Files:
    """What the processes read, written when first asked for; engines share a network's file."""

    def __init__(self, subject: Subject, graph: Graph, batch_size: int, folder: pathlib.Path) -> None:
        self.subject, self.graph, self.batch_size, self.folder = subject, graph, batch_size, folder
        self.dims = subject.input_shape.dims
        images = subject.judges.others if subject.judges else random_images(batch_size, self.dims)
        self.images = np.resize(images, (max(len(images), batch_size), *self.dims))  # a batch at least
        self.judged = ''
        if subject.judges is not None:
            self.judged = str(folder / 'judged.npy')
            np.save(self.judged, subject.judges.images)
        self.programs: dict[tuple[str, str], Program] = {}

    def of(self, mode: Mode) -> pathlib.Path:
        """The file of a mode. Errors: ValueError where compact execution cannot serve the network."""
        file = engines[mode.engine].network_file
        assert file is not None, f'{mode.engine} runs exported files only'
        path = self.folder / f'{mode.network}-{mode.precision}{file.suffix}'
        if not path.exists():
            file.write(self._network(mode), path, self.batch_size, self.images)
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
        """In int8 with ranges of images at hand, or of one random image: they do not matter to the time."""
        from mayo.net.tf.compact import CompactNetwork, lower_graph, static

        if precision != 'float32':
            from mayo.net.tf.compact.calibrate import ranges_of
            from mayo_runtime.narrow import multiplying, narrowed

            wide = self.program(network)
            if precision == 'int8' and self._is_as_quantized(network):
                layers = {operation.output for operation in multiplying(wide)} - self.subject.ranges.keys()
                return narrowed(wide, precision, self.subject.ranges, dict.fromkeys(layers, 'float32'))
            batches = [self.images[start : start + AT_ONCE] for start in range(0, len(self.images), AT_ONCE)]
            return narrowed(wide, precision, ranges_of(wide, CompactNetwork, batches) if precision == 'int8' else {})
        if network == 'static':
            return static(self.program('compact'))
        graph = without_gates(self.graph) if network == 'dense' else self.graph
        weights = (self.subject.dense if network == 'dense' else None) or self.subject.computed or self.subject.weights
        return lower_graph(graph, self.subject.input_shape, weights)

    def _is_as_quantized(self, network: str) -> bool:
        """Whether the ranges that `quantize` measured are those of this network."""
        own = 'compact' if densities_of(self.subject.graph) else 'dense'
        return bool(self.subject.ranges) and network == own and densities_of(self.graph) == densities_of(self.subject.graph)
