"""How far a long work is: a bar in a terminal, a plain line every so many seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

import tqdm

_BAR_SECONDS = 0.5


class Progress:
    """Shows `done` of `total` images, what goes with it, images/s and the time left, on standard error.

    As a context manager; `due()` says when it is time to hand it news, so that nobody computes what nobody reads.
    """

    def __init__(
        self,
        name: str,
        total: int,
        done: int = 0,
        every_seconds: float = 30.0,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self.stream = stream or sys.stderr
        self.name, self.total, self.quiet = name, total, quiet
        self.in_terminal = self.stream.isatty()
        self.every_seconds = _BAR_SECONDS if self.in_terminal else every_seconds
        self.first = self.done = done
        self.started = self.shown = time.monotonic()
        self.bar: tqdm.tqdm | None = None

    def __enter__(self) -> Self:
        if self.in_terminal and not self.quiet:
            self.bar = tqdm.tqdm(
                desc=self.name,
                total=self.total,
                initial=self.first,
                unit='images',
                unit_scale=True,
                file=self.stream,
                dynamic_ncols=True,
                leave=False,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()

    def due(self) -> bool:
        """Whether `every_seconds` have passed since something was shown."""
        return time.monotonic() - self.shown >= self.every_seconds

    def show(self, done: int, news: str = '') -> None:
        """Show that `done` images are done, with `news`."""
        self.shown = time.monotonic()
        self.done = done
        if self.quiet:
            return
        if self.bar is not None:
            self.bar.n = done
            self.bar.set_postfix_str(news)  # and draws the bar
        else:
            print(self._line(news), file=self.stream, flush=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        if not self.quiet:
            if self.bar is not None:
                self.bar.clear()
            print(line, file=self.stream, flush=True)

    def _line(self, news: str) -> str:
        seconds = max(self.shown - self.started, 1e-9)
        rate = (self.done - self.first) / seconds
        left = f', {duration((self.total - self.done) / rate)} left' if rate else ''
        note = f', {news}' if news else ''
        return f'{self.name}: {self.done} of {self.total} images{note}, {rate:.0f} images/s{left}'


def duration(seconds: float) -> str:
    """Time as people say it.

    >>> duration(42), duration(600), duration(7500)
    ('42 s', '10 min', '2 h 5 min')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{minutes} min' if minutes < 120 else f'{minutes // 60} h {minutes % 60} min'
