"""Where answers and messages go: `--json`, `--quiet`, `--verbose`, which may stand anywhere on a line.

--json      one document on standard output, docs/json.md says of what; everything else on standard error
--quiet     no bars and no notes on standard error, only warnings and errors
--verbose   more of them, each with the seconds since the start and the module that says it; TensorFlow's own, too;
            a mistake with the place in the code that noticed it
--full      of `version`: everything
"""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mayo import __version__
from mayo.util.schema import Schema, anything, listed, number, plain, record, text, whole

FORMAT = 1  # of the document: one more where a reader of the one before would not understand it
FLAGS = ('--json', '--quiet', '--verbose')
_SETTINGS = {'--full': 'version.full=true'}


class Wishes(NamedTuple):
    """The flags of a line, and the words without them."""

    words: list[str]
    json: bool
    quiet: bool
    verbose: bool


def wishes(words: Sequence[str]) -> Wishes:
    """The flags, wherever they stand.

    >>> wishes(['a.yaml', '--json', 'info'])
    Wishes(words=['a.yaml', 'info'], json=True, quiet=False, verbose=False)
    >>> wishes(['version', '--full']).words
    ['version.full=true', 'version']
    """
    given = [word for word in words if word in FLAGS or word in _SETTINGS]
    kept = [word for word in words if word not in given]
    first = [_SETTINGS[word] for word in dict.fromkeys(given) if word in _SETTINGS]
    return Wishes(first + kept, *(flag in given for flag in FLAGS))


def document(results: Schema) -> Schema:
    """The schema of what `--json` prints. results: of an element of `results`."""
    return record(
        'what a line of words came to',
        format=whole(f'of the document: {FORMAT}'),
        mayo=text('the version'),
        words=listed('of the command line', text('a word')),
        status=whole('exit status: 0 done, 1 the run failed, 2 a mistake in words or files, 130 or 143 a signal'),
        results=listed('of the actions, in their order, as far as they came', results),
        warnings=listed('told on standard error, too', text('a message')),
        errors=listed('why the status is not 0, a line each', text('a message')),
    )


def result(action: Schema, answer: Schema) -> Schema:
    """The schema of an element of `results`."""
    return record('of an action', action=action, seconds=number('from its start to its end'), result=answer)


DOCUMENT = document(result(text('its name'), anything('as its own schema says')))


class Output:
    """Takes what the actions answer, and at the end tells it, if that is to be JSON."""

    def __init__(self, wanted: Wishes) -> None:
        self.wanted = wanted
        self.results: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.action, self.started = '', time.monotonic()

    def begin(self, action: str) -> None:
        """An action begins."""
        self.action, self.started = action, time.monotonic()

    def put(self, data: Any, text: str | None) -> None:
        """An answer of the action, as data and as text; None or '' is nothing to print."""
        if self.wanted.json:
            seconds = round(time.monotonic() - self.started, 6)
            self.results.append({'action': self.action, 'seconds': seconds, 'result': plain(data)})
        elif text:
            print(text.rstrip('\n'), flush=True)

    def complain(self, message: str) -> None:
        """Tell why it did not work."""
        self.errors += message.splitlines()
        print(message, file=sys.stderr)

    @contextlib.contextmanager
    def streams(self) -> Iterator[None]:
        """While words are carried out: with `--json`, whatever is printed goes to standard error."""
        log = logging.getLogger('mayo')
        if not self.wanted.json:
            yield
            return
        log.addHandler(_Warnings(self.warnings))
        with contextlib.redirect_stdout(sys.stderr), _descriptors():
            yield

    def finish(self, status: int) -> None:
        """Print the document, if there is to be one."""
        if not self.wanted.json:
            return
        value = {
            'format': FORMAT,
            'mayo': __version__,
            'words': self.wanted.words,
            'status': status,
            'results': self.results,
            'warnings': self.warnings,
            'errors': self.errors,
        }
        print(json.dumps(value, indent=2, allow_nan=False), flush=True)


class _Warnings(logging.Handler):
    """Keeps the messages of warnings."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def _descriptors() -> Iterator[None]:
    """What libraries in C++, and processes that are started, write to standard output goes to standard error."""
    real, kept = sys.__stdout__, None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if real is not None and real.fileno() == 1:
            real.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
    try:
        yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
