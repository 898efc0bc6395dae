"""How one piece of plain text is typed: as PyYAML types it, without the surprises of YAML 1.1.

`1e-4` is a number, `010` is ten and not eight, `1:30` and `2024-01-01` are text.
"""

import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(('', '~', 'null', 'Null', 'NULL')),
    **{case(word): True for case in (str.lower, str.title, str.upper) for word in ('true', 'yes', 'on')},
    **{case(word): False for case in (str.lower, str.title, str.upper) for word in ('false', 'no', 'off')},
}
_INTEGER = re.compile(r'[-+]?[0-9][0-9_]*')
_RADIX = re.compile(r'[-+]?0(x[0-9a-fA-F_]+|b[01_]+|o[0-7_]+)')
_FLOAT = re.compile(r'[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?')
_SPECIAL = re.compile(r'([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)')
_MAX_DIGITS = 4000


def typed(text: str) -> bool | int | float | str | None:
    """The value that unquoted `text` stands for; ValueError for an absurdly long number.

    >>> [typed(text) for text in ('1e-4', '010', '0x1F', '1_000', '1:30', 'off', '', 'conv0')]
    [0.0001, 10, 31, 1000, '1:30', False, None, 'conv0']
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in '+-.0123456789':
        return text
    if len(text) > _MAX_DIGITS and _FLOAT.fullmatch(text):
        raise ValueError(f'a number of {len(text)} digits')
    digits = text.replace('_', '')
    if _INTEGER.fullmatch(text):
        return int(digits)
    if _RADIX.fullmatch(text) and digits[-1] not in 'xo':
        return int(digits, 0)
    if _FLOAT.fullmatch(text):
        return float(digits)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float(special[1] + 'inf') if special[2] else float('nan')
    return text


def text_of(value: bool | int | float | str | None) -> str:
    """The text that reads back as `value`, for embedding in other text.

    >>> text_of(True), text_of(None), text_of(0.5), text_of('x')
    ('true', 'null', '0.5', 'x')
    """
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return {'inf': '.inf', '-inf': '-.inf', 'nan': '.nan'}.get(repr(value), repr(value))
    return str(value)
