"""Errors that teach: what the user reads, and the exit status it ends with.

A `UserError` says that words, YAML or data files are wrong (exit 2); a `RunError`, that a correct request failed (exit 1).
Both print as their message alone. Anything else is a defect of ours and keeps its traceback.
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class MayoError(Exception):
    """A message for the user: where, what is wrong, what was expected, what to do."""

    exit_status = 1


class UserError(MayoError):
    """The user's words or files are wrong."""

    exit_status = 2


class RunError(MayoError):
    """The request was right, carrying it out failed."""


class Problems(list[str]):
    """Collects every problem of one kind, so that the user reads them all at once.

    >>> problems = Problems()
    >>> with problems.collecting():
    ...     raise UserError('conv0: unknown key `strid`; did you mean stride?')
    >>> problems
    ['conv0: unknown key `strid`; did you mean stride?']
    """

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Turn a `UserError` raised inside into a line of this list."""
        try:
            yield
        except UserError as error:
            self.append(str(error))

    def raise_any(self) -> None:
        """Raise one `UserError` with every distinct problem, a line each; nothing if there is none."""
        if self:
            raise UserError('\n'.join(dict.fromkeys(self)))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, or None if none is similar.

    >>> nearest('evl', ['eval', 'info'])
    'eval'
    """
    matches = difflib.get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: its nearest neighbour, or nothing.

    >>> did_you_mean('num_clases', ['num_classes', 'shape'])
    '; did you mean num_classes?'
    """
    match = nearest(name, names)
    return f'; did you mean {match}?' if match else ''
