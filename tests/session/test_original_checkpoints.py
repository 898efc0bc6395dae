"""Checkpoints of the original Mayo: TensorFlow 1 graphs with its names make them, compute with them, and load ours."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.actions.import_weights import import_weights
from mayo.config import Config
from mayo.session.base import Session
from mayo.util.errors import UserError

v1 = tf.compat.v1
EPSILON, CLASSES, DENSITY = 1e-3, 4, 0.5
MASK = 'DynamicNetworkSurgeryPruner.mask'


def drawn(name: str, shape: Any, draw: Any) -> Any:
    """Random values of a scale that keeps images apart; batch norm has all of its own, some scales are negative."""
    kind, shape = name.rpartition('/')[2], tuple(shape)
    if kind == MASK:
        return draw.uniform(size=shape) < 0.5
    if 'weights' in kind:
        fan_in = np.prod(shape[:2] if kind == 'depthwise_weights' else shape[:-1])
        return draw.normal(0, 2 * fan_in**-0.5, shape)
    return draw.uniform(*{'gamma': (-0.5, 1.5), 'moving_variance': (0.5, 2)}.get(kind, (-0.5, 0.5)), shape)


class Original:
    """A network in a TensorFlow 1 graph, random weights in it, trained by momentum as far as that adds variables."""

    def __init__(self, name: str, build: Any, seed: int = 0, pruned: Any = ()) -> None:
        self.name, self.pruned, draw = name, pruned, np.random.default_rng(seed)
        with tf.Graph().as_default() as self.graph:
            self.images = v1.placeholder(tf.float32, [None, 8, 8, 3])
            with v1.variable_scope(name, use_resource=False):
                self.logits = build(self, self.images)
            self.model = v1.global_variables()
            images_seen = v1.get_variable('imgs_seen', [], tf.int64, use_resource=False, trainable=False)
            step = v1.train.get_or_create_global_step()
            v1.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(self.logits**2), step)
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())
            for variable in self.model:
                variable.load(drawn(variable.op.name, variable.shape, draw), self.session)
            images_seen.load(1234, self.session)
            self.model.append(images_seen)

    def variable(self, name: str, shape: Any) -> Any:
        value = v1.get_variable(name, shape)
        if name not in self.pruned:
            return value
        mask = v1.get_variable(f'{name}/{MASK}', shape, tf.bool, v1.zeros_initializer(), trainable=False)
        return value * tf.cast(mask, tf.float32)

    def norm(self, values: Any, gated: bool = False) -> Any:
        channels = values.shape[-1]
        with v1.variable_scope('BatchNorm'):
            scale = tf.ones(channels) if gated else v1.get_variable('gamma', [channels])
            shift = tf.zeros(channels) if gated else v1.get_variable('beta', [channels])
            mean, variance = (v1.get_variable(f'moving_{name}', [channels], trainable=False) for name in ('mean', 'variance'))
        return v1.nn.fused_batch_norm(values, scale, shift, mean, variance, EPSILON, is_training=False)[0]

    def conv(
        self,
        name: str,
        values: Any,
        channels: Any,
        size: int = 3,
        stride: int = 1,
        norm: bool = True,
        activation: Any = tf.nn.relu,
    ) -> Any:
        with v1.variable_scope(name):
            weights = self.variable('weights', [size, size, values.shape[-1], channels])
            values = v1.nn.conv2d(values, weights, [1, stride, stride, 1], 'SAME')
            return activation(self.norm(values) if norm else values + self.variable('biases', [channels]))

    def depthwise(self, name: str, values: Any) -> Any:
        with v1.variable_scope(name):
            weights = self.variable('depthwise_weights', [3, 3, values.shape[-1], 1])
            return tf.nn.relu(self.norm(v1.nn.depthwise_conv2d(values, weights, [1, 1, 1, 1], 'SAME')))

    def gated(self, name: str, values: Any, channels: Any, stride: int = 1) -> Any:
        """relu(mask g norm(conv(x)) + mask b)."""
        with v1.variable_scope(name):
            weights = self.variable('weights', [3, 3, values.shape[-1], channels])
            saliency = tf.reduce_mean(values, [1, 2]) @ self.variable('gate/weights', [values.shape[-1], channels])
            saliency = tf.nn.relu(saliency + self.variable('gate/biases', [channels]))
            loser = tf.math.top_k(saliency, int(np.ceil(DENSITY * channels)) + 1).values[:, -1:]
            mask = tf.cast(saliency > loser, tf.float32)[:, None, None]
            values = self.norm(v1.nn.conv2d(values, weights, [1, stride, stride, 1], 'SAME'), gated=True)
            return tf.nn.relu(mask * saliency[:, None, None] * values + mask * self.variable('gate/shift', [channels]))

    def logits_of(self, values: Any) -> Any:
        values = tf.reshape(values, [-1, int(np.prod(values.shape[1:]))])
        with v1.variable_scope('logits'):
            return values @ self.variable('weights', [values.shape[-1], CLASSES]) + self.variable('biases', [CLASSES])

    def run(self, images: Any) -> Any:
        return self.session.run(self.logits, {self.images: images})

    def save(self, prefix: Any, without: str = '', **options: Any) -> Any:
        with self.graph.as_default():
            chosen = [variable for variable in v1.global_variables() if not without or without not in variable.op.name]
            return v1.train.Saver(chosen, **options).save(self.session, str(prefix), write_meta_graph=False)

    def restore(self, prefix: Any) -> None:
        """Only what a network has: another training's slots are not in our files."""
        with self.graph.as_default():
            v1.train.Saver(self.model).restore(self.session, str(prefix))


