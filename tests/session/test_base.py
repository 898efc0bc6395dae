"""A session: what it loads, how it says what does not fit, what it saves, where it runs."""

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle
from mayo.config import Config
from mayo.session import base
from mayo.session.base import Session, dtype_policy, make_strategy
from mayo.util.errors import UserError

IMAGES = tf.random.stateless_uniform([16, 8, 8, 1], [3, 4], -1, 1)


def trained(session: Session) -> Any:
    """The session with batch norm as training leaves it, some of its scales negative."""
    random = np.random.default_rng(5)
    for name, variable in session.named().items():
        shape = tuple(variable.shape)
        if name.endswith(('gamma', 'beta', 'moving_mean')):
            variable.assign(random.normal(size=shape))
        elif name.endswith('moving_variance'):
            variable.assign(random.uniform(0.5, 2, shape))
    return session


def test_the_seed_alone_decides_the_first_weights(config_of: Callable[..., Config]) -> None:
    first, same, other = (Session(config_of(f'system.seed={seed}')).named() for seed in (1, 1, 2))
    for name, variable in first.items():
        np.testing.assert_array_equal(variable.numpy(), same[name].numpy())
    assert any(not np.array_equal(variable.numpy(), other[name].numpy()) for name, variable in first.items())


def test_what_is_saved_is_loaded_with_the_images_and_the_configuration(config_of: Callable[..., Config]) -> None:
    session = trained(Session(config_of()))
    session.images_seen = 960
    prefix = session.save('mine')
    tensors = bundle.read(prefix)
    assert tensors['imgs_seen'] == 960
    assert b'name: tiny' in tensors['mayo/config']
    assert sorted(name for name in tensors if name.startswith('tiny/conv0')) == [
        'tiny/conv0/BatchNorm/beta',
        'tiny/conv0/BatchNorm/gamma',
        'tiny/conv0/BatchNorm/moving_mean',
        'tiny/conv0/BatchNorm/moving_variance',
        'tiny/conv0/weights',
    ]
    again = Session(config_of('system.checkpoint.load=mine'))
    again.load()
    assert again.epochs_seen() == 10
    np.testing.assert_array_equal(again.network(IMAGES)[0], session.network(IMAGES)[0])


def test_save_names_the_file_as_told_or_by_the_epoch(config_of: Callable[..., Config]) -> None:
    session = Session(config_of())
    session.images_seen = 240
    assert session.save().name == 'epoch-2.5'
    session.config = config_of('system.checkpoint.save=good')
    assert session.save().name == 'good'


def test_the_configuration_that_is_saved_has_the_densities_of_the_network(config_of: Callable[..., Config]) -> None:
    gates = ('model.layers.conv0.gate_params={density: 0.5, pool: max}', 'model.layers.conv1.gate_params={density: 0.25}')
    prefix = Session(config_of(*gates, '_gate.density=1.0', gated=True), density=0.75).save('mine')
    again = Config.default()
    again.merge_text(bytes(bundle.read(prefix)['mayo/config']).decode(), 'mine')
    gate_params = [again.get(f'model.layers.{layer}.gate_params') for layer in ('conv0', 'conv1')]
    assert gate_params == [{'density': 0.75, 'pool': 'max'}, {'density': 0.75}]
    assert again.get('_gate.density') == 0.75


@pytest.mark.parametrize(
    'gate',
    [
        '{density: 1.0}',
        '{density: 1.0, add_beta_first: true}',
        '{density: 1.0, policy: squeeze}',
        '{density: 1.0, factor: 2}',
        '{density: 1.0, parametric_beta: true}',
    ],
)
def test_a_dense_checkpoint_makes_a_gated_network_that_equals_it(
    config_of: Callable[..., Config], gate: str, caplog: pytest.LogCaptureFixture
) -> None:
    dense = trained(Session(config_of()))
    dense.images_seen = 960
    dense.save('dense')
    words = [f'model.layers.conv{index}.gate_params={gate}' for index in (0, 1)]
    gated = Session(config_of(*words, 'system.checkpoint.load=dense', gated=True))
    with caplog.at_level(logging.INFO, 'mayo'):
        gated.load()
    np.testing.assert_allclose(gated.network(IMAGES)[0], dense.network(IMAGES)[0], atol=1e-5)
    assert 'warm start: the gates of tiny/conv0, tiny/conv1 are made from batch norm' in caplog.text
    assert gated.images_seen == 0


