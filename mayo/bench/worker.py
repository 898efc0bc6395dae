"""A mode in a process of its own, so that none uses the threads, caches or memory of another: from there, and from here.

start -> ready -> turn, turn, ... -> stop          one process at a time works, while the others wait
"""

import contextlib
import multiprocessing
import os
import pathlib
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from mayo.net.tf.engines import Job, Loaded, engines
from mayo.util.errors import RunError
from mayo.util.trial_images import random_images

WARM_UP = 5  # calls
TURN_SECONDS, TURN_CALLS = 0.05, 50  # a turn ends after either
PATIENCE = 900  # seconds until a process that does not answer is ended
LAST_OUTPUT = 300  # characters of what a process that died said last


@dataclass(frozen=True)
class Ready:
    """A mode is warm. outputs: of the first batch, one vector; mask_change: see record.Group."""

    outputs: np.ndarray
    mask_change: float | None


class Worker:
    """The process of one job, seen from outside. Errors: RunError with why it could not go on."""

    def __init__(self, job: Job, log: pathlib.Path) -> None:
        context = multiprocessing.get_context('spawn')
        self.log = log
        log.touch()
        self.connection, end = context.Pipe()
        self.process = context.Process(target=serve, args=(end, job, str(log)), daemon=True)
        self.process.start()
        end.close()

    def ready(self) -> Ready:
        """Wait until it is warm."""
        answer = self._receive()
        assert isinstance(answer, Ready)
        return answer

    def turn(self) -> list[float]:
        """Let it work for TURN_SECONDS: seconds of each call."""
        answer = self._ask('turn')
        assert isinstance(answer, list)
        return answer

    def stop(self) -> int:
        """End it: the peak of its memory in bytes."""
        answer = self._ask('stop')
        self.kill()
        assert isinstance(answer, int)
        return answer

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ask(self, order: str) -> object:
        with contextlib.suppress(BrokenPipeError):  # receiving tells why
            self.connection.send(order)
        return self._receive()

    def _receive(self) -> object:
        try:
            if not self.connection.poll(PATIENCE):
                self.process.kill()
                raise RunError(f'its process gave no answer for {PATIENCE} s.')
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            if self.process.exitcode == -signal.SIGKILL:  # by another, so what it wrote before is not the reason
                raise RunError('its process was killed.') from None
            output = ' '.join(self.log.read_text(errors='replace')[-LAST_OUTPUT:].split())
            raise RunError(f'its process ended with status {self.process.exitcode}: {output or "it said nothing"}') from None
        if isinstance(answer, Exception):
            raise RunError(str(answer))
        return answer


def serve(connection: Connection, job: Job, log: str) -> None:
    """The life of the process: load, warm up, then do as it is told until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells when to end
    with open(log, 'wb') as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    try:
        loaded = engines[job.engine].load(job)
        images = random_images(max(job.images, job.batch_size), job.dims)
        timer = Timer(loaded, images, job.batch_size)
        connection.send(Ready(timer.warm_up(), loaded.mask_change(images[: job.images])))
    except Exception as error:
        reason = str(error) if isinstance(error, RunError) else f'{type(error).__name__}: {error}'
        connection.send(RunError(reason.partition('\n')[0]))
        return
    with contextlib.suppress(EOFError):
        while connection.recv() == 'turn':
            connection.send(timer.turn())
        connection.send(peak_memory())


class Timer:
    """Calls a network with one batch after the other."""

    def __init__(self, loaded: Loaded, images: np.ndarray, batch_size: int) -> None:
        self.run = loaded.run
        self.batches = [
            loaded.prepare(images[start : start + batch_size]) for start in range(0, len(images) - batch_size + 1, batch_size)
        ]
        self.calls = 0

    def warm_up(self) -> np.ndarray:
        """The outputs of the first batch as one vector."""
        outputs = [np.ravel(output) for output in self.run(self.batches[0])]
        for _ in range(WARM_UP):
            self.once()
        return np.concatenate(outputs)

    def turn(self) -> list[float]:
        """Seconds of each call. The first, into cold caches and maybe beside another mode's last threads, does not count."""
        self.once()
        seconds: list[float] = []
        while sum(seconds) < TURN_SECONDS and len(seconds) < TURN_CALLS:
            seconds.append(self.once())
        return seconds

    def once(self) -> float:
        """Seconds of a call with the next batch."""
        batch = self.batches[self.calls % len(self.batches)]
        self.calls += 1
        start = time.perf_counter()
        self.run(batch)
        return time.perf_counter() - start


def peak_memory() -> int:
    """Bytes that this process has held at most.

    getrusage's maximum is not enough on Linux: it starts from that of the process which made this one.
    """
    status = pathlib.Path('/proc/self/status')
    if status.exists():
        fields = dict(line.split(':', 1) for line in status.read_text().splitlines())
        return int(fields['VmHWM'].split()[0]) * 1024
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
