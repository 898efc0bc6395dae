"""Weights of Keras Applications, imported: the same images have the same logits there and here, preprocessing included.

Random weights, batch norm's statistics too. On photographs in full size where MAYO_PHOTOGRAPHS names a folder of them:

    MAYO_PHOTOGRAPHS=FOLDER python -m pytest -n 0 -rP -k photographs tests/conformance/test_import_weights.py
"""

import itertools
import os
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.actions.import_weights import import_weights
from mayo.config import Config
from mayo.data import augment
from mayo.session.base import Session

ROOT = pathlib.Path(__file__).parents[2]
PHOTOGRAPHS = os.environ.get('MAYO_PHOTOGRAPHS')
CLASSES = 5
# model: Keras's name, of its module, the side of the images, what is written, words for a smaller network on both sides
MODELS: dict[str, Any] = {
    'vgg16': ('VGG16', 'vgg16', 32, 'whole.keras', {}),
    'resnet50': ('ResNet50', 'resnet50', 64, 'alone.weights.h5', {}),
    'mobilenet': ('MobileNet', 'mobilenet', 64, 'whole.h5', {'alpha': 0.25}),
    'mobilenet_v2': ('MobileNetV2', 'mobilenet_v2', 64, 'whole.keras', {}),
    'inception_v3': ('InceptionV3', 'inception_v3', 75, 'whole.h5', {}),
    'densenet121': ('DenseNet121', 'densenet', 64, 'alone.weights.h5', {}),
    'efficientnet_b0': ('EfficientNetB0', 'efficientnet', 64, 'whole.keras', {}),
}
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')  # of h5py in Keras


@pytest.fixture(scope='module')
def garments() -> Any:
    """Three colour pictures [3, 28, 28, 3]: the red, green and blue of each are Fashion-MNIST's images."""
    records = tf.compat.v1.io.tf_record_iterator(str(ROOT / 'datasets/fashion_mnist/test.tfrecord'))
    features = [tf.train.Example.FromString(record).features.feature for record in itertools.islice(records, 9)]
    images = [tf.io.decode_png(feature['image/encoded'].bytes_list.value[0]) for feature in features]
    return tf.cast(tf.stack([tf.concat(images[index : index + 3], 2) for index in (0, 3, 6)]), tf.float32)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every weight is assigned later, zeros do until then."""
    for initializer in (keras.initializers.VarianceScaling, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(initializer, '__call__', lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))
    monkeypatch.setattr(Session, 'save', lambda self: None)  # tests/session/test_imported.py looks at what is written


def randomize(model: Any, draw: Any) -> None:
    """Weights that keep the scale of what passes, and batch norms that have learnt something."""
    for layer in model.layers:
        for weight in layer.weights:
            kind, shape = weight.name, weight.shape
            if kind == 'kernel':
                fan_in = np.prod(shape[:2] if isinstance(layer, keras.layers.DepthwiseConv2D) else shape[:-1])
                weight.assign(draw.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5))
            elif kind in ('gamma', 'moving_variance'):
                weight.assign(draw.uniform(0.5, 1.5, shape))
            elif kind in ('beta', 'moving_mean', 'bias'):
                weight.assign(draw.normal(0, 0.1, shape))
            elif kind in ('mean', 'variance'):  # of EfficientNet's images, as its published weights have them
                weight.assign(np.square([0.229, 0.224, 0.225]) if kind == 'variance' else [0.485, 0.456, 0.406])
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def written(model: Any, path: Any) -> Any:
    if 'weights' in path.name:
        model.save_weights(path)
    else:
        model.save(path)
    return path


def imported(name: str, path: Any, shape: Any, classes: Any, folder: Any, width: Any) -> Session:
    """A session of the model with the weights of the file."""
    config = Config.default()
    config.merge_file(ROOT / f'models/{name}.yaml')
    key = 'dataset.task.preprocess.shape'
    for word in (
        'dataset.name=pictures',
        f'dataset.task.num_classes={classes}',
        f'{key}.height={shape[0]}',
        f'{key}.width={shape[1]}',
        f'_width={width}',
        f'import.path={path}',
        f'system.checkpoint.path={folder}',
    ):
        config.merge_word(word)
    session = Session(config)
    import_weights(session)
    return session


def compare(name: str, pictures: Any, shape: Any, classes: int, folder: pathlib.Path, smaller: Any) -> None:
    """The logits of Keras's network and of ours, dense or gated, after the preprocessing that each has."""
    application, module, _, file = MODELS[name][:4]
    model = getattr(keras.applications, application)(
        weights=None, input_shape=shape, classes=classes, classifier_activation=None, **smaller
    )
    randomize(model, np.random.default_rng(2))
    ready = getattr(keras.applications, module).preprocess_input(np.array(pictures))
    expected = np.concatenate([model(ready[start : start + 4], training=False) for start in range(0, len(ready), 4)])
    path, spread = written(model, folder / file), np.ptp(expected, axis=0).max()
    assert spread > 1e-3 * np.abs(expected).max()
    for ours in (name, f'gate/{name}') if name == 'resnet50' else (name,):  # a gate starts from batch norm
        session = imported(ours, path, shape, classes, folder, smaller.get('alpha', 1.0))
        steps = session.config.get('dataset.task.preprocess.final')
        ready = tf.stack([augment.apply(picture, shape, tf.zeros([2], 'int64'), steps) for picture in pictures])
        logits = np.concatenate([session.network(ready[start : start + 4])[0] for start in range(0, len(ready), 4)])
        print(
            f'{ours}: logits of {len(pictures)} pictures of {shape[0]} x {shape[1]} differ by '
            f'{np.abs(logits - expected).max() / spread:.1e} of their range'
        )
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * spread)
    keras.backend.clear_session(free_memory=False)


@pytest.mark.parametrize('name', MODELS)
def test_imported_weights_give_the_logits_of_keras_applications(name: str, garments: Any, tmp_path: pathlib.Path) -> None:
    side, smaller = MODELS[name][2], MODELS[name][4]
    compare(name, tf.image.resize(garments, [side, side]), (side, side, 3), CLASSES, tmp_path, smaller)


@pytest.mark.slow
@pytest.mark.skipif(PHOTOGRAPHS is None, reason='MAYO_PHOTOGRAPHS names no folder of JPEG files')
@pytest.mark.parametrize('name', MODELS)
def test_they_do_on_photographs_in_full_size(name: str, tmp_path: pathlib.Path) -> None:
    config = Config.default()
    config.merge_file(ROOT / f'models/{name}.yaml')
    shape, steps = config.get('dataset.task.preprocess.shape'), config.get('dataset.task.preprocess.validate')
    shape = shape['height'], shape['width'], shape['channels']
    files = sorted(pathlib.Path(PHOTOGRAPHS or '').rglob('*.JP*G'))[:16]
    images = [tf.cast(tf.io.decode_jpeg(file.read_bytes(), channels=3), tf.float32) for file in files]
    pictures = tf.stack([augment.apply(image, shape, tf.zeros([2], 'int64'), steps) for image in images])
    compare(name, pictures, shape, 1000, tmp_path, {})
