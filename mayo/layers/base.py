"""What a layer type says of itself. Adding one is adding a file here, with a class under its name in YAML:

    @layer_type('square')
    @dataclass(frozen=True, kw_only=True)
    class Square(Weightless):
        \"\"\"x^2.\"\"\"

        travel = Apart()

        def shape(self, source: Shape) -> Shape:
            return source

        def compute(self, tf: Any, values: Any) -> Any:
            return tf.square(values)

Its keys in YAML are the fields of the class (keys.py). Whatever it leaves out is an error when it is registered.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from mayo.layers import keys, old_keys
from mayo.layers.gate import GateParams
from mayo.layers.keys import Activation, PlaceOf, Trainable
from mayo.layers.shape import Shape
from mayo.layers.tensor import Tensor
from mayo.layers.travel import Travel
from mayo.util.errors import UserError
from mayo.util.registry import Registry


class Layer(abc.ABC):
    """Abstract: one layer of a network with its keys, `node.params`."""

    @property
    @abc.abstractmethod
    def travel(self) -> Travel:
        """How channels travel through it."""

    @abc.abstractmethod
    def output(self, sources: Sequence[Shape]) -> Shape:
        """The shape of its output. Errors: UserError for inputs that do not fit."""

    @abc.abstractmethod
    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        """What it stores, having an input of so many channels."""

    @abc.abstractmethod
    def macs(self, sources: Sequence[Shape]) -> int:
        """Its multiply-accumulates when nothing is skipped, without those of a gate."""

    def narrowed(self, stays: Sequence[bool]) -> Self:
        """The layer with those of its output channels that stay, [C], where its keys say how many there are."""
        return self

    @property
    def gate(self) -> GateParams | None:
        """The gate that chooses among its output channels, unless there is none."""
        return None

    @property
    def trains(self) -> bool:
        """Whether training changes its weights."""
        return True


class Single(Layer):
    """Abstract: a layer of one input."""

    @abc.abstractmethod
    def shape(self, source: Shape) -> Shape:
        """The shape of its output. Errors: UserError for an input that does not fit."""

    def output(self, sources: Sequence[Shape]) -> Shape:
        if len(sources) != 1:
            raise UserError(f'`{name_of(type(self))}` takes one input and gets {len(sources)}; join them before it.')
        return self.shape(sources[0])


class Weightless(Single):
    """Abstract: one input, and nothing that training changes or that costs a multiply-accumulate."""

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        return ()

    def macs(self, sources: Sequence[Shape]) -> int:
        return 0


class Join(Layer):
    """Abstract: two inputs or more, and no weights."""

    @abc.abstractmethod
    def joined(self, sources: Sequence[Shape]) -> Shape:
        """The shape of its output. Errors: UserError for inputs that do not fit together."""

    def output(self, sources: Sequence[Shape]) -> Shape:
        if len(sources) < 2:
            raise UserError(f'`{name_of(type(self))}` joins two inputs or more and gets {len(sources)}.')
        return self.joined(sources)

    def tensors(self, channels: int) -> tuple[Tensor, ...]:
        return ()

    def macs(self, sources: Sequence[Shape]) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class Weighted(Single):
    """Abstract: one input, and weights of its own, after which an activation may come."""

    activation_fn: Activation = None
    trainable: Trainable = True  # false: weights stay; `norm`: all but those of its normalizer

    @property
    def trains(self) -> bool:
        return self.trainable is not False


layer_types: Registry[type[Layer]] = Registry('layer type')
Type = TypeVar('Type', bound=type[Layer])


def layer_type(name: str) -> Callable[[Type], Type]:
    """Decorator that enters a class under its name in YAML. Errors: TypeError for one that does not say everything."""

    def enter(layer: Type) -> Type:
        missing = sorted(getattr(layer, '__abstractmethods__', ()))
        if missing:
            raise TypeError(f'layer type `{name}` does not say its {", ".join(missing)}')
        if not layer.__doc__ or layer.__doc__.startswith(f'{layer.__name__}('):  # which dataclass makes where there is none
            raise TypeError(f'layer type `{name}` does not say what it is, in a docstring')
        keys.keys_of(layer)
        layer_types.register(name)(layer)
        return layer

    return enter


def name_of(layer: type[Layer]) -> str:
    """Its name in YAML."""
    return next(name for name in layer_types if layer_types[name] is layer)


def read_layer(kind: str, params: Mapping[str, Any], place_of: PlaceOf = lambda key: key, of_original: bool = False) -> Layer:
    """The layer of a type with the keys that YAML gives it, each checked, old spellings translated.

    of_original: the keys mean what they did in the original Mayo.
    place_of: from a key, or '' for the layer, to the start of a message. Errors: UserError, all problems, a line each.
    """
    try:
        layer = layer_types[kind]
    except UserError as error:
        raise UserError(f'{place_of("type")}: {error}') from None
    missing = old_keys.lacking(kind, params) if of_original else ''
    if missing:
        raise UserError(f'{place_of("")}: {missing}')
    return keys.read(layer, old_keys.today(kind, params, of_original), place_of, f'`{kind}`')


def declared_keys(kind: str) -> dict[str, Any]:
    """The YAML keys of a layer type with their defaults; keys.REQUIRED for those that must be given."""
    layer = layer_types[kind]
    return dict.fromkeys(keys.known_keys(layer)) | {name: key.default for name, key in keys.keys_of(layer).items()}


def parameters(layer: Layer, channels: int) -> tuple[int, int]:
    """(numbers that training changes, others) of a layer with an input of so many channels."""
    tensors = layer.tensors(channels)
    trained = sum(tensor.size for tensor in tensors if tensor.trained and layer.trains)
    return trained, sum(tensor.size for tensor in tensors) - trained
