"""The overriders of a network at work: what each layer computes with, and their states as variables.

    weights, biases, ...      the layer computes with f(variable); the variable itself keeps training
    activation                f of the value before the activation function, of the output where there is none
    gradient/weights          f of the gradient of the variable, which then has no regularizer
    gradient/error            f of the gradient of the value before the activation function

States are variables LAYER/VARIABLE/CLASS.PARAMETER, of a gradient, too, LAYER/activations/... and LAYER/errors/...
"""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mayo.net.tf.variables import named_variables
from mayo.override import Around, Overrider, Rival
from mayo.override.chain import ChainOverrider
from mayo.override.parse import ACTIVATION, ERROR, GRADIENT
from mayo.override.place import SCALE, require_fit
from mayo.override.slimmer import NetworkSlimmer

_log = logging.getLogger(__name__)

_ERROR = f'{GRADIENT}/{ERROR}'
_FOLDERS = {ACTIVATION: 'activations', _ERROR: 'errors'}


class Overriding:
    """What overrides one layer. `layer` is built; its activation function is replaced by one that overrides first."""

    def __init__(
        self, layer: keras.layers.Layer, chains: Mapping[str, Overrider], output_shape: tuple[int | None, ...], where: str
    ) -> None:
        """chains: by what they override; `absent` names those of variables that the layer has not."""
        own = dict(named_variables(layer))
        self.scope = layer.name
        self.is_paused = False  # whether all values pass as they are
        self.shapes = {name: tuple(variable.shape) for name, variable in own.items()}
        self.shapes |= dict.fromkeys((ACTIVATION, _ERROR), tuple(output_shape[1:]))
        self.absent = [target for target in chains if self._variable(target) not in self.shapes]
        self.chains = {target: chain for target, chain in chains.items() if target not in self.absent}
        self.variables_of = {name: variable for name, variable in own.items() if name in self.touched()}
        self._raw = {name: variable.value for name, variable in own.items()}  # not cast, whatever the precision
        for target, chain in self.chains.items():
            if isinstance(chain, ChainOverrider) and not chain.is_ranked:
                order = ', then '.join(member.name for member in chain.members())
                _log.warning('%s.overrider.%s: without any _priority the last acts first: %s', where, target, order)
            require_fit(chain, target, self.shapes[self._variable(target)], own, f'{where}.overrider.{target}')
        self.state = {target: self._make(target, chain) for target, chain in self.chains.items()}
        for name in self._of_overridden_gradients():
            if self.variables_of[name].regularizer is not None:
                _log.warning('%s: the gradient of %s is overridden, so it has no regularizer', where, name)
        self._weighed: tf.Tensor = None  # what the loss adds for the activation of the latest run
        self._around: Around | None = None  # of an update, while the network runs for it
        if {ACTIVATION, _ERROR} & set(self.chains):
            self._stand_before_the_activation_of(layer)

    @staticmethod
    def _variable(target: str) -> str:
        """The variable whose value or gradient a target is, or the target itself."""
        return target if target == _ERROR else target.removeprefix(f'{GRADIENT}/')

    def touched(self) -> set[str]:
        """The variables of the layer whose value or gradient is overridden."""
        return {self._variable(target) for target in self.chains} - {ACTIVATION, _ERROR}

    def _make(self, target: str, chain: Overrider) -> dict[str, keras.Variable]:
        """The variables of a chain's state, by name."""
        trained = chain.trained()
        return {
            name: keras.Variable(
                value,
                dtype=value.dtype.name,
                trainable=name in trained,
                autocast=False,
                aggregation='mean' if name in trained else 'only_first_replica',
                name=name.replace('/', '.'),
            )
            for name, value in chain.initial(self.shapes[self._variable(target)]).items()
        }

    def named_state(self) -> dict[str, keras.Variable]:
        """Every variable of the states by its name in checkpoints, without the layer's."""
        return {
            f'{self.folder_of(target)}/{name}': part for target, state in self.state.items() for name, part in state.items()
        }

    def folder_of(self, target: str) -> str:
        """Where, below the layer's name, a checkpoint has the state of what overrides `target`.

        That of a variable's gradient stands with the variable, as the original has it, unless both have states of the same name.
        """
        variable = self._variable(target)
        if target in _FOLDERS or variable == target:
            return _FOLDERS.get(target, variable)
        return f'{variable}/{GRADIENT}' if self.state[target].keys() & self.state.get(variable, {}).keys() else variable

    # ---- in the network

    def run(self, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        """What the layer gives with its variables overridden."""
        if not self.variables_of or self.is_paused:
            return layer(*args, **kwargs)
        with self.in_force() as scope:
            outputs = layer(*args, **kwargs)
        for variable in (*layer.variables, *self.named_state().values()):  # moving averages, say, that have changed inside
            change = scope.get_current_value(variable)
            if change is not None and not any(variable is own for own in self.variables_of.values()):
                variable.assign(change)
        return outputs

    @contextlib.contextmanager
    def in_force(self) -> Iterator[keras.StatelessScope]:
        """A scope in which reading a variable of the layer gives its overridden value."""
        with tf.name_scope(self.scope):
            mapping = [(variable, self.overridden(name)) for name, variable in self.variables_of.items()]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            yield scope

    def overridden(self, name: str) -> tf.Tensor:
        """The overridden value of a variable."""
        value = tf.convert_to_tensor(self._raw[name])
        if f'{GRADIENT}/{name}' in self.chains:
            value = self._with_gradient(value, f'{GRADIENT}/{name}')
        return self._through(value, name) if name in self.chains else value

    def _stand_before_the_activation_of(self, layer: keras.layers.Layer) -> None:
        owner = getattr(layer, 'gate', layer)
        function: Callable[[tf.Tensor], tf.Tensor] | None = getattr(owner, 'activation', None)

        def activation(value: tf.Tensor) -> tf.Tensor:
            if not self.is_paused:
                value = self._through(value, ACTIVATION) if ACTIVATION in self.chains else value
                value = self._with_gradient(value, _ERROR) if _ERROR in self.chains else value
            return value if function is None else function(value)

        if hasattr(owner, 'activation'):
            owner.activation = activation
        else:
            call = layer.call
            layer.call = lambda *args, **kwargs: activation(call(*args, **kwargs))

    def _through(self, value: tf.Tensor, target: str) -> tf.Tensor:
        self._learn(target, value)
        if target == ACTIVATION:
            self._weighed = self.chains[target].penalized(value, self._tensors(target))
        return self.chains[target].overridden(value, self._tensors(target))

    def _with_gradient(self, value: tf.Tensor, target: str) -> tf.Tensor:
        state = self._tensors(target)

        def passed(value: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                self._learn(target, upstream)
                return self.chains[target].overridden(upstream, state if self._around is None else self._tensors(target))

            return tf.identity(value), gradient

        return tf.custom_gradient(passed)(value)

    def _tensors(self, target: str) -> dict[str, tf.Tensor]:
        return {name: tf.convert_to_tensor(part.value) for name, part in self.state[target].items()}

    def _learn(self, target: str, value: tf.Tensor) -> None:
        if self._around is not None and self._waits_for_values(target):
            exact = tf.cast(value, tf.float32).numpy()
            self._assign(target, self.chains[target].updated(exact, self.numbers(target), self._around))

    @contextlib.contextmanager
    def learning(self, rivals: tuple[Rival, ...]) -> Iterator[None]:
        """Inside, the network runs eagerly, and a chain of an activation or a gradient is updated by what comes to it.

        So each sees what the chains before it, updated already, make of the network.
        """
        self._around = Around(self.rival(), rivals)
        try:
            yield
        finally:
            self._around = None

    def unregularized(self) -> list[keras.Variable]:
        """The variables whose gradient is overridden, so that no regularizer adds to it."""
        return [self.variables_of[name] for name in self._of_overridden_gradients()]

    def _of_overridden_gradients(self) -> list[str]:
        return [name for name in self.variables_of if f'{GRADIENT}/{name}' in self.chains]

    def penalties(self) -> list[tf.Tensor]:
        """What the loss adds, after a run of the network in the same function."""
        terms = [self._weighed]
        for target, chain in self.chains.items():
            if target in self._raw:
                terms.append(chain.penalized(tf.convert_to_tensor(self._raw[target]), self._tensors(target)))
            elif target == ACTIVATION:
                slimmers = [member for member in chain.members() if isinstance(member, NetworkSlimmer)]
                terms += [slimmer.shrinkage(tf.convert_to_tensor(self._raw[SCALE])) for slimmer in slimmers]
        return [term for term in terms if term is not None]

    # ---- when an action says so

    def numbers(self, target: str) -> dict[str, Any]:
        """The state as NumPy has it."""
        return {name: part.numpy() for name, part in self.state[target].items()}

    def count(self, target: str) -> int:
        """How many values a target has, an activation for one image."""
        return math.prod(self.shapes[self._variable(target)])

    def needs_a_batch(self) -> bool:
        """Whether something updates from values that only a run of the network gives."""
        return any(map(self._waits_for_values, self.chains))

    def _waits_for_values(self, target: str) -> bool:
        return target not in self._raw and self.chains[target].learns_from_values()

    def update(self, rivals: tuple[Rival, ...]) -> None:
        """Update each chain whose value is there without a run. rivals: those of every slimmer of the network."""
        for target, chain in self.chains.items():
            if not self._waits_for_values(target):
                nothing = np.zeros((1, *self.shapes[self._variable(target)]), np.float32)
                value = self._raw[target].numpy() if target in self._raw else nothing
                self._assign(target, chain.updated(value, self.numbers(target), Around(self.rival(), rivals)))

    def rival(self) -> Rival | None:
        """The scales and the mask of a slimmer that updates, if there is one."""
        chain = self.chains.get(ACTIVATION)
        for member in chain.members() if chain is not None else ():
            if isinstance(member, NetworkSlimmer) and member.should_update:
                return Rival(self._raw[SCALE].numpy(), self.state[ACTIVATION][f'{member.name}.mask'].numpy())
        return None

    def reset(self) -> None:
        """Every state as the configuration has it."""
        for target, chain in self.chains.items():
            self._assign(target, chain.initial(self.shapes[self._variable(target)]))

    def assign(self) -> None:
        """Each variable becomes its overridden value."""
        for name in self.touched() & set(self.chains):
            self.variables_of[name].assign(self.overridden(name))

    def _assign(self, target: str, state: Mapping[str, Any]) -> None:
        for name, part in self.state[target].items():
            part.assign(state[name])
