"""What a layer type is: the keys it takes from YAML, and a rule that knows its shape, its weights and its MACs.

A rule is a function of the input shapes whose keyword-only arguments are the type's keys in YAML, with their
defaults. A type without a rule does not exist. weighted.py and plain.py hold the rules.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mayo.config.dialect import is_layer_key
from mayo.config.names import Spec, object_spec
from mayo.estimate import keys, old_keys
from mayo.estimate.density import Flow, kept
from mayo.estimate.gate import GateParams
from mayo.estimate.shape import Shape
from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.registry import Registry

REQUIRED = inspect.Parameter.empty
Named = str | Mapping[str, Any] | None  # an object by name, or {type: name, ...}, as mayo.config.names reads it
OBJECTS = {  # key: what it names
    'activation_fn': 'keras.activations',
    'mode': 'keras.activations',
    'normalizer_fn': 'keras.layers',
    'weights_initializer': 'keras.initializers',
    'biases_initializer': 'keras.initializers',
    'weights_regularizer': 'keras.regularizers',
    'biases_regularizer': 'keras.regularizers',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """What a rule says of a layer, before anything is known of the sparsity of its inputs."""

    shape: Shape  # of its output
    trainable: int = 0  # parameters that training changes
    state: int = 0  # and others
    dense: int = 0  # MACs when nothing is skipped
    flow: Flow = kept  # which channels may be non-zero after it
    gate: GateParams | None = None  # chooses among the output's channels


layer_types: Registry[Callable[..., Layer]] = Registry('layer type')


def complete(node_type: str, params: Mapping[str, Any], said: Callable[[str], str] = lambda key: key) -> dict[str, Any]:
    """`params` with the defaults of the layer type, each value checked and in one form (keys.check).

    said: from a key, or '' for the layer, to the start of a message. Errors: UserError, all problems, a line each.
    """
    problems = Problems()
    try:
        declared = declared_keys(node_type)
    except UserError as error:
        raise UserError(f'{said("type")}: {error}') from None
    params = old_keys.today(node_type, params)
    for key in params:
        if key not in declared and not is_layer_key(key):
            hint = did_you_mean(key, declared) or f'; known: {", ".join(declared) or "none"}.'
            problems.append(f'{said(key)}: `{node_type}` takes no such key{hint}')
    values = {}
    for key, default in declared.items():
        value = params.get(key, default)
        if default is REQUIRED and value in (None, REQUIRED):
            problems.append(f'{said("")}: `{node_type}` needs {key}.')
            continue
        with problems.collecting():
            values[key] = _checked(key, value, said)
    if values.get('normalizer_fn') is not None:
        with problems.collecting():
            normalizer(values['normalizer_fn'], values.get('normalizer_params'), said('normalizer_fn'))
    problems.raise_any()
    return values


def declared_keys(node_type: str) -> dict[str, Any]:
    """The YAML keys of a layer type with their defaults; REQUIRED for those that must be given."""
    parameters = inspect.signature(layer_types[node_type]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def measure(node_type: str, sources: list[Shape], params: Mapping[str, Any]) -> Layer:
    """What the rule of the type says, given completed `params`. Errors: UserError for inputs that do not fit."""
    rule = layer_types[node_type]
    joins = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in inspect.signature(rule).parameters.values())
    if not joins and len(sources) != 1:
        raise UserError(f'`{node_type}` takes one input and gets {len(sources)}; join them before it.')
    if joins and len(sources) < 2:
        raise UserError(f'`{node_type}` joins two inputs or more and gets {len(sources)}.')
    return rule(*sources, **params)


def named(key: str, value: Named, where: str = '') -> Spec | None:
    """What an object key names, of the kind that it takes. Errors: UserError, which starts with `where`."""
    if value is None:
        return None
    spec = object_spec(value, where)
    if not spec.name.startswith(OBJECTS[key]):
        raise UserError(f'{where}: {spec.name} is not among {OBJECTS[key]}, which {key} names.')
    return spec


def normalizer(value: Named, params: Named, where: str = '') -> Spec | None:
    """What `normalizer_fn` with `normalizer_params` names."""
    if value is None:
        return None
    given = {'type': value} if isinstance(value, str) else value
    return named('normalizer_fn', {**given, **(params if isinstance(params, Mapping) else {})}, where)


def _checked(key: str, value: Any, said: Callable[[str], str]) -> Any:
    if key == 'normalizer_fn':
        return value  # with normalizer_params, by `complete`
    if key in OBJECTS:
        named(key, value, said(key))
        return value
    try:
        value = keys.check(key, value)
    except UserError as error:
        raise UserError(f'{said(key)} {error}') from None
    if key == 'gate_params':
        problems = Problems()
        for inner, one in value.items():  # each by itself: it may have been set elsewhere
            with problems.collecting():
                GateParams.from_yaml({inner: one}, said(f'{key}.{inner}').removesuffix(f'.{inner}'))
        problems.raise_any()
    return value
