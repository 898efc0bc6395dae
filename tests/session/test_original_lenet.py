"""LeNet-5 as the original Mayo had it reads bytes / 255, whoever's data set it is and whoever asks, and its pruned weights load."""

import itertools
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mayo.config import Config
from mayo.export.artifact import Preprocessing
from mayo.export.function import preprocess
from mayo.session.base import Session
from mayo.session.data import data_of, epoch_of
from mayo.session.predict import image_of
from mayo.session.spec import input_shape
from mayo.session.steps import decoded_channels, steps_of

ROOT = pathlib.Path(__file__).parents[2]
RECORDS = ROOT / 'datasets/fashion_mnist/test.tfrecord'
COUNT, THRESHOLD = 4, 0.05
LENET = """
dataset:
    task:
        background_class: {use: false}
        preprocess: {shape: {height: 28, width: 28, channels: 1}, validate: null, final_cpu: FINAL}
model:
    name: lenet5
    layers:
        _init: &init {weights_initializer: {type: tensorflow.truncated_normal_initializer, stddev: 0.09}}
        prep: {type: identity}
        conv0: &conv {<<: *init, type: convolution, kernel_size: 5, padding: valid, num_outputs: 4}
        pool0: &pool {type: max_pool, kernel_size: 2, stride: 2, padding: valid}
        conv1: {<<: *conv, num_outputs: 6}
        pool1: *pool
        flatten: {type: flatten}
        dropout: {type: dropout, keep_prob: 0.5}
        fc1: &fc {<<: *init, type: fully_connected, num_outputs: 20}
        logits: {<<: *fc, activation_fn: null, num_outputs: $(dataset.task.num_classes)}
    graph:
        from: input
        with: [prep, conv0, pool0, conv1, pool1, flatten, dropout, fc1, logits]
        to: output
"""
DATASETS = {
    'theirs': """
dataset:
    name: mnist
    task:
        type: mayo.task.image.Classify
        num_classes: 10
        background_class: {has: false}
        shape: {height: 28, width: 28, channels: 1}
        preprocess.train: []
    path: {train: RECORDS, validate: RECORDS}
    num_examples_per_epoch: {train: COUNT, validate: COUNT}
""",
    'ours': """
dataset:
    name: fashion_mnist
    task: {type: classify, num_classes: 10}
    path: {train: RECORDS, validate: RECORDS}
    num_examples_per_epoch: {train: COUNT, validate: COUNT}
""",
}
TRAINER = 'train.optimizer.type: tensorflow.train.GradientDescentOptimizer\nsystem.max_epochs: 1'
PRUNER = 'DynamicNetworkSurgeryPruner'
PRUNED = f"""
_overrider.weights.dns: {{type: mayo.override.{PRUNER}, alpha: -0.5}}
model.layers: {{conv0.overrider: {{weights: $(_overrider.weights)}}, conv1.overrider: {{weights: $(_overrider.weights)}},
               fc1.overrider: {{weights: $(_overrider.weights)}}, logits.overrider: {{weights: $(_overrider.weights)}}}}
"""


