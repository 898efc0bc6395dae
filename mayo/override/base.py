"""What an overrider is: a formula that a value passes through, with numbers of its own that checkpoints keep.

    out   = overrider.overridden(value, state)       in TensorFlow, wherever the network uses the value
    state = overrider.updated(value, state)          in NumPy, when `overriders-update` says so

A state is a mapping from CLASS.PARAMETER, as checkpoints call it below the variable's name, to numbers. What lies inside an
overrider has a folder: IncrementalQuantizer/FixedPointQuantizer.width. Rounding passes gradients on as the identity does,
clipping passes none outside its range.

Adding an overrider is adding a class: its arguments are its fields, `state` says what it keeps, `apply` what it computes.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from mayo.util.kinds import FLAG, Kind
from mayo.util.lazy import lazy
from mayo.util.registry import Registry

np = lazy('numpy')
tf = lazy('tensorflow')

Tensor: TypeAlias = Any  # a tf.Tensor, or what TensorFlow takes for one
Array: TypeAlias = Any  # of NumPy
FLOAT_BITS = 32  # of a value that no overrider quantizes

overriders: Registry[type['Overrider']] = Registry('overrider')


def overrider(kind: type['Overrider']) -> type['Overrider']:
    """Enters a class under its own name, as YAML and checkpoints call it."""
    overriders.register(kind.__name__)(kind)
    return kind


INNER: Mapping[str, Any] = {'kind': None}  # of a field that is another overrider, {type: ..., its arguments}


def argument(kind: Kind, default: Any = dataclasses.MISSING) -> Any:
    """A field that YAML may set. kind: what it may be."""
    return field(default=default, metadata={'kind': kind})


@dataclass(frozen=True)
class State:
    """The numbers of one overrider: `state['mask']` is its own, `state.inside(folder)` are those of what lies inside."""

    values: Mapping[str, Any]
    name: str

    def __getitem__(self, parameter: str) -> Any:
        return self.values[f'{self.name}.{parameter}']

    def inside(self, folder: str) -> dict[str, Any]:
        """The state of the overrider in `folder`, by its own names."""
        start = f'{folder}/'
        return {name.removeprefix(start): value for name, value in self.values.items() if name.startswith(start)}


@dataclass(frozen=True)
class Inner:
    """An overrider inside another: the folder of its state, and whether it overrides one number instead of the value."""

    folder: str
    overrider: 'Overrider'
    is_scalar: bool = False


@dataclass(frozen=True)
class Rival:
    """A layer whose channels a slimmer may cut: the scales of its batch norm and the channels still on, both [C]."""

    scale: Array
    mask: Array


@dataclass(frozen=True)
class Around:
    """What an update may see beside the value: the layer's own rival, and those of every slimmer that updates."""

    own: Rival | None = None
    all: tuple[Rival, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overrider:
    """Abstract: the arguments, all fields; frozen, for what changes is the state."""

    should_update: bool = argument(FLAG, True)

    old_names: ClassVar[Mapping[str, str]] = {}  # of arguments, in files of the original
    trainable: ClassVar[tuple[str, ...]] = ()  # parameters that the loss trains
    profiles: ClassVar[tuple[str, ...]] = ()  # arguments that a profile of the values finds

    @property
    def name(self) -> str:
        """The class's name, in YAML and in checkpoints."""
        return type(self).__name__

    def is_enabled(self) -> bool:
        """Whether the parameter `enable`, without which the value stays as it is, is set at first."""
        return True

    def is_random(self) -> bool:
        """Whether the result differs from one time to the next."""
        return False

    def problem(self) -> str | None:
        """What is wrong with arguments of which each is right by itself."""
        return None

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        """Why a value of this shape cannot be overridden."""
        return None

    def inner(self) -> tuple[Inner, ...]:
        """The overriders inside."""
        return ()

    def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """The parameters of a value of `shape` before any update; whole numbers, floats or booleans."""
        return {}

    def apply(self, value: Tensor, state: State) -> Tensor:
        """The formula. value: float32; of an activation, with the batch in front."""
        raise NotImplementedError

    def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
        """The parameters that change, by name; those of an overrider inside as FOLDER/CLASS.PARAMETER."""
        return {}

    def penalty(self, value: Tensor, state: State) -> Tensor:
        """What the loss adds, or None."""
        return None

    def weighs(self) -> bool:
        """Whether the loss adds something for the value itself."""
        return False

    def learns_from_values(self) -> bool:
        """Whether an update looks at the value."""
        return self.should_update and type(self).update is not Overrider.update

    def profiled(self, top: float, sample: Array, targets: Collection[str]) -> 'Overrider':
        """One with the arguments that suit values best, or itself.

        top: what their magnitudes seldom exceed. sample: some of them, [N]. targets: those of `profiles` that may change.
        """
        return self

    def bits(self, state: State) -> float | None:
        """Bits of one value in memory, on average; None: as many as before."""
        return None

    def kept(self, state: State) -> float | None:
        """The share of values that may differ from zero; None: this overrider silences none for good."""
        return None

    def shown(self, state: State) -> Mapping[str, str]:
        """The state as the table of `info` has it, without what `bits` and `kept` say."""
        return {}

    # What follows is the same for all.

    def initial(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """The whole state of a value of `shape` before any update."""
        own = {'enable': self.is_enabled(), **self.state(shape)}
        values = {f'{self.name}.{parameter}': _array(value) for parameter, value in own.items()}
        for part in self.inner():
            inside = part.overrider.initial(() if part.is_scalar else shape)
            values |= {f'{part.folder}/{name}': value for name, value in inside.items()}
        return values

    def trained(self) -> set[str]:
        """The names, of those in `initial`, that the loss trains."""
        inside = {f'{part.folder}/{name}' for part in self.inner() for name in part.overrider.trained()}
        return {f'{self.name}.{parameter}' for parameter in self.trainable} | inside

    def overridden(self, value: Tensor, state: Mapping[str, Any]) -> Tensor:
        """The value after this overrider, in the type that it came in."""
        own = State(state, self.name)
        exact = tf.cast(value, tf.float32)
        result = tf.cond(tf.cast(own['enable'], tf.bool), lambda: self.apply(exact, own), lambda: tf.identity(exact))
        return tf.cast(result, value.dtype)

    def updated(self, value: Array, state: Mapping[str, Any], around: Around | None = None) -> dict[str, Any]:
        """The whole state after an update; as it was if `should_update` is false."""
        if not self.should_update:
            return dict(state)
        changes = self.update(value, State(state, self.name), around or Around())
        named = {name if '/' in name else f'{self.name}.{name}': change for name, change in changes.items()}
        return {**state, **{name: np.asarray(change).astype(state[name].dtype) for name, change in named.items()}}

    def penalized(self, value: Tensor, state: Mapping[str, Any]) -> Tensor:
        """What the loss adds for a value that comes to this overrider; None: nothing."""
        return self.penalty(tf.cast(value, tf.float32), State(state, self.name))

    def bits_of(self, state: Mapping[str, Any]) -> float:
        """Bits of one value in memory."""
        bits = self.bits(State(state, self.name))
        return FLOAT_BITS if bits is None else bits

    def members(self) -> tuple['Overrider', ...]:
        """The overriders that the value passes through one after the other."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class Quantizer(Overrider):
    """Abstract: an overrider that YAML may switch off."""

    enable: bool = argument(FLAG, True)

    def is_enabled(self) -> bool:
        return self.enable


def after(name: str, changes: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What an update returns for the overrider inside folder `name`: its changes only."""
    return {f'{name}/{key}': value for key, value in changes.items() if value is not before[key]}


def number(value: Any) -> float:
    """One number of a state, whether NumPy's or a variable's."""
    return float(np.asarray(value))


def numbers_shown(state: State, parameters: Iterable[str]) -> dict[str, str]:
    """Parameters that are one number each, as tables show them."""
    return {parameter: f'{number(state[parameter]):.4g}' for parameter in parameters}


def per_place(values: Array, mask: Any) -> Array:
    """What decides about each place of a mask: the values, or their means over the batch that an activation has in front."""
    return values.mean(0) if values.ndim > np.ndim(mask) else values


def share(mask: Any) -> float:
    """The share of true values."""
    return float(np.mean(np.asarray(mask, np.float64)))


def _array(value: Any) -> Array:
    """NumPy's form, in the types that the original's checkpoints have: bool, int32, float32."""
    array = np.asarray(value)
    return array.astype({'b': np.bool_, 'i': np.int32, 'f': np.float32}[array.dtype.kind])
