"""What a gate policy says of itself. Adding one is adding a file to mayo/net/tf/gate, with a class under its name in YAML:

    @policy('scaled')
    class Scaled(Policy):
        # a docstring: y = mask g norm(conv(x))

        has_shift, boost = False, None

        def apply(self, values):
            features = values.normalized()
            return features * values.per_channel(values.mask * values.saliency, features), 0.0

The file is imported wherever a gate's parameters are checked, so it imports TensorFlow inside its functions alone.
"""

import abc
import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from mayo.util.registry import Registry

Boost = Literal['before', 'after', 'never']
PACKAGE = 'mayo.net.tf.gate'
_SHARED = ('base', 'kernel', 'regularizer', 'threshold')  # modules there that are no policy


class Policy(abc.ABC):
    """Abstract: what becomes of a gated layer's features. `gate` is its mayo.net.tf.gate.base.Gate, other values are tensors.

    has_shift: whether a gate has b, which takes the place of the norm's shift, as saliency takes that of its scale; without
    it the norm keeps both.
    boost: where compact execution multiplies by the saliency (mayo/net/tf/compact/program.py, Gate): before the activation,
    after it, or never; None if none of these is the policy's formula, so that compact execution cannot serve it.
    """

    has_shift: ClassVar[bool]
    boost: ClassVar[Boost | None]

    def observe(self, gate: Any, source: Any, training: bool) -> tuple[Any, Any]:
        """(x, s): the source [N, H', W', C'] for the convolution to read, and the summary of its channels in float32."""
        return gate.watch(source, training)

    def seed_generator(self, seed: int) -> Any:
        """A random generator for each gate, if the policy needs one: `gate.seed_generator`."""
        return None

    def ranking(self, gate: Any, saliency: Any, training: bool) -> Any:
        """By what channels compete, in the shape of the saliency g; where the policy says nothing else, by g."""
        return saliency

    @abc.abstractmethod
    def apply(self, values: Any) -> tuple[Any, Any]:
        """(y, the policy's own term of the loss). values: a mayo.net.tf.gate.base.Values. Where the mask is 0, so is y."""


policies: Registry[Policy] = Registry('gate policy')


def policy(name: str) -> Callable[[type[Policy]], type[Policy]]:
    """Decorator that enters a class under its name in YAML. Errors: TypeError for one that does not say everything."""

    def enter(kind: type[Policy]) -> type[Policy]:
        missing = [fact for fact in ('has_shift', 'boost') if not hasattr(kind, fact)]
        if missing:
            raise TypeError(f'gate policy `{name}` does not say its {", ".join(missing)}')
        policies.register(name)(kind())
        return kind

    return enter


@functools.cache
def discover() -> None:
    """Enter the policies of every file in mayo/net/tf/gate.

    Floor 2 has to know their names and costs, so it looks them up on the floor above by name and not by an import statement.
    """
    package = importlib.import_module(PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _SHARED:
            importlib.import_module(f'{PACKAGE}.{module.name}')
