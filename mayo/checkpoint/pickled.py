"""What a pickle says, read as data: nothing that it names is imported, nothing of it runs.

A pickle is a program for a machine with a stack. The machine here has the instructions that build numbers, texts, tuples, lists,
sets and dictionaries. A name (`GLOBAL`) is looked up in a closed table that the caller gives, and what may be called is what stands
in it; any other name is refused, and so are instructions that write attributes, or reserve memory that the file does not hold.

    value, end = read(content, {'collections.OrderedDict': Function(dict)}, 'weights.pth')
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mayo.util.errors import UserError

_MOST = 4_000_000  # instructions: a tensor takes about forty
_CONSTANTS = {
    'INT', 'BININT', 'BININT1', 'BININT2', 'LONG', 'LONG1', 'LONG4', 'FLOAT', 'BINFLOAT', 'UNICODE', 'BINUNICODE',
    'SHORT_BINUNICODE', 'BINUNICODE8', 'STRING', 'BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8',
}  # fmt: skip
_FIXED: dict[str, Callable[[], Any]] = {
    'NONE': lambda: None,
    'NEWTRUE': lambda: True,
    'NEWFALSE': lambda: False,
    'EMPTY_TUPLE': tuple,
    'EMPTY_LIST': list,
    'EMPTY_DICT': dict,
    'EMPTY_SET': list,
}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_PUTS, _GETS = ('PUT', 'BINPUT', 'LONG_BINPUT'), ('GET', 'BINGET', 'LONG_BINGET')
_KEYS = (str, int, float, bytes, type(None))  # of a dictionary: to hash a tuple can take forever


class Refused(Exception):
    """The pickle holds something that is not read here; the text says what."""


class Damaged(Exception):
    """What stands there is no pickle; the text says why."""


@dataclass(frozen=True)
class Function:
    """What a name of the table stands for if a pickle may call it, with positional arguments."""

    call: Callable[..., Any]


class Inert:
    """What a pickle has where it describes something that is not needed."""


def inert(*arguments: Any) -> Inert:
    """Nothing, whatever it is given."""
    return Inert()


def read(
    content: bytes, known: Mapping[str, Any], where: str, persistent: Callable[[Any], Any] | None = None, start: int = 0
) -> tuple[Any, int]:
    """The value of the pickle that begins at byte `start`, and the byte behind it.

    known: what the full name of a global stands for. persistent: what a persistent id stands for. Sets are lists here.
    UserError: the pickle is damaged, or holds what is not read here.
    """
    stream = io.BytesIO(content)
    stream.seek(start)
    try:
        return _Machine(known, persistent).run(stream), stream.tell()
    except Refused as error:
        raise UserError(f'{where}: {error}') from None
    except (Damaged, ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError, pickle.UnpicklingError) as error:
        raise UserError(f'{where}: the file is truncated or corrupt ({_reason(error)}).') from None


def _reason(error: Exception) -> str:
    lines = str(error).strip('\'"').splitlines()
    return lines[0][:120] if lines else type(error).__name__


class _Machine:
    """The stack, what is below the marks on it, and the memo."""

    def __init__(self, known: Mapping[str, Any], persistent: Callable[[Any], Any] | None) -> None:
        self.known, self.persistent = known, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count == _MOST:
                raise Refused(f'the pickle has more than {_MOST:,} instructions, which no file of weights needs.')
            if opcode.name == 'STOP':
                return self.stack.pop()
            self.do(opcode.name, argument)
        raise Damaged('the pickle has no end')

    def do(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _CONSTANTS:
            self.stack.append(argument)
        elif name in _FIXED:
            self.stack.append(_FIXED[name]())
        elif name in _TUPLES:
            self.stack.append(self._last(_TUPLES[name]))
        elif name in _PUTS:
            self.memo[argument] = self.stack[-1]
        elif name in _GETS:
            self.stack.append(self.memo[argument])
        else:
            instruction = getattr(self, f'_{name.lower()}', None)
            if instruction is None:
                raise Refused(f'the pickle holds the instruction {name}, which no tensor needs; nothing of it was run.')
            instruction(argument)

    def _last(self, count: int) -> tuple[Any, ...]:
        """The last values of the stack, taken from it."""
        if count > len(self.stack):
            raise Damaged('a tuple of more than there is')
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def _marked(self) -> list[Any]:
        """What stands above the last mark, taken from the stack."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def _proto(self, _: Any) -> None:
        """The version: every one is read."""

    _frame = _proto  # how much to read at once

    def _mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _tuple(self, _: Any) -> None:
        values = tuple(self._marked())
        self.stack.append(values)

    def _list(self, _: Any) -> None:
        values = self._marked()
        self.stack.append(values)

    _frozenset = _list

    def _dict(self, _: Any) -> None:
        values = self._marked()
        self.stack.append({})
        self._set(values)

    def _append(self, _: Any) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _appends(self, _: Any) -> None:
        values = self._marked()
        self._extend(values)

    _additems = _appends

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Damaged('an item for what is no list')
        self.stack[-1].extend(values)

    def _setitem(self, _: Any) -> None:
        self._set(list(self._last(2)))

    def _setitems(self, _: Any) -> None:
        values = self._marked()
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        if not isinstance(target, dict) or len(values) % 2:
            raise Damaged('an item for what is no dictionary')
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise Refused('a dictionary in it has keys that are no texts or numbers, which no file of weights has.')
            target[key] = value

    def _global(self, argument: str) -> None:
        self._find(*argument.split(' ', 1))

    def _stack_global(self, _: Any) -> None:
        self._find(*self._last(2))

    def _find(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Damaged('a name that is no text')
        full = f'{module}.{name}'
        if full not in self.known:
            raise Refused(
                f'the pickle names {full[:100]}, which is no part of a tensor; only tensors are read, '
                'and nothing of the file was run. Of a network in PyTorch, save its state_dict().'
            )
        self.stack.append(self.known[full])

    def _reduce(self, _: Any) -> None:
        function, arguments = self._last(2)
        if not isinstance(function, Function) or not isinstance(arguments, tuple):
            raise Refused('the pickle calls what is no part of a tensor; nothing of it was run.')
        self.stack.append(function.call(*arguments))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        """The attributes of an object: nothing that is read here has any."""
        if len(self.stack) < 2:
            raise Damaged('attributes of nothing')
        self.stack.pop()

    def _binpersid(self, _: Any) -> None:
        if self.persistent is None:
            raise Refused('the pickle speaks of what is not in it.')
        self.stack.append(self.persistent(self.stack.pop()))