@pytest.fixture(scope='module')
def records(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The first few of the shipped records."""
    data, end = RECORDS.read_bytes(), 0
    for _ in range(COUNT):
        (length,) = struct.unpack('<Q', data[end : end + 8])
        end += 16 + length
    path = tmp_path_factory.mktemp('records') / 'test.tfrecord'
    path.write_bytes(data[:end])
    return path


@pytest.fixture(scope='module')
def encoded(records: pathlib.Path) -> list[bytes]:
    """The files of the images inside them."""
    examples = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(records))]
    return [example.features.feature['image/encoded'].bytes_list.value[0] for example in examples]


@pytest.fixture(scope='module')
def shares(encoded: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What Pillow reads, divided by 255: [N, 28, 28, 1]."""
    folder = tmp_path_factory.mktemp('files')
    pixels = []
    for number, content in enumerate(encoded):
        (folder / f'{number}.png').write_bytes(content)
        pixels.append(np.asarray(Image.open(folder / f'{number}.png').convert('L'), np.float64)[..., None] / 255)
    assert max(image.max() for image in pixels) > 0.9
    return np.stack(pixels)


def configured(records: pathlib.Path, dataset: str, order: Any = (0, 1, 2), final: str = 'null', more: str = '') -> Config:
    texts = [LENET.replace('FINAL', final), DATASETS[dataset], TRAINER]
    config = Config.default()
    for place in order:
        config.merge_text(texts[place].replace('RECORDS', str(records)).replace('COUNT', str(COUNT)), f'{place}.yaml')
    if more:
        config.merge_text(more, 'more.yaml')
    return config


def evaluated(config: Config, mode: str = 'validate') -> Any:
    source = data_of(config, mode)
    with source.reading():
        [(images, _)] = list(epoch_of(config, mode, data=source, batch_size=COUNT))
    return images.numpy()


STEPS = [('null', 1.0, 0.0), ('{type: linear_map, scale: 2.0, shift: -1.0}', 2.0, -1.0)]


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize(('final', 'scale', 'shift'), STEPS)
@pytest.mark.parametrize('order', list(itertools.permutations(range(3))), ids=str)
def test_the_network_reads_bytes_divided_by_255(
    dataset: str,
    order: Any,
    final: str,
    scale: float,
    shift: float,
    records: pathlib.Path,
    encoded: Any,
    shares: Any,
    tmp_path: Any,
) -> None:
    config = configured(records, dataset, order, final)
    expected = shares * scale + shift
    steps, shape = steps_of(config, 'validate'), tuple(input_shape(config).dims)
    assert shape == (28, 28, 1)
    (tmp_path / 'image.png').write_bytes(encoded[0])
    predicted = image_of(str(tmp_path / 'image.png'), (28, 28, 1), steps, decoded_channels(config, 1))
    np.testing.assert_allclose(predicted, expected[0], atol=1e-5)
    exported = preprocess(tf.constant(np.round(shares[0] * 255), tf.uint8), Preprocessing(steps, (28, 28, 1)))
    np.testing.assert_allclose(exported, expected[0], atol=1e-5)
    if order == (0, 1, 2):  # in the others the steps are the same
        np.testing.assert_allclose(evaluated(config), expected, atol=1e-5)


@pytest.mark.parametrize('dataset', DATASETS)
def test_training_reads_the_same(dataset: str, records: pathlib.Path, shares: Any) -> None:
    images = evaluated(configured(records, dataset), 'train')
    np.testing.assert_allclose(np.sort(images.sum((1, 2, 3))), np.sort(shares.sum((1, 2, 3))), rtol=1e-4)


def test_a_model_of_ours_still_reads_bytes_of_their_data_set(records: pathlib.Path, shares: Any) -> None:
    config = Config.default()
    text = DATASETS['theirs'].replace('RECORDS', str(records)).replace('COUNT', str(COUNT))
    config.merge_text(text, 'mnist.yaml')
    config.merge_file(ROOT / 'models/lenet5.yaml')
    config.merge_text('dataset.task.preprocess.final: []', 'none.yaml')
    np.testing.assert_allclose(evaluated(config), shares * 255, atol=1e-3)


# ---- the pruned checkpoint


def shapes() -> dict[str, tuple[int, ...]]:
    return {'conv0': (5, 5, 1, 4), 'conv1': (5, 5, 4, 6), 'fc1': (96, 20), 'logits': (20, 10)}


def tf1_outputs(images: Any, values: dict[str, Any]) -> Any:
    """In a graph of TensorFlow 1, with the masked weights of the original."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.constant(images, tf.float32)
        for name in ('conv0', 'conv1'):
            x = v1.nn.conv2d(x, values[f'{name}/weights'] * values[f'{name}/mask'], strides=[1, 1, 1, 1], padding='VALID')
            x = v1.nn.max_pool(tf.nn.relu(x + values[f'{name}/biases']), [1, 2, 2, 1], [1, 2, 2, 1], 'VALID')
        x = tf.reshape(x, [len(images), -1])
        x = tf.nn.relu(x @ (values['fc1/weights'] * values['fc1/mask']) + values['fc1/biases'])
        return session.run(x @ (values['logits/weights'] * values['logits/mask']) + values['logits/biases'])


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict[str, Any]]:
    """(prefix, values) of a file as the original's saver wrote it: weights not yet masked, and alpha and mask of each pruner."""
    v1, random = tf.compat.v1, np.random.default_rng(5)
    values: dict[str, Any] = {}
    prefix = tmp_path_factory.mktemp('pruned') / 'pruned'
    with tf.Graph().as_default(), v1.Session() as session:
        for layer, shape in shapes().items():
            weights = random.normal(0, 0.2, shape).astype(np.float32)
            values |= {f'{layer}/weights': weights, f'{layer}/mask': np.abs(weights) > THRESHOLD}
            values[f'{layer}/biases'] = random.normal(0, 0.2, shape[-1:]).astype(np.float32)
            scope = f'lenet5/{layer}'
            for name, value in (
                (f'{scope}/weights', weights),
                (f'{scope}/biases', values[f'{layer}/biases']),
                (f'{scope}/weights/{PRUNER}.mask', values[f'{layer}/mask']),
                (f'{scope}/weights/{PRUNER}.alpha', np.float32(-0.25)),
            ):
                v1.get_variable(name, initializer=value, use_resource=False)
        v1.get_variable('imgs_seen', initializer=np.int64(60000), use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
    return prefix, values


@pytest.mark.parametrize('overrides', ['', PRUNED], ids=['without pruners', 'with pruners'])
def test_the_pruned_checkpoint_of_the_original_computes_what_it_did(
    overrides: str, checkpoint: tuple[pathlib.Path, dict[str, Any]], records: pathlib.Path, shares: Any
) -> None:
    prefix, values = checkpoint
    session = Session(configured(records, 'theirs', more=f'{overrides}\nsystem.checkpoint.load: {prefix}'))
    session.load()
    computed = session.network(tf.constant(shares, tf.float32), training=False)[0]
    np.testing.assert_allclose(computed, tf1_outputs(shares, values), rtol=1e-4, atol=1e-4)
    weights = session.network.effective_weights()['conv1/weights']
    assert 0.1 < np.mean(weights == 0) < 0.5
    assert session.images_seen == 60000
    if overrides:
        state = session.network.overrider_state
        assert float(state[f'conv0/weights/{PRUNER}.alpha']) == -0.25  # a stored number beats the file's
        np.testing.assert_array_equal(state[f'conv0/weights/{PRUNER}.mask'], values['conv0/mask'])
