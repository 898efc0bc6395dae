"""From a layer (mayo.layers.Layer) to the Keras layer that computes it: what builders are given, and where they are entered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from mayo.config.names import Spec
from mayo.layers import Layer
from mayo.net.tf.gate.threshold import Threshold
from mayo.net.tf.objects import instantiate, seed_of
from mayo.util.registry import Registry

Dims = tuple[int | None, ...]  # of a value, with None for the batch


@dataclass(frozen=True)
class Site:
    """Where a layer stands: its name, dtype policy, seed, and the network's shared gate threshold."""

    name: str
    dtype: str | keras.DTypePolicy | None = None
    seed: int = 0
    threshold: Threshold | None = None

    @property
    def keras(self) -> dict[str, Any]:
        """Arguments that every Keras layer takes. Keras wants no `/` in names."""
        return {'name': self.name.replace('/', '.'), 'dtype': self.dtype}

    def seed_for(self, part: str) -> int:
        """A seed for one part of the layer."""
        return seed_of(self.seed, self.name, part)

    def object(self, spec: Spec | None, part: str) -> Any:
        """The object that YAML names for a part of the layer, or None."""
        return instantiate(spec, self.seed_for(part))


Builder = Callable[[Any, list[Dims], Site], keras.layers.Layer]  # of a layer, the shapes of its inputs, and its place
builders: Registry[Builder] = Registry('layer type')


def build(kind: str, layer: Layer, sources: list[Dims], site: Site) -> keras.layers.Layer:
    """The Keras layer of a type: by its builder, or by the formula that the type itself has in `compute`.

    Errors: TypeError for a type that has neither.
    """
    if kind in builders:
        return builders[kind](layer, sources, site)
    compute = getattr(layer, 'compute', None)
    if compute is None:
        raise TypeError(f'layer type `{kind}` has neither `compute` nor a builder in mayo/net/tf/layer')
    return Function(lambda *values: compute(tf, *values), **site.keras)


class Function(keras.layers.Layer):
    """A layer without weights: `function` of its inputs, for what Keras has no layer for."""

    def __init__(self, function: Callable[..., tf.Tensor], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, values: tf.Tensor | list[tf.Tensor]) -> tf.Tensor:
        return self.function(*values) if isinstance(values, list) else self.function(values)

    def compute_output_shape(self, source_shape: Dims | list[Dims]) -> Dims:
        shapes = source_shape if isinstance(source_shape, list) else [source_shape]
        examples = [tf.TensorSpec(shape, self.compute_dtype) for shape in shapes]
        return tuple(tf.function(self.function).get_concrete_function(*examples).output_shapes)
