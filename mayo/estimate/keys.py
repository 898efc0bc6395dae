"""What may stand under the keys that layer types declare, by name of the key, and the one form that code reads."""

from collections.abc import Callable, Mapping
from typing import Any

from mayo.util.errors import UserError


def check(key: str, value: Any) -> Any:
    """`value` in one form: 3 and [3, 3] are (3, 3), `global` is None. Errors: UserError that says what was expected.

    >>> check('kernel_size', 3), check('kernel_size', 'global'), check('padding', [1, 0]), check('num_outputs', 64.0)
    ((3, 3), None, (1, 0), 64)
    """
    if key not in _CHECKS:
        return value
    read, expected = _CHECKS[key]
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f'is {_shown(value)}, expected {expected}.') from None


def _whole(value: Any, least: int = 1) -> int:
    if isinstance(value, bool | str) or int(value) != value or value < least:
        raise ValueError
    return int(value)


def _pair(value: Any, least: int = 1) -> tuple[int, int]:
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return _whole(height, least), _whole(width, least)


def _kernel(value: Any) -> tuple[int, int] | None:
    return None if value in (None, 'global') else _pair(value)


def _padding(value: Any) -> str | tuple[int, int]:
    if isinstance(value, str):
        return {'same': 'same', 'valid': 'valid'}.get(value.lower()) or _pair(None)
    return _pair(value, 0)


def _sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    vertical, horizontal = value if isinstance(value, list | tuple) else (value, value)
    return _pair(vertical, 0), _pair(horizontal, 0)


def _axes(value: Any) -> tuple[int, ...]:
    return tuple(_whole(axis, -3) for axis in (value if isinstance(value, list | tuple) else [value]))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return value


def _fraction(value: Any) -> float:
    if not 0 < _number(value) <= 1:
        raise ValueError
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value or {}, Mapping):
        raise ValueError
    return dict(value or {})


_WHOLE = (_whole, 'a whole number, 1 or more')
_FRACTION = (_fraction, 'a number in (0, 1]')
_NUMBER = (_number, 'a number')
_BOOLEAN = (_boolean, 'true or false')
_MAPPING = (_mapping, 'a mapping')
_CHECKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    'kernel_size': (_kernel, 'a whole number, 1 or more, [height, width], or `global`'),
    'stride': (_pair, 'a whole number, 1 or more, or [height, width]'),
    'padding': (_padding, '`same`, `valid`, a whole number, or [height, width]'),
    'sides': (_sides, 'a whole number, [height, width], or [[top, bottom], [left, right]]'),
    'channels': (lambda value: _pair(value, 0), 'a whole number, or [before, after]'),
    'axis': (_axes, '1 (height), 2 (width), 3 or -1 (channels), or a list of them'),
    'num_outputs': _WHOLE,
    'num_groups': _WHOLE,
    'depth_multiplier': _WHOLE,
    'block_size': _WHOLE,
    'depth_radius': _WHOLE,
    'bias': _NUMBER,
    'alpha': _NUMBER,
    'beta': _NUMBER,
    'keep_prob': _FRACTION,
    'momentum': _FRACTION,
    'epsilon': _FRACTION,
    'keepdims': _BOOLEAN,
    'whole': _BOOLEAN,
    'trainable': _BOOLEAN,
    'center': _BOOLEAN,
    'scale': _BOOLEAN,
    'normalizer_params': _MAPPING,
    'gate_params': _MAPPING,
}


def _shown(value: Any) -> str:
    return 'null' if value is None else str(value).lower() if isinstance(value, bool) else str(value)
