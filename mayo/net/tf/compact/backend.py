"""What a backend does with each class of operation: a function for it, or a refusal that says why not.

    emitters: Backend[Emit] = Backend('TensorFlow')

    @emitters.register(ops.Pool)
    def pool(image, operation): ...

    emitters.refuse(ops.LocalResponse, 'it has no sum over neighbouring channels.')

Adding a class of operation is adding the class to program.py and its function to each backend; a test asks every backend for
every class.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from mayo.net.tf.compact.program import Operation
from mayo.util.registry import Registry

Emit = TypeVar('Emit', bound=Callable[..., Any])


class Backend(Generic[Emit]):
    """The functions and the refusals of the backend `name`, by class of operation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: dict[type[Operation], Emit] = {}
        self.refusals: dict[type[Operation], str] = {}
        backends.register(name)(self)

    def register(self, *kinds: type[Operation]) -> Callable[[Emit], Emit]:
        """Decorator that enters the function for operations of `kinds`."""

        def enter(function: Emit) -> Emit:
            for kind in kinds:
                self._require_new(kind)
                self.functions[kind] = function
            return function

        return enter

    def refuse(self, kind: type[Operation], reason: str) -> None:
        """State that the backend cannot run operations of `kind`. reason: the rest of a sentence."""
        self._require_new(kind)
        self.refusals[kind] = reason

    def refused(self, operations: Iterable[Operation]) -> list[str]:
        """A sentence for each class among `operations` that the backend cannot run."""
        return [self._refusal(kind) for kind in dict.fromkeys(map(type, operations)) if kind in self.refusals]

    def _refusal(self, kind: type[Operation]) -> str:
        return f'{self.name} does not run the operation {kind.__name__}: {self.refusals[kind]}'

    def _require_new(self, kind: type[Operation]) -> None:
        if kind in self:
            raise ValueError(f'{self.name}: the operation {kind.__name__} is entered twice')

    def __contains__(self, kind: object) -> bool:
        return kind in self.functions or kind in self.refusals

    def __getitem__(self, kind: type[Operation]) -> Emit:
        """The function for operations of `kind`. Errors: ValueError where the backend refuses them; KeyError is a defect."""
        if kind in self.refusals:
            raise ValueError(self._refusal(kind))
        if kind not in self.functions:
            raise KeyError(f'{self.name} has no function for the operation {kind.__name__}, nor a reason why not')
        return self.functions[kind]


backends: Registry[Backend[Any]] = Registry('backend')
