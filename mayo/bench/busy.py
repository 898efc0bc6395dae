"""Other processes that compute while networks are timed, as on a machine that is shared."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.synchronize import Semaphore

from mayo.util.errors import RunError

PATIENCE = 120  # seconds until a process has to have started
WORK = 20_000  # numbers that are added up between looks for the parent


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """While it lasts, `count` processes do nothing but compute. Errors: RunError if one does not start."""
    context = multiprocessing.get_context('spawn')
    started = context.Semaphore(0)
    processes = [context.Process(target=compute, args=(os.getpid(), started), daemon=True) for _ in range(count)]
    try:
        for process in processes:
            process.start()
        if not all(started.acquire(timeout=PATIENCE) for _ in processes):
            raise RunError(f'bench.busy: a process that computes did not start within {PATIENCE} s.')
        yield
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def compute(parent: int, started: Semaphore) -> None:
    """Add numbers until killed, or until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells when to end
    started.release()
    while os.getppid() == parent:
        sum(range(WORK))
