"""No value that is no finite number passes for one anywhere: steps, named objects, keys of layers and gates, settings."""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mayo.actions import actions
from mayo.config.names import KNOWN, REQUIRED, object_spec
from mayo.config.old_names import OLD_NAMES
from mayo.data.augment import steps
from mayo.data.prepare import readers
from mayo.layers import GateParams, layer_types
from mayo.layers.keys import keys_of
from mayo.training.schedule import learning_rate
from mayo.util.errors import UserError
from mayo.util.settings import settings

Check = Callable[[Any], Any]
NO_NUMBERS = [math.nan, math.inf, -math.inf, 10**400]
WRONG = [*NO_NUMBERS, *([value] for value in NO_NUMBERS), *([value, value] for value in NO_NUMBERS), [1, math.nan]]


def checked_by(kind: Any) -> Check:
    return lambda value: kind.checked(value, 'here')


def object_with(name: str, key: str, needed: dict[str, Any]) -> Check:
    return lambda value: object_spec({'type': name, **needed, key: value}, 'here')


def of_steps() -> Iterator[tuple[str, Check]]:
    for name in steps:
        for key, kind in steps[name].kinds.items():
            yield f'step {name}.{key}', checked_by(kind)


def of_named_objects() -> Iterator[tuple[str, Check]]:
    tables = dict(KNOWN) | {
        name: {key: parameter.default for key, parameter in inspect.signature(function).parameters.items()}
        for name, function in OLD_NAMES.items()
    }
    for name, arguments in tables.items():
        needed = {key: [1, 2] if key in ('boundaries', 'values') else 1 for key in arguments if arguments[key] is REQUIRED}
        for key in arguments:
            yield f'object {name}.{key}', object_with(name, key, needed)


def of_layers() -> Iterator[tuple[str, Check]]:
    things: list[tuple[str, type[Any]]] = [*((name, layer_types[name]) for name in layer_types), ('gate', GateParams)]
    for name, thing in things:
        for key, reader in keys_of(thing).items():
            yield f'layer {name}.{key}', checked_by(reader)


def of_settings() -> Iterator[tuple[str, Check]]:
    for key, setting in settings().items():
        if setting.kind is not None:
            yield f'setting {key}', checked_by(setting.kind)
    yield 'setting train.learning_rate', lambda value: learning_rate(value, 'here', 1)
    for name in readers:
        yield f'setting dataset.prepare.splits of {name}', checked_by(readers[name].splits)


EVERYWHERE = dict([*of_steps(), *of_named_objects(), *of_layers(), *of_settings()])


def test_there_is_something_of_each_to_ask() -> None:
    for start in (
        'step linear_map.scale',
        'object keras.initializers.Constant.value',
        'layer convolution.bias',
        'layer gate.density',
    ):
        assert any(name.startswith(start) for name in EVERYWHERE), start
    assert len(EVERYWHERE) > 300
    assert all(f'setting {key}' in EVERYWHERE for key in ('train.max_epochs', 'bench.rounds', 'slim.density')), list(actions)


@pytest.mark.parametrize('where', EVERYWHERE)
def test_what_is_no_finite_number_is_refused_with_a_sentence(where: str) -> None:
    for value in WRONG:
        with pytest.raises(UserError, match=r'.'):
            pytest.fail(f'{where} takes {value!r:.20} and makes {EVERYWHERE[where](value)!r:.40} of it')
