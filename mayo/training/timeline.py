"""What a network spends its time on: a trace of some steps, for Chrome and TensorBoard, and the time of each layer.

    FOLDER/timeline.json            chrome://tracing or https://ui.perfetto.dev open it
    FOLDER/plugins/profile/RUN/     `tensorboard --logdir FOLDER` shows it, with its profile plugin

The time of a layer is the sum over its operations, which may run at the same time, divided by the steps. On a GPU it is the time
that the processor takes to start them.
"""

import datetime
import functools
import json
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from mayo.session import data
from mayo.session.base import Session
from mayo.session.execution import execution_of, runner
from mayo.training.trainer import Trainer
from mayo.util.errors import RunError
from mayo.util.files import shown, whole_file
from mayo.util.format import percent, table

WARM_UP = 2  # steps before the trace, in which TensorFlow makes its graph
BACKWARD = 'gradient_tape/'  # in the names of operations
_SUFFIX = re.compile(r'_\d+$')


@dataclass(frozen=True)
class Event:
    """Something that a thread did. start, duration: microseconds."""

    process: str
    thread: str
    name: str
    start: float
    duration: float


@dataclass(frozen=True)
class Times:
    """Milliseconds a step by layer, of the operations forward and backward; `other`: of those of no layer."""

    forward: Mapping[str, float]
    backward: Mapping[str, float]
    other: float

    def render(self) -> str:
        """A table in the order of the layers."""
        whole = sum(self.forward.values()) + sum(self.backward.values()) + self.other or 1.0
        rows = [
            [name, f'{self.forward[name]:.3f}', f'{self.backward[name]:.3f}', percent(own / whole, 1)]
            for name in self.forward
            if (own := self.forward[name] + self.backward[name])
        ]
        rows.append(['(no layer)', f'{self.other:.3f}', '', percent(self.other / whole, 1)])
        return table(['layer', 'forward ms', 'backward ms', 'share'], rows)


def timeline(session: Session, steps: int, folder: pathlib.Path, trains: bool) -> str:
    """Trace `steps` steps of training, or of evaluation, into the folder; the table of layers, and where the trace is.

    Training leaves the weights of the session as they were.
    """
    session.load()
    mode = 'train' if trains else 'validate'
    before = {name: variable.numpy() for name, variable in session.named().items()}
    with tempfile.TemporaryDirectory() as room:
        taken = _traced(_steps(session, trains), steps, room, mode)
        for name, variable in session.named().items():
            variable.assign(before[name])
        traces = sorted(pathlib.Path(room).rglob('*.xplane.pb'))
        if not traces:
            raise RunError('TensorFlow wrote no trace; another profiler may run in this process.')
        run = datetime.datetime.now().strftime('%Y_%m_%d_%H_%M_%S')
        for trace in traces:
            with whole_file(folder / 'plugins' / 'profile' / run / trace.name) as temporary:
                shutil.copyfile(trace, temporary)
        events = [event for trace in traces for event in events_of(trace.read_bytes())]
    path = folder / 'timeline.json'
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(chrome_trace(events)), encoding='utf-8')
    times = layer_times(events, [node.name for node in session.graph], taken)
    return f'{times.render()}\n{taken} steps of {mode}; written: {shown(path)}, {shown(folder / "plugins" / "profile" / run)}'


def _steps(session: Session, trains: bool) -> Iterator[Callable[[], Any]]:
    """Functions that each take a step."""
    if trains:
        trainer = Trainer(session)
        rate = trainer.rate(0.0)
        with trainer.data.reading():
            for images, labels in trainer.endless_batches():
                yield functools.partial(trainer.step, images, labels, rate)
    source = data.data_of(session.config, 'validate')
    run = tf.function(runner(session, execution_of(session)), autograph=False)
    size = session.config.get('eval.batch_size') or session.config.get('system.batch_size')
    with source.reading():
        batches = data.epoch_of(session.config, 'validate', data=source, batch_size=size)
        for images, _ in batches.repeat():
            yield functools.partial(run, images)


def _traced(steps: Iterator[Callable[[], Any]], count: int, folder: str, mode: str) -> int:
    """Trace `count` steps, after those of warming up; how many."""
    for _ in range(WARM_UP):
        next(steps)()
    with tf.profiler.experimental.Profile(folder):
        for number in range(count):
            step = next(steps)
            with tf.profiler.experimental.Trace(mode, step_num=number, _r=1):
                step()
    return count


def events_of(trace: bytes) -> Iterator[Event]:
    """What TensorFlow's profiler wrote down, from its own file format; starts count from the first event."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(trace)
    lines = [(plane, line) for plane in space.planes for line in plane.lines]
    first = min((line.timestamp_ns for _, line in lines), default=0)
    for plane, line in lines:
        for event in line.events:
            start = (line.timestamp_ns - first) / 1e3 + event.offset_ps / 1e6
            name = plane.event_metadata[event.metadata_id].name
            yield Event(plane.name, f'{line.display_name or line.name} {line.id}', name, start, event.duration_ps / 1e6)


def chrome_trace(events: Iterable[Event]) -> dict[str, Any]:
    """The trace event format of Chrome: complete events, and the names of processes and threads."""
    events = list(events)
    processes = {name: number for number, name in enumerate(dict.fromkeys(event.process for event in events), 1)}
    threads = {key: number for number, key in enumerate(dict.fromkeys((event.process, event.thread) for event in events), 1)}
    names = [_called('process_name', name, pid=number) for name, number in processes.items()]
    names += [_called('thread_name', thread, pid=processes[own], tid=number) for (own, thread), number in threads.items()]
    complete = [
        {
            'ph': 'X',
            'pid': processes[event.process],
            'tid': threads[event.process, event.thread],
            'name': event.name,
            'ts': event.start,
            'dur': event.duration,
        }
        for event in events
    ]
    return {'displayTimeUnit': 'ms', 'traceEvents': [*names, *complete]}


def _called(kind: str, name: str, **ids: int) -> dict[str, Any]:
    return {'ph': 'M', 'name': kind, 'args': {'name': name}, **ids}


def layer_times(events: Iterable[Event], layers: Iterable[str], steps: int) -> Times:
    """The time of each layer's operations, which have the layer among the scopes of their name: net/conv0_1/Conv2D:Conv2D."""
    known = {name.replace('/', '.'): name for name in layers}
    forward, backward, other = dict.fromkeys(known.values(), 0.0), dict.fromkeys(known.values(), 0.0), 0.0
    for event in events:
        scopes, colon, _ = event.name.rpartition(':')
        if not colon or '/' not in scopes:
            continue
        own = next((known[scope] for scope in map(_unnumbered(known), scopes.split('/')) if scope in known), None)
        time = event.duration / 1e3 / steps
        if own is None:
            other += time
        elif BACKWARD in scopes:
            backward[own] += time
        else:
            forward[own] += time
    return Times(forward, backward, other)


def _unnumbered(known: Mapping[str, str]) -> Callable[[str], str]:
    """A scope without the number that TensorFlow adds to one of the same name."""

    def unnumbered(scope: str) -> str:
        shorter = _SUFFIX.sub('', scope)
        return shorter if shorter in known else scope

    return unnumbered