def chain(net: Any, images: Any) -> Any:
    values = net.conv('conv0', images, 6, stride=2)
    values = net.conv('conv1', net.depthwise('depth', values), 5, norm=False)
    return net.logits_of(values)


def gated(net: Any, images: Any) -> Any:
    return net.logits_of(net.gated('conv1', net.gated('conv0', images, 8, stride=2), 7))


def plain(net: Any, images: Any) -> Any:
    return net.logits_of(net.conv('conv1', net.conv('conv0', images, 8, stride=2), 7))


def modules(net: Any, images: Any) -> Any:
    for block, stride in (('b11', 1), ('b12', 2)):
        with v1.variable_scope(block):
            shortcut = net.conv('conv_shortcut', images, 6, size=1, stride=stride, activation=tf.identity)
            with v1.variable_scope('residual'):
                values = net.conv('conv2', net.conv('conv1', images, 4, stride=stride), 6, activation=tf.identity)
            images = tf.nn.relu(values + shortcut)
    return net.logits_of(images)


CONV = """
layers:
    flatten: {type: flatten}
    logits: {type: fully_connected, num_outputs: 4, activation_fn: null}
    _conv: &conv
        type: convolution
        kernel_size: 3
        normalizer_fn: tensorflow.contrib.slim.batch_norm
        normalizer_params: {scale: true, epsilon: 0.001}
"""
CHAIN = (
    CONV
    + """\
    conv0: {<<: *conv, num_outputs: 6, stride: 2}
    depth: {<<: *conv, type: depthwise_convolution}
    conv1: {<<: *conv, num_outputs: 5, normalizer_fn: null}
graph: {from: input, with: [conv0, depth, conv1, flatten, logits], to: output}
"""
)
PLAIN = (
    CONV
    + """\
    conv0: {<<: *conv, num_outputs: 8, stride: 2}
    conv1: {<<: *conv, num_outputs: 7}
graph: {from: input, with: [conv0, conv1, flatten, logits], to: output}
"""
)
GATED = PLAIN.replace(
    'type: convolution',
    """type: gated_convolution
        gate_params: {policy: parametric, density: 0.5}""",
)
MODULES = (
    CONV
    + """\
    _block: &block
        type: module
        kwargs: {stride: 1}
        layers:
            residual:
                type: module
                layers:
                    conv1: {<<: *conv, num_outputs: 4, stride: ^(stride)}
                    conv2: {<<: *conv, num_outputs: 6, activation_fn: null}
                graph: {from: input, with: [conv1, conv2], to: output}
            conv_shortcut: {<<: *conv, kernel_size: 1, num_outputs: 6, stride: ^(stride), activation_fn: null}
            add: {type: add}
            relu: {type: activation, mode: relu}
        graph:
            - {from: input, with: residual, to: residual_out}
            - {from: input, with: conv_shortcut, to: shortcut_out}
            - {from: [residual_out, shortcut_out], with: [add, relu], to: output}
    b11: *block
    b12: {<<: *block, stride: 2}
graph: {from: input, with: [b11, b12, flatten, logits], to: output}
"""
)
KINDS = {'chain': (chain, CHAIN), 'gated': (gated, GATED), 'modules': (modules, MODULES), 'plain': (plain, PLAIN)}
every = pytest.mark.parametrize('kind', ['chain', 'gated', 'modules'])


