"""The names that variables have in checkpoints: LAYER/weights, LAYER/BatchNorm/gamma, LAYER/gate/shift."""

from collections.abc import Iterator

import keras

_MAYO_NAMES = {'kernel': 'weights', 'bias': 'biases'}


class GroupwiseConv2D(keras.layers.Conv2D):
    """A convolution in groups whose weights the original Mayo calls groupwise_weights."""

    weights_name = 'groupwise_weights'


class PointwiseConv2D(keras.layers.Conv2D):
    """The second half of a separable convolution."""

    weights_name = 'pointwise_weights'


class Composite(keras.layers.Layer):
    """Abstract: a layer made of other layers, each under a name of its own in checkpoints ('' for none)."""

    def parts(self) -> list[tuple[str, keras.layers.Layer]]:
        """The layers inside, each with what goes before its variables' names."""
        raise NotImplementedError


def named_variables(layer: keras.layers.Layer, prefix: str = '') -> Iterator[tuple[str, keras.Variable]]:
    """Every weight of `layer` with its name in checkpoints, after `prefix`; random states are not among them."""
    if isinstance(layer, Composite):
        for name, part in layer.parts():
            yield from named_variables(part, _join(prefix, name))
    inside = {id(weight) for part in layer._flatten_layers(include_self=False) for weight in part.weights}
    for weight in layer.weights:
        if id(weight) not in inside:
            yield _join(prefix, _mayo_name(layer, weight)), weight


def _mayo_name(layer: keras.layers.Layer, weight: keras.Variable) -> str:
    if isinstance(layer, keras.layers.DepthwiseConv2D) and weight.name == 'kernel':
        return 'depthwise_weights'
    if isinstance(layer, GroupwiseConv2D | PointwiseConv2D) and weight.name == 'kernel':
        return layer.weights_name
    if isinstance(layer, keras.layers.BatchNormalization | keras.layers.GroupNormalization):
        return f'{getattr(layer, "scope", "BatchNorm/")}{weight.name}'
    return _MAYO_NAMES.get(weight.name, weight.name)


def _join(prefix: str, name: str) -> str:
    return f'{prefix}/{name}' if prefix and name else prefix or name
