"""A run of `bench`: for each batch size and density, every mode warm in a process of its own, then turns, then the comparison."""
import logging
import os
import pathlib
import pickle
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mayo.bench.engines import Job, Masked, engines
from mayo.bench.modes import (
    ENGINES, NETWORKS, Mode, Subject, at_density, densities_of, macs_of, modes_of, without_gates,
)
from mayo.bench.record import Bench, Group, Sample, Timing, compare
from mayo.bench.worker import Ready, Worker
from mayo.net import Graph
from mayo.net.tf.compact import Program, lower_graph, static
from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.format import percent

_log = logging.getLogger(__name__)
PAUSE = 0.02                    # seconds between turns, in which threads that wait by spinning give up
ALIKE = 1e-3                    # difference between engines above which a note is made


@dataclass(frozen=True)
class Plan:
    """What to measure. densities: of every gate, each in turn; none: as the gates have it. threads: None is every core."""
    batch_sizes: Sequence[int] = (1,)
    densities: Sequence[float] = ()
    networks: Sequence[str] = NETWORKS
    engines: Sequence[str] = ENGINES
    artifacts: Sequence[str] = ()
    rounds: int = 20
    images: int = 16
    threads: int | None = None


def measure(subject: Subject, plan: Plan) -> Bench:
    """Measure the modes of `plan` that this machine can run. Errors: RunError if there are none."""
    notes: list[str] = []
    threads = plan.threads or cores()
    modes = _possible(subject, plan, notes)
    groups = [_group(subject, plan, modes, threads, batch_size, density, notes)
              for batch_size in plan.batch_sizes for density in plan.densities or (None,)]
    return Bench(subject.name, subject.input_shape.dims, subject.source, threads, tuple(groups), tuple(dict.fromkeys(notes)))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _possible(subject: Subject, plan: Plan, notes: list[str]) -> list[Mode]:
    """The modes that the network has and whose engines are installed; a note for each reason that takes others away."""
    modes = modes_of(plan.networks, plan.engines, plan.artifacts)
    for name in dict.fromkeys(mode.engine for mode in modes):
        made = any(mode.engine == name and not mode.path for mode in modes)
        lacking = missing(engines[name].packages + (engines[name].to_make if made else ()))
        if lacking:
            extra = 'export' if name == 'litert' else 'bench'
            notes.append(f'{name} is left out: {" and ".join(lacking)} not installed; {remedy(extra)}')
            modes = [mode for mode in modes if mode.engine != name]
    if not densities_of(subject.graph):
        notes.append(f'{subject.name} has no gates: there is only the dense network to measure')
        modes = [mode for mode in modes if mode.network in ('dense', 'artifact')]
    if not modes:
        raise RunError('\n'.join(['`bench` has nothing to measure.', *notes]))
    return modes


def _group(subject: Subject, plan: Plan, modes: Sequence[Mode], threads: int, batch_size: int, density: float | None,
           notes: list[str]) -> Group:
    """The modes at one batch size and density, in turns."""
    graph = at_density(subject.graph, density)
    macs = macs_of(graph, subject.input_shape)
    with tempfile.TemporaryDirectory(prefix='mayo-bench-') as folder:
        files = _Files(subject, graph, batch_size, pathlib.Path(folder))
        running: dict[Mode, tuple[Worker, Ready]] = {}
        started: list[Worker] = []
        try:
            for mode, worker, ready in _started(modes, files, plan, threads, started, notes):
                running[mode] = worker, ready
            where = f'batch {batch_size}' + (f', density {density:g}' if density else '')
            _log.info('%s: %d modes, %d rounds', where, len(running), plan.rounds)
            samples = _take_turns(running, plan.rounds, notes)
        finally:
            for worker in started:
                worker.kill()
    if not samples:
        raise RunError('\n'.join(['`bench` could measure nothing.', *dict.fromkeys(notes)]))
    measurements = compare(samples, macs, batch_size)
    changes = [ready.mask_change for _, ready in running.values() if ready.mask_change is not None]
    densities = densities_of(graph)
    group = Group(batch_size, *densities if len(densities) == 1 else (None,), macs['dense'], measurements, *changes[:1])
    notes += _remarks(group)
    return group


