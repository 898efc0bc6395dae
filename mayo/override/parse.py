"""Overriders from YAML.

    overrider:
        weights:                                    what is overridden, see TARGETS
            prune: {type: mayo.override.DynamicNetworkSurgeryPruner, alpha: -0.5, _priority: 100}
            fixed: {type: mayo.override.FixedPointQuantizer, width: 8, point: 1}
        activation:
            fixed: {type: mayo.override.FixedPointQuantizer, width: 8, point: 4}
        gradient:
            weights: {...}

The members of a chain act by descending `_priority`, 0 without one, and of the same priority the later first. The older form is
`weights_overrider: {type: ...}`, or a list in the order in which they act.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from mayo.override.base import Overrider, overriders
from mayo.override.chain import ChainOverrider
from mayo.util.errors import UserError, did_you_mean, nearest
from mayo.util.kinds import is_number, shown

_PACKAGE = 'mayo.override.'
_PRIORITY = '_priority'
KEY = 'overrider'
OLD_KEY = re.compile(r'(?P<target>\w+)_overrider')
ACTIVATION, GRADIENT, ERROR = 'activation', 'gradient', 'error'
LINEAR = ('weights', 'biases', 'depthwise_weights', 'groupwise_weights', 'pointwise_weights', 'channel_scale')
VARIABLES = (*LINEAR, 'BatchNorm/gamma', 'BatchNorm/beta')
TARGETS = (*VARIABLES, ACTIVATION, GRADIENT)
GRADIENTS = (*LINEAR, ERROR)


def of_layer(settings: Mapping[str, Any], where: str) -> dict[str, Overrider]:
    """The overriders of a layer by what they override: 'weights', 'activation', 'gradient/weights', 'gradient/error'.

    settings: the layer's keys `overrider` and X_overrider with their values. where: the layer's place, for messages.
    """
    overriders = _of_targets(settings.get(KEY), f'{where}.{KEY}', TARGETS)
    for key, value in settings.items():
        match = OLD_KEY.fullmatch(key)
        if match and value:
            target = _known(match['target'], (*VARIABLES, ACTIVATION), f'{where}.{key}')
            if target in overriders:
                raise UserError(f'{where}.{key}: {KEY}.{target} overrides the same; keep one of them.')
            overriders[target] = _in_order(value, f'{where}.{key}')
    return overriders


def _of_targets(chains: Any, where: str, targets: tuple[str, ...]) -> dict[str, Overrider]:
    """{target: its overrider} from {target: {label: {type: ...}}}."""
    overriders: dict[str, Overrider] = {}
    for target, labels in _mapping(chains, where, 'what is overridden').items():
        _known(target, targets, where)
        if isinstance(labels, Overrider):  # of code, not of YAML
            overriders[target] = labels
        elif target == GRADIENT and targets is not GRADIENTS:
            inside = _of_targets(labels, f'{where}.{target}', GRADIENTS)
            overriders |= {f'{GRADIENT}/{name}': chain for name, chain in inside.items()}
        elif (chain := _by_priority(labels, f'{where}.{target}')) is not None:
            overriders[target] = chain
    return overriders


def _by_priority(labels: Any, where: str) -> Overrider | None:
    """The chain of {label: {type: ..., _priority: ...}}; None if there is none."""
    members = {label: spec for label, spec in _mapping(labels, where, 'a label').items() if spec is not None}
    if 'type' in members:
        raise UserError(f'{where} is one overrider, expected a label for each: {{label: {{type: ...}}}}.')
    ranked: list[tuple[float, int, str, Any]] = []
    for label, spec in members.items():
        place = f'{where}.{label}'
        priority = _mapping(spec, place, 'an argument').get(_PRIORITY, 0)
        if not is_number(priority):
            raise UserError(f'{place}.{_PRIORITY} is {shown(priority)}, expected a number.')
        ranked.append((-priority, -len(ranked), place, spec))
    is_ranked = any(_PRIORITY in spec for *_, spec in ranked)
    ranked.sort(key=lambda entry: entry[:2])
    return _chained([parse(spec, place) for *_, place, spec in ranked], where, is_ranked)


def _in_order(specs: Any, where: str) -> Overrider:
    """The chain of the older form: one overrider or a list."""
    specs = specs if isinstance(specs, list) else [specs]
    chain = _chained([parse(spec, f'{where}[{index}]' if len(specs) > 1 else where) for index, spec in enumerate(specs)], where)
    assert chain is not None
    return chain


def _chained(members: list[Overrider], where: str, is_ranked: bool = True) -> Overrider | None:
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f'{where}: {name} occurs {names.count(name)} times, but a checkpoint can hold the state of one.')
    return members[0] if len(members) == 1 else ChainOverrider(chain=tuple(members), is_ranked=is_ranked) if members else None


def parse(spec: Any, where: str) -> Overrider:
    """One overrider from {type: ..., its arguments}. Errors: UserError with the place."""
    spec = _mapping(spec, where, 'an argument')
    if 'type' not in spec:
        raise UserError(f'{where}.type is missing, expected one of {", ".join(overriders)}.')
    name = str(spec['type']).removeprefix(_PACKAGE)
    if name not in overriders:
        hint = did_you_mean(name, overriders) or '.'
        raise UserError(f'{where}.type is {shown(spec["type"])}, no overrider{hint} Known: {", ".join(overriders)}.')
    kind = overriders[name]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    arguments: dict[str, Any] = {}
    for given, value in spec.items():
        key = kind.old_names.get(given, given)
        if given == 'type' or given.startswith('_'):
            continue
        if key not in fields:
            raise UserError(
                f'{where}: {name} takes no `{given}`{did_you_mean(given, fields) or "."} Its arguments: {", ".join(fields)}.'
            )
        if value is not None or fields[key].default is dataclasses.MISSING:
            arguments[key] = _argument(fields[key], value, f'{where}.{given}')
    missing = [key for key, field in fields.items() if field.default is dataclasses.MISSING and key not in arguments]
    if missing:
        raise UserError(f'{where}: {name} needs {", ".join(missing)}. Its arguments: {", ".join(fields)}.')
    overrider = kind(**arguments)
    if problem := overrider.problem():
        raise UserError(f'{where}: {problem}.')
    return overrider


def unparsed(overrider: Overrider) -> dict[str, Any]:
    """What `parse` makes the overrider of."""
    spec: dict[str, Any] = {'type': f'{_PACKAGE}{overrider.name}'}
    for field in dataclasses.fields(overrider):
        value = getattr(overrider, field.name)
        if value == field.default:
            continue
        if isinstance(value, Overrider):
            value = unparsed(value)
        elif isinstance(value, Mapping):
            value = {label: unparsed(member) for label, member in value.items()}
        spec[field.name] = value
    return spec


def overlay(settings: Mapping[str, Any], chains: Mapping[str, Overrider]) -> dict[str, Any]:
    """What, merged over a layer with the settings that `of_layer` takes, makes `chains` of them, by target as it gives them.

    The labels that are there become null; each member has one of its own, and a _priority.
    """
    own = settings.get(KEY) or {}
    layer: dict[str, Any] = {key: None for key in settings if OLD_KEY.fullmatch(key)}
    for target, chain in chains.items():
        *above, last = target.split('/', 1) if target.startswith(f'{GRADIENT}/') else [target]
        place, there = layer.setdefault(KEY, {}), own
        for part in above:
            place, there = place.setdefault(part, {}), there.get(part) or {}
        place[last] = _relabelled(chain, there.get(last) or {})
    return layer


def _relabelled(chain: Overrider, before: Any) -> dict[str, Any]:
    labels: dict[str, Any] = dict.fromkeys(before) if isinstance(before, Mapping) else {}
    members = chain.members()
    for rank, member in enumerate(members):
        label = member.name
        while label in labels:
            label += '_'
        labels[label] = unparsed(member) | {_PRIORITY: len(members) - rank}
    return labels


def _argument(field: 'dataclasses.Field[Any]', value: Any, where: str) -> Any:
    """A value of YAML as the argument wants it."""
    kind = field.metadata['kind']
    if kind is not None:
        return kind.checked(value, where)
    if field.name == 'quantizers':
        members = {label: parse(spec, f'{where}.{label}') for label, spec in _mapping(value, where, 'a label').items()}
        if not members:
            raise UserError(f'{where} is empty, expected one quantizer or more, {{label: {{type: ...}}}}.')
        return members
    return parse(value, where)


def _mapping(value: Any, where: str, keys: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UserError(f'{where} is {shown(value)}, expected a mapping whose keys are each {keys}.')
    return value


def _known(target: str, targets: tuple[str, ...], where: str) -> str:
    if target not in targets:
        hint = f'; did you mean {near}?' if (near := nearest(target, targets)) else '.'
        raise UserError(f'{where}: `{target}` cannot be overridden{hint} What can: {", ".join(targets)}.')
    return target
