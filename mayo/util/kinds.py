"""What a value of the configuration may be: the one vocabulary of settings, keys of layers, gates, steps and named objects.

A `Kind` knows what to tell the user that is expected, and reads a value into the one form that code uses:

    whole(1).read(64.0)         64
    FRACTION.read(float('nan')) ValueError
    FRACTION.checked(1.5, 'command line: _gate.density')
                                UserError: command line: _gate.density is 1.5, expected a number in (0, 1].

A number is an int or a float, finite, and neither true nor false, wherever one is expected.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mayo.util.errors import UserError, did_you_mean
from mayo.util.format import amount

_MOST = 2**53  # whole numbers up to here every format and library holds exactly


class _TooLarge(ValueError):
    """A whole number that exceeds _MOST."""


class Kind:
    """What is expected, as a sentence ends: 'a number in (0, 1]'.

    read: the value in the form that code uses; ValueError, TypeError or OverflowError for a value that does not fit.
    names: those that a text may be, for the nearest one in messages.
    Either text may be a function that gives it, called only when somebody is told.
    """

    def __init__(
        self,
        expected: str | Callable[[], str],
        read: Callable[[Any], Any],
        names: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
    ) -> None:
        self._expected, self.read, self._names = expected, read, names

    @property
    def expected(self) -> str:
        """What a message says after `expected`."""
        return self._expected() if callable(self._expected) else self._expected

    @property
    def names(self) -> tuple[str, ...]:
        """The texts that fit, if they are a list of names."""
        return self._names() if callable(self._names) else self._names

    def fits(self, value: Any) -> bool:
        """Whether `read` takes the value."""
        try:
            self.read(value)
        except (ValueError, TypeError, OverflowError):
            return False
        return True

    def checked(self, value: Any, where: str) -> Any:
        """The value as `read` gives it. where: the start of the message. Errors: UserError."""
        try:
            return self.read(value)
        except _TooLarge:
            raise UserError(f'{where} is {shown(value)}, expected {self.expected}, at most {_MOST}.') from None
        except (ValueError, TypeError, OverflowError):
            hint = did_you_mean(value, self.names) if isinstance(value, str) else ''
            raise UserError(f'{where} is {shown(value)}, expected {self.expected}{hint or "."}') from None


def shown(value: Any) -> str:
    """A value as YAML writes it, for the short ones that people type.

    >>> shown(None), shown(True), shown(1.5), shown('ab'), shown(''), shown([1, None]), shown(math.nan)
    ('null', 'true', '1.5', 'ab', "''", '[1, null]', '.nan')
    """
    if value is None or isinstance(value, bool):
        return {None: 'null', True: 'true', False: 'false'}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return '.nan' if math.isnan(value) else '.inf' if value > 0 else '-.inf'
    if isinstance(value, list | tuple):
        return f'[{", ".join(map(shown, value))}]'
    if isinstance(value, Mapping):
        return f'{{{", ".join(f"{key}: {shown(inner)}" for key, inner in value.items())}}}'
    return str(value) if str(value).strip() and '\0' not in str(value) else repr(value)


def when(expected: str, fits: Callable[[Any], bool]) -> Kind:
    """A kind whose values are used as they are, if `fits` says so."""

    def read(value: Any) -> Any:
        if not fits(value):
            raise ValueError
        return value

    return Kind(expected, read)


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number; true and false are none.

    >>> [is_number(value) for value in (1, 0.5, True, '1', float('nan'), float('inf'), 10 ** 400)]
    [True, True, False, False, False, False, False]
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def number(expected: str, fits: Callable[[float], bool] = lambda value: True) -> Kind:
    """A number for which `fits` holds."""
    return when(expected, lambda value: is_number(value) and fits(value))


def whole(least: int | None = None) -> Kind:
    """A whole number, from `least` up if that is given; 64.0 is one, what exceeds 2**53 is none."""

    def read(value: Any) -> int:
        if not is_number(value) or int(value) != value or (least is not None and value < least):
            raise ValueError
        if abs(value) > _MOST:
            raise _TooLarge
        return int(value)

    return Kind('a whole number' if least is None else f'a whole number from {least} up', read)


def whole_between(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""

    def read(value: Any) -> int:
        checked = whole(least).read(value)
        if checked > most:
            raise ValueError
        return int(checked)

    return Kind(f'a whole number from {least} to {most}', read)


def choice(*names: str) -> Kind:
    """One of `names`."""
    return Kind(f'one of {", ".join(names)}', when('', lambda value: isinstance(value, str) and value in names).read, names)


def choice_of(look_up: Callable[[], Iterable[str]], *words: str) -> Kind:
    """One of `words`, or of the names that `look_up` gives, which is asked when a value that is none of the words is read.

    For names of a registry whose modules stand on a higher floor, or take time to import.
    """

    @functools.cache
    def whole_choice() -> Kind:
        names = tuple(look_up())
        return choice(*(word for word in words if word not in names), *names)

    def read(value: Any) -> Any:
        return value if value in words else whole_choice().read(value)

    return Kind(lambda: whole_choice().expected, read, lambda: whole_choice().names)


def each(kind: Kind, least: int = 1, lone: bool = False) -> Kind:
    """A list of `least` or more values of a kind. lone: text or a number by itself is a list of it."""

    def read(value: Any) -> list[Any]:
        if lone and (isinstance(value, str) or is_number(value)):
            value = [value]
        if not isinstance(value, list) or len(value) < least:
            raise ValueError
        return [kind.read(inner) for inner in value]

    return Kind(lambda: f'a list, each of it {kind.expected}', read, lambda: kind.names)


def or_null(kind: Kind) -> Kind:
    """What may also be null."""
    return Kind(
        lambda: f'{kind.expected}, or null', lambda value: None if value is None else kind.read(value), lambda: kind.names
    )


def pair_of(kind: Kind, expected: str) -> Kind:
    """One value for both, or a list of two: 3 and [3, 3] are (3, 3)."""

    def read(value: Any) -> tuple[Any, Any]:
        first, second = value if isinstance(value, list | tuple) else (value, value)
        return kind.read(first), kind.read(second)

    return Kind(expected, read, kind.names)


def mapping_of(**kinds: Kind) -> Kind:
    """A mapping with these keys and no other; one whose kind takes null may lack, and is read as null."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not value.keys() <= kinds.keys():
            raise ValueError
        return {key: kind.read(value.get(key)) for key, kind in kinds.items()}

    return Kind(f'{{{", ".join(f"{key}: " for key in kinds)}}}', read)


