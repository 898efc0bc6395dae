"""Modules that are imported when first used, so that reading a signature costs no TensorFlow start-up."""

import importlib
import sys
import types


def lazy(name: str) -> types.ModuleType:
    """The module `name`, imported on first attribute access (3 to 4 seconds for TensorFlow)."""
    if name in sys.modules:
        return sys.modules[name]
    return _Lazy(name)


class _Lazy(types.ModuleType):
    def __getattr__(self, attribute: str) -> object:
        if attribute.startswith('__'):
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self.__name__), attribute)
