"""Optimizers by name: Keras's, and momentum and RMSProp with the arithmetic of TensorFlow 1."""

import keras
import tensorflow as tf

from mayo.config.names import object_spec
from mayo.util.errors import UserError


class Momentum1(keras.optimizers.SGD):
    """Momentum as TensorFlow 1 had it: the learning rate of the step scales all of the accumulated gradients.

        v <- momentum v + g
        w <- w - rate v                             w <- w - rate (g + momentum v)  if nesterov

    Keras's velocity holds each gradient times the rate that it came with, which differs whenever the rate changes.
    tensorflow/python/training/momentum.py of version 1.15.
    """

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        if self.momentum == 0:
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = keras.ops.cast(gradient, variable.dtype)
        accumulated = self.momentums[self._get_variable_index(variable)]
        self.assign(accumulated, self.momentum * accumulated + gradient)
        step = gradient + self.momentum * accumulated if self.nesterov else accumulated
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * step)


class RMSProp1(keras.optimizers.RMSprop):
    """RMSProp as TensorFlow 1 had it: `m <- rho m + (1 - rho) g^2` starts at one, not at zero; epsilon is inside the root.

        v <- momentum v + rate g / sqrt(m - a^2 + epsilon)      a: the mean of g, if centered, else 0
        w <- w - v

    tensorflow/python/training/rmsprop.py of version 1.15.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
        centered: bool = False,
        name: str = 'rmsprop1',
        **options: object,
    ) -> None:
        super().__init__(learning_rate, rho=rho, momentum=momentum, epsilon=epsilon, centered=centered, name=name, **options)

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            for velocity in self._velocities:
                velocity.assign(keras.ops.ones_like(velocity))


OURS = {'mayo.train.Momentum1': Momentum1, 'mayo.train.RMSProp1': RMSProp1}


def optimizer(value: object, where: str) -> keras.optimizers.Optimizer:
    """The optimizer that `value` names, e.g. `{type: keras.optimizers.SGD, momentum: 0.9, nesterov: true}`."""
    spec = object_spec(value, where)
    name = spec.name.rpartition('.')[2]
    kind = OURS.get(spec.name) or getattr(keras.optimizers, name, None)
    if kind is None or not spec.name.startswith(('keras.optimizers.', 'mayo.train.')):
        raise UserError(f'{where}: {spec.name} is not an optimizer; e.g. keras.optimizers.SGD.')
    return kind(**spec.kwargs)