@pytest.fixture(scope='module')
def images() -> Any:
    return np.random.default_rng(1).normal(size=(5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def original() -> Callable[..., Any]:
    """original(kind, seed): its graph, made once."""
    tensors = {}

    def make(kind: Any, seed: int = 0, pruned: Any = ()) -> Any:
        key = kind, seed, pruned
        if key not in tensors:
            tensors[key] = Original('net', KINDS[kind][0], seed, pruned)
        return tensors[key]

    return make


@pytest.fixture
def ours(tmp_path: pathlib.Path) -> Callable[..., Session]:
    """ours(kind, *words): a session of the same layers."""

    def make(kind: Any, *words: str) -> Session:
        config = Config.default()
        body = KINDS[kind][1].replace('\n', '\n    ')
        config.merge_text(f'model:\n    name: net{body}', 'net.yaml')
        config.merge_text('dataset: {name: pictures, task.num_classes: 4}', 'pictures.yaml')
        config.merge_text('dataset.task.preprocess.shape: {height: 8, width: 8, channels: 3}', 'pictures.yaml')
        for word in (f'system.checkpoint.path={tmp_path}', *words):
            config.merge_word(word)
        return Session(config)

    return make


def outputs(session: Any, images: Any) -> Any:
    session.load()
    return session.network(images)[0].numpy()


def close(left: Any, right: Any) -> None:
    """Up to rounding, against how much the images differ."""
    spread = np.ptp(right, axis=0).max()
    assert spread > 0.01
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-4 * spread)


@every
def test_a_checkpoint_of_the_original_computes_the_same_here(
    kind: Any,
    original: Callable[..., Any],
    ours: Callable[..., Session],
    images: Any,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, 'mayo')
    prefix = original(kind).save(tmp_path / 'theirs')
    session = ours(kind, f'system.checkpoint.load={prefix}')
    close(outputs(session, images), original(kind).run(images))
    assert session.images_seen == 1234
    assert 'unused in the file: net/' in caplog.text
    assert '/weights/Momentum' in caplog.text
    assert 'missing' not in caplog.text
    assert 'global_step' not in caplog.text


@every
def test_our_checkpoint_computes_the_same_in_the_original(
    kind: Any, original: Callable[..., Any], ours: Callable[..., Session], images: Any
) -> None:
    session = ours(kind, 'system.checkpoint.save=mine')
    draw = np.random.default_rng(7)
    for name, variable in session.named().items():
        variable.assign(drawn(name, variable.shape, draw))
    session._is_loaded, session.images_seen = True, 77
    prefix, theirs = session.save(), original(kind, seed=1)
    assert np.abs(theirs.run(images) - outputs(session, images)).max() > 0.01
    theirs.restore(prefix)
    close(theirs.run(images), outputs(session, images))
    assert theirs.session.run('imgs_seen:0') == 77


def test_pruned_weights_of_the_original_are_zero_here(
    original: Callable[..., Any], ours: Callable[..., Session], images: Any, tmp_path: pathlib.Path
) -> None:
    theirs = original('chain', pruned=('weights', 'depthwise_weights'))  # those of each layer
    session = ours('chain', f'system.checkpoint.load={theirs.save(tmp_path / "pruned")}')
    close(outputs(session, images), theirs.run(images))
    share = np.mean(session.named()['net/conv0/weights'].numpy() == 0)
    assert 0.3 < share < 0.7


def test_a_dense_checkpoint_of_the_original_starts_the_gated_network(
    original: Callable[..., Any], ours: Callable[..., Session], images: Any, tmp_path: pathlib.Path
) -> None:
    prefix = original('plain').save(tmp_path / 'dense')
    densities = (f'model.layers.conv{index}.gate_params.density=1.0' for index in (0, 1))
    session = ours('gated', f'system.checkpoint.load={prefix}', *densities)
    close(outputs(session, images), original('plain').run(images))


def test_what_a_checkpoint_of_the_original_lacks_is_fatal_unless_strict_is_off(
    original: Callable[..., Any], ours: Callable[..., Session], tmp_path: pathlib.Path
) -> None:
    prefix = original('modules').save(tmp_path / 'partial', without='b12/residual/conv1/weights')
    with pytest.raises(UserError, match=r'1 missing in the file: net/b12/residual/conv1/weights\n'):
        ours('modules', f'system.checkpoint.load={prefix}').load()
    session = ours('modules', f'system.checkpoint.load={prefix}', 'system.checkpoint.strict=false')
    before = session.named()['net/b12/residual/conv1/weights'].numpy()
    session.load()
    np.testing.assert_array_equal(session.named()['net/b12/residual/conv1/weights'], before)


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001', ''])
def test_any_file_of_a_checkpoint_names_it(
    suffix: str, original: Callable[..., Any], ours: Callable[..., Session], images: Any, tmp_path: pathlib.Path
) -> None:
    prefix = original('chain').save(tmp_path / 'theirs')
    close(outputs(ours('chain', f'system.checkpoint.load={prefix}{suffix}'), images), original('chain').run(images))


@pytest.mark.parametrize('options', [{}, {'write_version': v1.train.SaverDef.V1}], ids=['second format', 'first format'])
def test_a_checkpoint_of_the_original_is_imported(
    options: dict[str, Any], original: Callable[..., Any], ours: Callable[..., Session], images: Any, tmp_path: pathlib.Path
) -> None:
    prefix = original('chain').save(tmp_path / 'theirs.ckpt', **options)
    session = ours('chain', f'import.path={prefix}', 'system.checkpoint.save=imported')
    written = import_weights(session)
    assert written == tmp_path / 'net' / 'pictures' / 'imported'
    again = ours('chain', 'system.checkpoint.load=imported')
    close(outputs(again, images), original('chain').run(images))
    assert again.images_seen == 1234


def test_a_checkpoint_of_other_names_is_imported_by_a_mapping(
    original: Callable[..., Any], ours: Callable[..., Session], images: Any, tmp_path: pathlib.Path
) -> None:
    theirs = Original('vgg_9', chain, seed=3)
    (tmp_path / 'map.yaml').write_text('layers:\n    vgg_9/(.*): "{1}"\n')
    session = ours(
        'chain',
        f'import.path={theirs.save(tmp_path / "slim")}',
        f'import.mapping={tmp_path}/map.yaml',
        'system.checkpoint.save=imported',
    )
    import_weights(session)
    close(outputs(session, images), theirs.run(images))
