"""The keys that a thing takes in YAML are the fields of its dataclass; the annotation of a field says what it may be.

    @dataclass(frozen=True, kw_only=True)
    class Pool:
        kernel_size: Window = None              # Annotated[tuple[int, int] | None, a Kind]
        stride: Pair = (2, 2)

    read(Pool, {'stride': 1}, place_of, '`max_pool`')       Pool(kernel_size=None, stride=(1, 1))
    as_yaml(Pool(stride=(1, 1)))                        {'stride': 1}

A field that is itself such a dataclass, `gate_params: GateParams`, is read from a mapping.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from mayo.config.dialect import is_layer_key
from mayo.config.names import Spec, object_spec
from mayo.layers import shape
from mayo.layers.functions import PACKAGE, short_name
from mayo.util import kinds
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.kinds import Kind

PlaceOf = Callable[[str], str]  # from a key, or '' for the thing itself, to the start of a message
Thing = TypeVar('Thing')
REQUIRED: Any = dataclasses.MISSING


class Reader(Protocol):
    """What a value of YAML is read with: a Kind, or what tells its own story of what is wrong."""

    def checked(self, value: Any, where: str) -> Any:
        """The value in the form that code uses. where: the start of a message. Errors: UserError."""


@dataclasses.dataclass(frozen=True)
class Named:
    """What names an object of a package, as mayo.config.names reads it: a name, {type: name, ...} or null.

    more: the key whose mapping has further arguments of the object, if there is one.
    """

    package: str
    more: str = ''

    def checked(self, value: Any, where: str) -> Spec | None:
        """The object. Errors: UserError, which starts with `where`."""
        if value is None:
            return None
        spec = object_spec(value, where)
        if not spec.name.startswith(self.package):
            raise UserError(f'{where}: {spec.name} is none of those in {self.package.removesuffix(".")}.')
        return spec


def _window(value: Any) -> shape.Window | None:
    return None if value in (None, 'global') else WINDOW.read(value)


def _padding(value: Any) -> Any:
    """Numbers as (height, width), where above is as below and left as right, or else as ((above, below), (left, right))."""
    if isinstance(value, str):
        return kinds.choice('same', 'valid').read(value.lower())
    rows, columns = SIDES.read(value)
    return (rows[0], columns[0]) if rows[0] == rows[1] and columns[0] == columns[1] else (rows, columns)


def _channel_axis(value: Any) -> int:
    if kinds.whole(-1).read(value) not in (3, -1):
        raise ValueError
    return -1


def _trainable(value: Any) -> bool | str:
    return value if value == 'norm' else kinds.FLAG.read(value)


def _axes(value: Any) -> tuple[int, ...]:
    return tuple(kinds.whole(-3).read(axis) for axis in (value if isinstance(value, list | tuple) else [value]))


COUNT = kinds.whole(1)
PAIR = kinds.pair_of(COUNT, f'{COUNT.expected}, or [height, width]')
WINDOW = kinds.pair_of(kinds.or_null(COUNT), f'{COUNT.expected}, [height, width], where null is all of it, or `global`')
AROUND = kinds.pair_of(kinds.whole(0), 'a whole number from 0 up, or [height, width]')
SIDES = kinds.pair_of(AROUND, 'a whole number from 0 up, [height, width], or [[top, bottom], [left, right]]')

Count = Annotated[int, COUNT]
Pair = Annotated[tuple[int, int], PAIR]
Window = Annotated[shape.Window | None, Kind(WINDOW.expected, _window)]
Padding = Annotated[
    shape.Padding,
    Kind(
        '`same`, `valid`, a whole number from 0 up, [height, width], or [[top, bottom], [left, right]]',
        _padding,
        ('same', 'valid'),
    ),
]
Sides = Annotated[tuple[tuple[int, int], tuple[int, int]], SIDES]
Channels = Annotated[tuple[int, int], kinds.pair_of(kinds.whole(0), 'a whole number from 0 up, or [before, after]')]
Axes = Annotated[tuple[int, ...], Kind('1 (height), 2 (width), 3 or -1 (channels), or a list of them', _axes)]
AnyAxes = Annotated[
    tuple[int, ...] | None, kinds.or_null(Kind('1 (height), 2 (width), 3 or -1 (channels), or a list of them', _axes))
]
ChannelAxis = Annotated[int, Kind('3 or -1, the channels', _channel_axis)]
Flag = Annotated[bool, kinds.FLAG]
Number = Annotated[float, kinds.NUMBER]
Fraction = Annotated[float, kinds.FRACTION]
Trainable = Annotated[bool | str, Kind('true, false, or `norm`', _trainable, ('norm',))]
Activation = Annotated[Spec | None, Named(PACKAGE, more='activation_params')]
Function = Annotated[Spec, Named(PACKAGE)]  # an activation that cannot be left out
Normalizer = Annotated[Spec | None, Named('keras.layers.', more='normalizer_params')]
Initializer = Annotated[Spec | None, Named('keras.initializers.')]
Regularizer = Annotated[Spec | None, Named('keras.regularizers.')]


@dataclasses.dataclass(frozen=True)
class Key:
    """kind: what reads the value, or the dataclass of a mapping; default: REQUIRED if there is none."""

    kind: Reader | type
    default: Any

    def checked(self, value: Any, where: str) -> Any:
        """The value, or the dataclass that a mapping describes, as code uses it. Errors: UserError."""
        if isinstance(self.kind, type):
            return read(self.kind, value, lambda inner: f'{where}.{inner}' if inner else where, f'`{where}`')
        return self.kind.checked(value, where)


def keys_of(thing: type[Any]) -> dict[str, Key]:
    """The keys of a dataclass, its own before those of what it extends. Errors: TypeError for a field that no kind reads."""
    return _keys_of(typing.cast('Hashable', thing))


@functools.cache
def _keys_of(thing: Any) -> dict[str, Key]:
    hints = typing.get_type_hints(thing, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(thing)}
    own_first = dict.fromkeys(
        name for part in thing.__mro__ for name in vars(part).get('__annotations__', ()) if name in fields
    )
    return {name: Key(_kind(thing, name, hints[name]), _default(fields[name])) for name in own_first}


def known_keys(thing: type[Any]) -> list[str]:
    """Every key that YAML may have: those of `keys_of`, and those that hold arguments of another."""
    keys = keys_of(thing)
    return [*keys, *(key.kind.more for key in keys.values() if isinstance(key.kind, Named) and key.kind.more)]


def read(thing: type[Thing], given: Any, place_of: PlaceOf, called: str) -> Thing:
    """The dataclass `thing` with the values of YAML, each checked and in one form, and its defaults.

    called: the thing, in messages. Keys that start with `_` are left alone. Errors: UserError, every problem on a line.
    """
    if given is not None and not isinstance(given, Mapping):
        raise UserError(f'{place_of("")} is {kinds.shown(given)}, expected a mapping.')
    given = {str(key): value for key, value in (given or {}).items() if not str(key).startswith('_')}
    known = known_keys(thing)
    problems = Problems()
    for name in given:
        if name not in known and not is_layer_key(name):
            hint = did_you_mean(name, known) or f'; known: {", ".join(known) or "none"}.'
            problems.append(f'{place_of(name)}: {called} takes no such key{hint}')
    values = {}
    for name, key in keys_of(thing).items():
        if key.default is REQUIRED and given.get(name) is None:
            problems.append(f'{place_of("")}: {called} needs {name}.')
        elif name in given or (isinstance(key.kind, Named) and key.kind.more in given):
            with problems.collecting():
                values[name] = _read(key, name, given, place_of)
    problems.raise_any()
    return thing(**values)


def as_yaml(thing: Any) -> dict[str, Any]:
    """The keys of a dataclass that are not as their defaults, as people write them; `read` gives the same again."""
    values: dict[str, Any] = {}
    for name, key in keys_of(type(thing)).items():
        value = getattr(thing, name)
        if value == key.default:
            continue
        if isinstance(value, Spec) and isinstance(key.kind, Named) and key.kind.more and value.kwargs:
            values |= {name: value.name, key.kind.more: _plain(value.kwargs)}
        else:
            values[name] = (
                as_yaml(value) if dataclasses.is_dataclass(type(value)) and type(value) is key.kind else _plain(value)
            )
    return values


def _kind(thing: type, name: str, hint: Any) -> Reader | type:
    for kind in getattr(hint, '__metadata__', (hint,)):
        if hasattr(kind, 'checked') or (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            return kind
    raise TypeError(
        f'{thing.__name__}.{name} does not say what it may be; annotate it with a kind, as mayo/layers/keys.py has them.'
    )


def _default(field: 'dataclasses.Field[Any]') -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _read(key: Key, name: str, given: Mapping[str, Any], place_of: PlaceOf) -> Any:
    value = given.get(name, key.default)
    if isinstance(key.kind, type):
        return read(key.kind, value, lambda inner: place_of(f'{name}.{inner}' if inner else name), f'`{name}`')
    if isinstance(key.kind, Named) and key.kind.more:
        more = kinds.or_null(kinds.MAPPING).checked(given.get(key.kind.more), place_of(key.kind.more))
        value = _with_arguments(value, more or {})
    return key.kind.checked(value, place_of(name))


def _with_arguments(value: Any, more: Mapping[str, Any]) -> Any:
    """What a name or a {type: name, ...} says with further arguments."""
    if isinstance(value, Spec):  # the default
        value = {'type': value.name, **value.kwargs}
    if value is None or not more:
        return value
    return {**(value if isinstance(value, Mapping) else {'type': value}), **more}


def _plain(value: Any) -> Any:
    """A value as YAML usually has it: a short name, one number for a pair of the same."""
    if isinstance(value, Spec):
        name = short_name(value)
        return {'type': name, **_plain(value.kwargs)} if value.kwargs else name
    if isinstance(value, tuple):
        parts = [_plain(part) for part in value]
        is_pair = len(parts) == 2 and parts[0] == parts[1] and not isinstance(parts[0], list)
        return parts[0] if is_pair else parts
    if isinstance(value, Mapping) and 'class_name' in value:  # an initializer, as mayo.config.names gives it to Keras
        return {'type': f'{value["module"]}.{value["class_name"]}', **value['config']}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
