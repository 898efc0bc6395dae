"""Ctrl-C and SIGTERM, taken note of: so that a training can save first, and so that none is lost in an error of other code."""

import signal
import threading
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any, Self

BOTH = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While the block runs, each signal is noted. The first `patience` signals do no more; the next raises KeyboardInterrupt.

    Its argument is the signal: 128 more is the exit status. A signal after that ends the process at once. Only the main thread
    of a process may listen to signals; in another, nothing is ever noted.
    """

    def __init__(self, patience: int, signals: Iterable[signal.Signals] = BOTH) -> None:
        self.patience, self.signals = patience, tuple(signals)
        self.noted = 0
        self.last: int = signal.SIGINT
        self._before: dict[signal.Signals, Any] = {}

    @property
    def error(self) -> KeyboardInterrupt:
        """What to raise where a signal that was noted is heeded."""
        return KeyboardInterrupt(self.last)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.signals}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted += 1
        self.last = number
        if self.noted > self.patience:
            for each in self._before:
                signal.signal(each, signal.SIG_DFL)
            raise self.error


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status of a process that a signal interrupted: 130 after SIGINT, 143 after SIGTERM."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else signal.SIGINT
    return 128 + int(number)
