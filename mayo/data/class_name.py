"""The two names of a class, and the files that hold such names, one a line."""

import pathlib
from typing import Any, NamedTuple

from mayo.util.errors import UserError
from mayo.util.files import shown, text_of
from mayo.util.kinds import Kind


class ClassName(NamedTuple):
    """A class: what the source calls it (the name of its folder), and the name to show."""

    key: str
    text: str


def _read(value: Any) -> str | list[str]:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(name, str | int) and not isinstance(name, bool) for name in value):
        raise ValueError
    return [str(name) for name in value]


# null, true and 1e5 would be other names than those that the user wrote; a whole number is its digits.
CLASSES = Kind('a file, or a list of names; in quotes where YAML takes a name for a number, a truth or null', _read)


def checked_name(name: str) -> str:
    """The name of a class. UserError: it is no text that a line of a UTF-8 file can hold."""
    if not is_text(name):
        raise UserError(f'the name of the class {name!r} is no UTF-8 text; rename its folder.')
    if '\n' in name or '\r' in name:
        raise UserError(f'the name of the class {name!r} has a line break in it; rename its folder.')
    return name


def is_text(name: str) -> bool:
    """Whether a name that the file system gives is text, and not bytes that no encoding explains."""
    return not any('\ud800' <= character <= '\udfff' for character in name)


def lines_of(path: pathlib.Path) -> list[str]:
    """The lines of a text file, divided by line feeds and nothing else: a name may hold any other character."""
    if not path.is_file():
        raise UserError(f'{shown(path)} is no file, expected names, one a line.')
    text = text_of(path.read_bytes(), shown(path))
    return [line.removesuffix('\r') for line in text.removesuffix('\n').split('\n')] if text else []
