"""The zoo against Keras Applications, written by others: as many parameters; the same layers where nothing else tells.

Those whose weights can be imported give the same logits, which says more: test_import_weights.py.
"""

import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import pytest

from mayo.config import Config
from mayo.estimate import estimate
from mayo.session.spec import input_shape, model_graph

ROOT = pathlib.Path(__file__).parents[2]
MODELS = {  # name: Keras's, the parameters of https://keras.io/api/applications, and those of them that ours does without
    'vgg16': ('VGG16', 138_357_544, 0),
    'resnet50': ('ResNet50', 25_636_712, 26_560),  # biases in front of batch norm, which takes them away again
    'inception_v3': ('InceptionV3', 23_851_784, 0),
    'mobilenet': ('MobileNet', 4_253_864, 0),
    'mobilenet_v2': ('MobileNetV2', 3_538_984, 0),
    'mobilenet_v3_large': ('MobileNetV3Large', 5_507_432, 0),
    'efficientnet_b0': ('EfficientNetB0', 5_330_571, 7),  # the preprocessing of images
    'densenet121': ('DenseNet121', 8_062_504, 0),
}


def costed(name: str) -> tuple[Any, Any, Any]:
    """The layers of a model file, what each costs, and what the network reads."""
    config = Config.default()
    config.merge_file(ROOT / f'models/{name}.yaml')
    config.merge_file(ROOT / 'datasets/imagenet.yaml')
    graph, shape = model_graph(config), input_shape(config)
    return graph, estimate(graph, shape), shape


@pytest.mark.parametrize('name', MODELS)
def test_a_model_has_the_published_number_of_parameters(name: str) -> None:
    _, parameters, without = MODELS[name]
    _, costs, _ = costed(name)
    assert sum(cost.trainable + cost.state for cost in costs) == parameters - without


def test_every_other_model_gives_the_logits_of_keras_applications() -> None:
    assert set(MODELS) - {path.stem for path in (ROOT / 'models/import').glob('*.yaml')} == {'mobilenet_v3_large'}


def test_mobilenet_v3_has_the_layers_with_weights_of_keras_applications_on_maps_of_the_same_size() -> None:
    theirs, parameters, _ = MODELS['mobilenet_v3_large']
    graph, costs, shape = costed('mobilenet_v3_large')
    model = getattr(keras.applications, theirs)(weights=None, input_shape=shape.dims)
    assert model.count_params() == parameters
    assert Counter(ours(graph, costs)) == Counter(keras_layers(model))
    keras.backend.clear_session()


def ours(graph: Any, costs: Any) -> Iterator[tuple[tuple[Any, ...], tuple[Any, Any], Any]]:
    """(kernel, height and width of the output, stride) of each layer with a kernel; a vector is a map of one position."""
    for node, cost in zip(graph, costs, strict=True):
        if not cost.dense:
            continue
        side = getattr(node.params, 'kernel_size', (1, 1))
        pair = (cost.source.channels, getattr(node.params, 'depth_multiplier', cost.shape.channels))
        yield (*side, *pair), (cost.shape.height, cost.shape.width), getattr(node.params, 'stride', (1, 1))


def keras_layers(model: Any) -> Iterator[tuple[Any, Any, Any]]:
    """The same of a Keras model."""
    for layer in model.layers:
        if hasattr(layer, 'kernel'):
            kernel, size = tuple(layer.kernel.shape), tuple(layer.output.shape[1:-1])
            yield (1, 1, *kernel)[-4:], size or (1, 1), getattr(layer, 'strides', (1, 1))
