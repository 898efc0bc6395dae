"""Weights of Keras Applications, imported: the same images have the same logits there and here, preprocessing included.

Random weights, batch norm's statistics too. benchmarks/keras_applications.py does the same on photographs in full size.
"""
import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.config import Config
from mayo.data import augment
from mayo.session.base import Session
from mayo.session.imported import import_weights

ROOT = pathlib.Path(__file__).parents[2]
CLASSES = 5
# model: Keras's name, of its module, the side of the images, what is written, words for a smaller network on both sides
MODELS = {
    'vgg16': ('VGG16', 'vgg16', 32, 'whole.keras', {}),
    'resnet50': ('ResNet50', 'resnet50', 64, 'alone.weights.h5', {}),
    'mobilenet': ('MobileNet', 'mobilenet', 64, 'whole.h5', {'alpha': 0.25}),
    'mobilenet_v2': ('MobileNetV2', 'mobilenet_v2', 64, 'whole.keras', {}),
    'inception_v3': ('InceptionV3', 'inception_v3', 75, 'whole.h5', {}),
    'densenet121': ('DenseNet121', 'densenet', 64, 'alone.weights.h5', {}),
    'efficientnet_b0': ('EfficientNetB0', 'efficientnet', 64, 'whole.keras', {}),
}
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')     # of h5py in Keras


@pytest.fixture(scope='module')
def garments():
    """Three colour pictures [3, 28, 28, 3]: the red, green and blue of each are Fashion-MNIST's images."""
    records = tf.compat.v1.io.tf_record_iterator(str(ROOT / 'datasets/fashion_mnist/test.tfrecord'))
    features = [tf.train.Example.FromString(record).features.feature for record in itertools.islice(records, 9)]
    images = [tf.io.decode_png(feature['image/encoded'].bytes_list.value[0]) for feature in features]
    return tf.cast(tf.stack([tf.concat(images[index:index + 3], 2) for index in (0, 3, 6)]), tf.float32)


@pytest.fixture(autouse=True)
def no_initial_weights(monkeypatch):
    """Every weight is assigned later: zeros do until then, and take half of the time."""
    for initializer in (keras.initializers.VarianceScaling, keras.initializers.TruncatedNormal):
        monkeypatch.setattr(initializer, '__call__', lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))


def randomize(model, draw):
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
            elif kind in ('mean', 'variance'):                  # of EfficientNet's images, as its published weights have them
                weight.assign(np.square([0.229, 0.224, 0.225]) if kind == 'variance' else [0.485, 0.456, 0.406])
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def written(model, path):
    if 'weights' in path.name:
        model.save_weights(path)
    else:
        model.save(path)
    return path


def session_of(name, side, *words):
    config = Config.default()
    config.merge_file(ROOT / f'models/{name}.yaml')
    shape = 'dataset.task.preprocess.shape'
    for word in ('dataset.name=garments', f'dataset.task.num_classes={CLASSES}', f'{shape}.height={side}', f'{shape}.width={side}',
                 *words):
        config.merge_word(word)
    return Session(config)


@pytest.mark.parametrize('name', MODELS)
def test_imported_weights_give_the_logits_of_keras_applications(name, garments, tmp_path):
    application, module, side, file, smaller = MODELS[name]
    model = getattr(keras.applications, application)(
        weights=None, input_shape=(side, side, 3), classes=CLASSES, classifier_activation=None, **smaller)
    randomize(model, np.random.default_rng(2))
    images = tf.image.resize(garments, [side, side])
    expected = model(getattr(keras.applications, module).preprocess_input(images.numpy()), training=False)
    spread = np.ptp(expected, axis=0).max()
    assert spread > 1e-3 * np.abs(expected).max()
    path = written(model, tmp_path / file)
    for ours in (name, f'gate/{name}') if name == 'resnet50' else (name,):          # a gate starts from batch norm
        session = session_of(ours, side, f'import.path={path}', 'system.checkpoint.save=imported',
                             f'system.checkpoint.path={tmp_path}', f'_width={smaller.get("alpha", 1.0)}')
        import_weights(session)
        steps = session.config.get('dataset.task.preprocess.final')
        ready = tf.stack([augment.apply(image, (side, side, 3), tf.zeros([2], 'int64'), steps) for image in images])
        np.testing.assert_allclose(session.network(ready)[0], expected, rtol=0, atol=1e-4 * spread)
    keras.backend.clear_session(free_memory=False)
