"""What a builder of layers is given beside the YAML parameters, and where builders are entered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from mayo.net.tf.gate import Threshold
from mayo.net.tf.objects import instantiate, seed_of
from mayo.util.registry import Registry

Dims = tuple[int | None, ...]  # of a value, with None for the batch
Params = dict[str, Any]  # of a layer, completed by mayo.estimate.complete


@dataclass(frozen=True)
class Site:
    """Where a layer stands: its name, place in the YAML, dtype policy, seed, and the network's shared gate threshold."""

    name: str
    where: str = ''
    dtype: str | keras.DTypePolicy | None = None
    seed: int = 0
    threshold: Threshold | None = None

    @property
    def keras(self) -> Params:
        """Arguments that every Keras layer takes. Keras wants no `/` in names."""
        return {'name': self.name.replace('/', '.'), 'dtype': self.dtype}

    def seed_for(self, part: str) -> int:
        """A seed for one part of the layer."""
        return seed_of(self.seed, self.name, part)

    @property
    def label(self) -> str:
        """What messages call the layer: 'models/x.yaml:41: conv0'."""
        return f'{self.where}: {self.name}' if self.where else self.name

    def object(self, params: Params, key: str) -> Any:
        """The object that `params[key]` names, or None."""
        return instantiate(params.get(key), f'{self.label}.{key}', self.seed_for(key))


Builder = Callable[[Params, list[Dims], Site], keras.layers.Layer]
builders: Registry[Builder] = Registry('layer type')


class Function(keras.layers.Layer):
    """A layer without weights: `function` of a tensor, for what Keras has no layer for."""

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, values: tf.Tensor) -> tf.Tensor:
        return self.function(values)

    def compute_output_shape(self, source_shape: Dims) -> Dims:
        example = tf.TensorSpec(source_shape, self.compute_dtype)
        return tuple(tf.function(self.function).get_concrete_function(example).output_shapes)
