"""The names inside a model or a module: its layers and values, the entries of its graph, its arguments."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mayo.config.arith import ARGUMENT, Deferred
from mayo.util.errors import UserError, did_you_mean

ENTRY_KEYS = ('from', 'with', 'to')
MODULE_KEYS = ('type', 'kwargs', 'inputs', 'outputs', 'layers', 'graph')


@dataclass(frozen=True, order=True)
class Ref:
    """A vertex: a layer, or a value that an entry names, which stands for the one thing it comes from."""

    name: str
    is_layer: bool


@dataclass(frozen=True)
class Scope:
    """The model, or one placed module: names inside it are its own."""

    key: str  # dotted configuration key: model, model.layers.fire
    path: str  # before the names of its layers: '', 'fire/'
    layers: Any
    graph: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what ^(name) stands for

    def layer(self, name: str) -> Ref:
        """The layer of that name."""
        return Ref(self.path + name, is_layer=True)

    def value(self, name: str) -> Ref:
        """The value that an entry calls so."""
        return Ref(self.path + name, is_layer=False)

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """What the configuration says of each layer, by name; keys with _ are none."""
        return {str(name): params for name, params in self.layers.items() if not str(name).startswith('_')}


@dataclass(frozen=True)
class Entry:
    """One `{from, with, to}` of a graph. where: the start of a message about it."""

    source: tuple[str, ...]
    through: tuple[str, ...]
    to: tuple[str, ...]
    where: str

    @classmethod
    def read(cls, entry: Any, where: str) -> 'Entry':
        """Checked. Errors: UserError."""
        if not isinstance(entry, Mapping):
            raise UserError(f'{where} is {brief(entry)}, expected {{from: input, with: [...], to: output}}.')
        for key in without_scratch(entry):
            if key not in ENTRY_KEYS:
                hint = did_you_mean(key, ENTRY_KEYS) or '; known: from, with, to.'
                raise UserError(f'{where}: unknown key `{key}`{hint}')
        names = {key: _names(entry.get(key), f'{where}.{key}') for key in ENTRY_KEYS}
        for key in ('from', 'to'):
            if not names[key]:
                raise UserError(f'{where}: `{key}` is missing; an entry is {{from: input, with: [...], to: output}}.')
        return cls(names['from'], names['with'], names['to'], where)


def module_scope(outer: Scope, path: str, key: str, params: Mapping[str, Any], where: str, strict: bool = True) -> Scope:
    """The scope inside a module: its `kwargs`, each with its default or what the layer gives instead.

    strict: another key is an error; the original Mayo took any.
    """
    kwargs = params.get('kwargs') or {}
    if not isinstance(kwargs, Mapping):
        raise UserError(f'{where}.kwargs is {brief(kwargs)}, expected a mapping of names and defaults.')
    known = [*MODULE_KEYS, *kwargs]
    for name in without_scratch(params) if strict else ():
        if name not in known:
            hint = did_you_mean(name, known) or f'; known: {", ".join(known)}.'
            raise UserError(f'{where}: unknown key `{name}`{hint}')
    for name in ('layers', 'graph'):
        if name not in params:
            raise UserError(f'{where}: a module needs `{name}`.')
    given = {
        name: substitute(params.get(name, default), outer.arguments, f'{where}.{name}') for name, default in kwargs.items()
    }
    ends = {
        name: _names(substitute(params.get(name), outer.arguments, where), f'{where}.{name}') for name in ('inputs', 'outputs')
    }
    return Scope(
        key,
        f'{path}/',
        params['layers'],
        params['graph'],
        ends['inputs'] or ('input',),
        ends['outputs'] or ('output',),
        {**outer.arguments, **given},
    )


def substitute(value: Any, arguments: Mapping[str, Any], where: str) -> Any:
    """`value` with each `^(name)` replaced by the argument of the module; alone it keeps the argument's type.

    An expression of `!arith` in which one stands is computed now.

    Errors: UserError, which starts with `where`, for a name that is no argument.

    >>> substitute({'stride': '^(stride)', 'with': ['^(kind)_shortcut']}, {'stride': 2, 'kind': 'conv'}, 'b1')
    {'stride': 2, 'with': ['conv_shortcut']}
    """

    def argument(name: str) -> Any:
        if name in arguments:
            return arguments[name]
        hint = did_you_mean(name, arguments) if arguments else '; it has a meaning only inside a module.'
        raise UserError(f'{where}: ^({name}) is not among the kwargs of a module around it{hint or "."}')

    if isinstance(value, Deferred):
        try:
            return value.compute(argument)
        except ValueError as error:
            raise UserError(f'{where}: !arith {value}: {error}.') from None
    if isinstance(value, str):
        whole = ARGUMENT.fullmatch(value.strip())
        return argument(whole[1]) if whole else ARGUMENT.sub(lambda match: str(argument(match[1])), value)
    if isinstance(value, Mapping):
        return {key: substitute(item, arguments, where) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, arguments, where) for item in value]
    return value


def without_scratch(params: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that do not start with _."""
    return {str(key): value for key, value in params.items() if not str(key).startswith('_')}


def brief(value: Any) -> str:
    """`value` in at most 60 characters."""
    text = 'null' if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + '...'


def _names(value: Any, where: str) -> tuple[str, ...]:
    """A name or a list of names, as YAML gives it."""
    values = [] if value is None else value if isinstance(value, list | tuple) else [value]
    for name in values:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise UserError(f'{where} has {brief(name)}, expected a name or a list of names.')
    return tuple(str(name) for name in values)
