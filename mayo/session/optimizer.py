"""Optimizers by name: Keras's, and RMSProp with the arithmetic of TensorFlow 1."""
import keras

from mayo.config.names import object_spec
from mayo.util.errors import UserError


class RMSProp1(keras.optimizers.RMSprop):
    """RMSProp as TensorFlow 1 had it: `m <- rho m + (1 - rho) g^2` starts at one, not at zero; epsilon is inside the root.

        v <- momentum v + rate g / sqrt(m - a^2 + epsilon)      a: the mean of g, if centered, else 0
        w <- w - v

    tensorflow/python/training/rmsprop.py of version 1.15.
    """

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-10,
                 centered: bool = False, name: str = 'rmsprop1', **options: object) -> None:
        super().__init__(learning_rate, rho=rho, momentum=momentum, epsilon=epsilon, centered=centered, name=name, **options)

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            for velocity in self._velocities:
                velocity.assign(keras.ops.ones_like(velocity))


def optimizer(value: object, where: str) -> keras.optimizers.Optimizer:
    """The optimizer that `value` names, e.g. `{type: keras.optimizers.SGD, momentum: 0.9, nesterov: true}`."""
    spec = object_spec(value, where)
    name = spec.name.rpartition('.')[2]
    kind = RMSProp1 if spec.name == 'mayo.train.RMSProp1' else getattr(keras.optimizers, name, None)
    if kind is None or not spec.name.startswith(('keras.optimizers.', 'mayo.train.')):
        raise UserError(f'{where}: {spec.name} is not an optimizer; e.g. keras.optimizers.SGD.')
    return kind(**spec.kwargs)