def _started(modes: Sequence[Mode], files: '_Files', plan: Plan, threads: int, started: list[Worker],
             notes: list[str]) -> Iterator[tuple[Mode, Worker, Ready]]:
    """The modes whose processes got warm; as many warm up at once as there are threads."""
    waiting: list[tuple[Mode, Worker]] = []
    for mode in [*modes, *[None] * threads]:
        if mode is not None:
            try:
                path = mode.path or str(files.of(mode))
            except (ValueError, RunError) as error:
                notes.append(f'{mode.label} is left out: {" ".join(str(error).splitlines())}')
                continue
            job = Job(mode.engine, path, files.dims, files.batch_size, plan.images, threads)
            started.append(Worker(job, files.folder / f'{len(started)}.log'))
            waiting.append((mode, started[-1]))
        if waiting and (mode is None or len(waiting) >= threads):
            first, worker = waiting.pop(0)
            try:
                yield first, worker, worker.ready()
            except RunError as error:
                notes.append(f'{first.label} is left out: {error}')


def _take_turns(running: dict[Mode, tuple[Worker, Ready]], rounds: int, notes: list[str]) -> list[Sample]:
    """Let every process work in turn, in another order each round; the first round does not count."""
    seconds: dict[Mode, list[float]] = {mode: [] for mode in running}
    chance = random.Random(0)
    for count in range(rounds + 1):
        for mode in chance.sample(list(seconds), len(seconds)):
            try:
                taken = running[mode][0].turn()
            except RunError as error:
                notes.append(f'{mode.label} is left out: {error}')
                del seconds[mode]
                continue
            seconds[mode] += taken if count else []
            time.sleep(PAUSE)
    return [Sample(mode, Timing.of(taken), running[mode][0].stop(), running[mode][1].outputs) for mode, taken in seconds.items()]


def _remarks(group: Group) -> Iterator[str]:
    """What a reader should know of a group's figures."""
    if group.mask_change == 0:
        yield 'every image has the same mask: the gates do not look at it (their phi is zero)'
    for one in group.measurements:
        if one.difference and one.difference > ALIKE:
            yield (f'{one.label}: outputs differ by {percent(one.difference, 1)} of the largest (batch {group.batch_size}); '
                   'where two saliencies are nearly equal, engines may choose differently')


class _Files:
    """What the processes read, written when first asked for; engines share a network's file."""

    def __init__(self, subject: Subject, graph: Graph, batch_size: int, folder: pathlib.Path) -> None:
        self.subject, self.graph, self.batch_size, self.folder = subject, graph, batch_size, folder
        self.dims = subject.input_shape.dims
        self.programs: dict[str, Program] = {}

    def of(self, mode: Mode) -> pathlib.Path:
        """The file of a mode. Errors: ValueError where compact execution cannot serve the network."""
        as_onnx = 'onnx' in engines[mode.engine].to_make
        path = self.folder / f'{mode.network}.{"onnx" if as_onnx else "pickle"}'
        if not path.exists():
            (self._write_onnx if as_onnx else self._write_pickle)(path, mode.network)
        return path

    def _write_pickle(self, path: pathlib.Path, network: str) -> None:
        content: Any = Masked(self.graph, self.dims, dict(self.subject.weights)) if network == 'masked' else self.program(network)
        with path.open('wb') as file:
            pickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)

    def _write_onnx(self, path: pathlib.Path, network: str) -> None:
        from mayo.net.tf.compact.onnx import onnx_model
        program = self.program(network)
        model = onnx_model(program, batch=1 if program.gated else self.batch_size)
        path.write_bytes(model.SerializeToString())

    def program(self, network: str) -> Program:
        """The operations of dense, compact or static."""
        if network not in self.programs:
            self.programs[network] = _PROGRAMS[network](self)
        return self.programs[network]

    def lowered(self, graph: Graph) -> Program:
        return lower_graph(graph, self.subject.input_shape, self.subject.weights)


_PROGRAMS: dict[str, Callable[[_Files], Program]] = {
    'dense': lambda files: files.lowered(without_gates(files.graph)),
    'compact': lambda files: files.lowered(files.graph),
    'static': lambda files: static(files.program('compact')),
}