def values_of(kind: Kind) -> Kind:
    """A mapping of any names to values of a kind; it may be empty."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError
        return {key: kind.read(inner) for key, inner in value.items()}

    return Kind(lambda: f'a mapping of names to {kind.expected}', read, lambda: kind.names)


def either(*kinds: Kind) -> Kind:
    """What the first of the kinds reads that takes it."""

    def read(value: Any) -> Any:
        for kind in kinds:
            if kind.fits(value):
                return kind.read(value)
        raise ValueError

    return Kind(' or '.join(kind.expected for kind in kinds), read, tuple(name for kind in kinds for name in kind.names))


ANYTHING = when('anything', lambda value: True)
FLAG = when('true or false', lambda value: isinstance(value, bool))
TEXT = when('text', lambda value: isinstance(value, str) and '\0' not in value)  # which no path and no other file can hold
MAPPING = when('a mapping', lambda value: isinstance(value, Mapping))
NUMBER = number('a number')
AMOUNT = number('a number from 0 up', lambda value: value >= 0)
ABOVE_ZERO = number('a number above 0', lambda value: value > 0)
FRACTION = number('a number in (0, 1]', lambda value: 0 < value <= 1)
BELOW_ONE = number('a number in [0, 1)', lambda value: 0 <= value < 1)


def _is_name(value: Any) -> bool:
    """Whether a file or folder can be called so: anything else leads out of the folder in which it is to lie."""
    if not isinstance(value, str) or value in ('', '.', '..') or '/' in value:
        return False
    return len(value.encode('utf-8', 'surrogateescape')) <= 200 and not any(ord(character) < 32 for character in value)


NAME = when('a name: some text without / and line breaks, of up to 200 bytes, neither . nor ..', _is_name)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value != '' and '\0' not in value


PATHS = when(
    'a path, a glob or a URL, or a list of them',
    lambda value: bool(value) and all(map(_is_path, value)) if isinstance(value, list) else _is_path(value),
)
YAML_FILE = when(
    'a path that ends in .yaml', lambda value: _is_path(value) and value.endswith('.yaml') and not value.endswith('/.yaml')
)
AMOUNT_OF_MACS = when(
    'a number from 1 up, such as 30000000 or 30M',
    lambda value: (is_number(value) or isinstance(value, str)) and amount(value) >= 1,
)
