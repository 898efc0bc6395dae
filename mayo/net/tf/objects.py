"""Objects that YAML names: from Spec('keras.initializers.TruncatedNormal', {'stddev': 0.05}) to the thing itself.

What may be named is in mayo/config/names.py, which makes the Spec; nothing else is ever imported.
"""

import functools
import importlib
import inspect
import zlib
from typing import Any

import keras

from mayo.config.names import Spec
from mayo.net.tf.batch_norm import BatchNormalization

_OURS = {'keras.layers.BatchNormalization': BatchNormalization}  # same arithmetic, less time


def instantiate(spec: Spec | None, seed: int | None = None, **more: Any) -> Any:
    """The object that a specification describes; None for None. Functions come with their arguments bound.

    seed: given to a random initializer that names none itself. more: further arguments, in place of its own.
    """
    if spec is None:
        return None
    thing = _find(spec.name)
    arguments = {**spec.kwargs, **more}
    if not isinstance(thing, type):
        return functools.partial(thing, **arguments) if arguments else thing
    if seed is not None and issubclass(thing, keras.initializers.Initializer) and _takes(thing, 'seed'):
        arguments.setdefault('seed', seed)
    return thing(**arguments)


def seed_of(seed: int, *names: str) -> int:
    """A seed of its own for each part of a network, the same in every process."""
    return zlib.crc32('/'.join((str(seed), *names)).encode())


def _takes(thing: type, argument: str) -> bool:
    return argument in inspect.signature(thing).parameters


def _find(name: str) -> Any:
    """The class or function `name`, a dotted path of mayo.config.names' allowlist."""
    if name in _OURS:
        return _OURS[name]
    module, _, attribute = name.rpartition('.')
    return getattr(importlib.import_module(module), attribute)