def test_without_warm_start_the_gates_start_afresh(config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture) -> None:
    dense = trained(Session(config_of()))
    dense.images_seen = 960
    dense.save('dense')
    session = Session(config_of('system.checkpoint.load=dense', 'system.checkpoint.warm_start=false', gated=True))
    fresh = {name: variable.numpy() for name, variable in session.network.named_variables().items() if '/gate/' in name}
    with caplog.at_level(logging.INFO, 'mayo'):
        session.load()
    gate_params = session.network.named_variables()
    for name, value in fresh.items():
        np.testing.assert_array_equal(gate_params[name], value)
    np.testing.assert_array_equal(gate_params['conv1/weights'], dense.network.named_variables()['conv1/weights'])
    assert fresh['conv0/gate/weights'].std() > 0
    assert 'the gates start afresh' in caplog.text
    assert session.images_seen == 0


def test_a_missing_checkpoint_says_what_exists(config_of: Callable[..., Config]) -> None:
    Session(config_of()).save('mine')
    with pytest.raises(UserError, match=r'load=mime: no such checkpoint in .*, there are mine; did you mean mine\?'):
        Session(config_of('system.checkpoint.load=mime')).load()


def test_weights_are_loaded_once_so_that_training_is_not_undone(config_of: Callable[..., Config]) -> None:
    Session(config_of()).save('mine')
    session = Session(config_of('system.checkpoint.load=mine'))
    session.load()
    variable = session.named()['tiny/logits/biases']
    variable.assign([1.0, 2.0, 3.0])
    session.load()
    assert variable.numpy().tolist() == [1, 2, 3]


def test_outputs_that_are_not_one_a_class_are_said(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('model.layers.logits.num_outputs=4'))
    with pytest.raises(
        UserError,
        match=r'tiny\.yaml:\d+: the network gives 4 numbers for an image, '
        r'but dataset\.task\.num_classes is 3 \(tiny\.yaml:\d+\)',
    ):
        session.load()


def test_precision_is_of_the_network_and_not_of_the_process(config_of: Callable[..., Config]) -> None:
    network = Session(config_of('system.precision=mixed_bfloat16')).network
    assert keras.config.dtype_policy().name == 'float32'
    assert network.activations(IMAGES)['conv0'].dtype == tf.bfloat16
    assert network(IMAGES)[0].dtype == tf.float32
    assert all(variable.dtype == 'float32' for variable in network.named_variables().values())


def test_the_policy_comes_back_after_an_error() -> None:
    def fail() -> None:
        with dtype_policy('mixed_float16'):
            raise ValueError('broken')

    with pytest.raises(ValueError, match='broken'):
        fail()
    assert keras.config.dtype_policy().name == 'float32'


def test_one_device_needs_no_distribution() -> None:
    assert make_strategy('auto') is tf.distribute.get_strategy()
    assert make_strategy('one') is tf.distribute.get_strategy()


def test_threads_cannot_change_once_tensorflow_runs(config_of: Callable[..., Config]) -> None:
    tf.zeros(())
    with pytest.raises(UserError, match=r'system\.threads\.intra is set to 7 after TensorFlow has started'):
        Session(config_of('system.threads.intra=7')).load()


def test_several_machines_are_recognized_by_their_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TF_CONFIG', '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}')
    assert base._has_workers()
    monkeypatch.setenv('TF_CONFIG', '{}')
    assert not base._has_workers()
