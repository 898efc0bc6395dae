r"""TensorFlow's state file, `checkpoint`: the latest of a folder and those that are kept, as a text-format protocol buffer.

    model_checkpoint_path: "D:\\net\\model.ckpt-9000"       # text in either quotes, with C's escapes
    all_model_checkpoint_paths: 'caf\303\251'               # of bytes: UTF-8

Files that other machines wrote hold paths of theirs, of which the last part counts: the file of that name here.
Fields that only TensorFlow uses are passed over.
"""

import pathlib
import re
import zlib
from collections.abc import Iterable
from typing import NamedTuple

_QUOTED = r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\''
_FIELD = re.compile(
    rf'(?:#[^\n]*|(?<!\w)(?P<field>model_checkpoint_path|all_model_checkpoint_paths)\s*:\s*(?P<text>(?:(?:{_QUOTED})\s*)+)|{_QUOTED})'
)
_ESCAPE = re.compile(rb'\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))', re.DOTALL)
_CHECKSUM = re.compile(rb'^# crc32 ', re.MULTILINE)  # the last line of a file of ours; to TensorFlow it is a comment
_SIMPLE = {b'n': b'\n', b't': b'\t', b'r': b'\r', b'a': b'\a', b'b': b'\b', b'f': b'\f', b'v': b'\v'}


class State(NamedTuple):
    """The names in a state file: of the latest checkpoint, and of those kept, oldest first.

    is_damaged: the file ends with a checksum, and that is of another content.
    """

    latest: str | None
    kept: list[str]
    is_damaged: bool = False


def parse(content: bytes) -> State:
    r"""What a state file says; of what is no such file, nothing.

    >>> parse(rb'model_checkpoint_path: "D:\\net\\a-9" all_model_checkpoint_paths: "/net/it\'s-8"')
    State(latest='a-9', kept=["it's-8"], is_damaged=False)
    """
    latest, kept = None, []
    for match in _FIELD.finditer(content.decode('utf-8', 'surrogateescape')):
        if match['field']:
            path = ''.join(_unquoted(quoted) for quoted in re.findall(_QUOTED, match['text']))
            name = _last_part(path)
            if match['field'] == 'model_checkpoint_path':
                latest = name
            else:
                kept.append(name)
    before, *checksum = _CHECKSUM.split(content)
    return State(latest, kept, bool(checksum) and [part.strip() for part in checksum] != [_checksum(before)])


def text(latest: str | None, kept: Iterable[str]) -> str:
    """The state file that says so."""
    lines = [] if latest is None else [f'model_checkpoint_path: {_quoted(latest)}']
    content = '\n'.join([*lines, *(f'all_model_checkpoint_paths: {_quoted(name)}' for name in kept)]) + '\n'
    return f'{content}# crc32 {_checksum(content.encode()).decode()}\n'


def _checksum(content: bytes) -> bytes:
    return f'{zlib.crc32(content):08x}'.encode()


def _last_part(path: str) -> str:
    is_windows = re.match(r'[A-Za-z]:[\\/]|\\\\', path) is not None
    return (pathlib.PureWindowsPath if is_windows else pathlib.PurePosixPath)(path).name


def _unquoted(quoted: str) -> str:
    def value(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, short, long, other = match.groups()
        if octal or hexadecimal:
            return bytes([int(octal or hexadecimal, 8 if octal else 16) & 0xFF])
        if short or long:
            number = int(short or long, 16)
            return chr(number).encode('utf-8', 'surrogatepass') if number <= 0x10FFFF else b'?'
        return _SIMPLE.get(other, other)

    content = _ESCAPE.sub(value, quoted[1:-1].encode('utf-8', 'surrogateescape'))
    return content.decode('utf-8', 'surrogateescape')


def _quoted(name: str) -> str:
    """In double quotes; every byte but printable ASCII as three octal digits, so that what follows it is not read with it."""
    inner = ''.join(
        f'\\{byte:03o}' if not 32 <= byte < 127 else f'\\{chr(byte)}' if byte in b'"\\\'' else chr(byte)
        for byte in name.encode('utf-8', 'surrogateescape')
    )
    return f'"{inner}"'
