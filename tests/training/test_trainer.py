"""Training: it learns, saves, goes on where it was, and stops as it should."""

import logging
import os
import pathlib
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle
from mayo.config import Config
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.training import trainer as training
from mayo.training.step import Step
from mayo.training.trainer import Trainer, train
from mayo.util.errors import RunError, UserError

pytestmark = [
    pytest.mark.usefixtures('eager'),
    pytest.mark.filterwarnings('ignore:Even though the .tf.config'),  # tf.data keeps its functions, as it should
]


@pytest.fixture
def compiled() -> Iterator[None]:
    """Functions are traced and compiled after all, as they are for users."""
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)


def weights(session: Any) -> dict[Any, Any]:
    return {name: variable.numpy() for name, variable in session.named().items()}


def run(config: Config) -> Session:
    session = Session(config)
    train(session)
    return session


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int, number: Any = signal.SIGINT) -> None:
    """Send this process a signal as soon as step number `steps` is done."""
    take = Step.__call__
    taken = []

    def take_and_signal(self: Any, *args: Any) -> None:
        take(self, *args)
        taken.append(1)
        if len(taken) == steps:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Step, '__call__', take_and_signal)


@pytest.mark.parametrize('gated', [False, True])
@pytest.mark.usefixtures('compiled')
def test_it_learns_to_tell_pictures_apart(config_of: Callable[..., Config], gated: bool) -> None:
    session = run(config_of('train.max_epochs=6', gated=gated))
    assert evaluate(session, quiet=True).top1 > 0.9
    assert session.images_seen == 6 * 96


@pytest.mark.parametrize('steps', [6, 8])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    words = ('~train.optimizer', 'train.optimizer=keras.optimizers.Adam', 'train.average=0.9', 'train.clip_norm=1.0')
    whole = weights(run(config_of(*words, 'system.checkpoint.save=whole', gated=True)))
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(KeyboardInterrupt):
            run(config_of(*words, 'system.checkpoint.save=parts', gated=True))
    resumed = run(config_of(*words, 'system.checkpoint.save=parts', 'system.checkpoint.load=latest', gated=True))
    assert resumed.images_seen == 192
    for name, value in weights(resumed).items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_ctrl_c_saves_first(config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, 4, signal.SIGTERM)
    config = config_of('train.validate=false')
    with pytest.raises(KeyboardInterrupt):
        run(config)
    store = Session(config).store
    assert store.names() == ['epoch-0.667']
    assert bundle.read(store.resolve('latest'))['imgs_seen'] == 64


def test_the_last_checkpoints_and_the_best_stay(config_of: Callable[..., Config]) -> None:
    session = run(config_of('train.max_epochs=4', 'system.checkpoint.keep=2', 'system.checkpoint.save=tiny'))
    assert session.store.names() == ['tiny-best', 'tiny-epoch-3', 'tiny-epoch-4']
    best = bundle.read(session.store.resolve('tiny-best'))
    assert not any(name.startswith('mayo/training') for name in best)
    assert session.store.latest() == 'tiny-epoch-4'


def test_a_resumed_run_keeps_the_best_unless_it_is_better(config_of: Callable[..., Config]) -> None:
    first = run(config_of('train.max_epochs=1'))
    session = Session(config_of('system.checkpoint.load=latest', 'train.max_epochs=2'))
    session.load()
    trainer = Trainer(session)
    assert trainer.best == pytest.approx(evaluate(first, quiet=True).top1)
    trainer.best = 1.0
    trainer.run()
    assert bundle.read(session.store.resolve('best'))['imgs_seen'] == 96


def test_a_run_that_is_done_says_so(config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture) -> None:
    run(config_of())
    with caplog.at_level(logging.INFO, 'mayo'):
        run(config_of('system.checkpoint.load=latest'))
    assert 'nothing to train: 2 of 2 epochs are done' in caplog.text


def test_a_new_run_of_the_same_name_says_that_it_replaces_the_earlier(
    config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    run(config_of('train.max_epochs=1', 'train.validate=false'))
    assert 'replace' not in caplog.text
    run(config_of('train.max_epochs=1', 'train.validate=false', 'system.checkpoint.save=other'))
    assert 'replace' not in caplog.text
    run(config_of('train.max_epochs=1', 'train.validate=false'))
    assert 'this training will replace the checkpoints of an earlier one, up to epoch-1' in caplog.text


def test_reset_num_epochs_keeps_the_weights_and_starts_again(config_of: Callable[..., Config]) -> None:
    first = run(config_of())
    session = Session(config_of('system.checkpoint.load=latest'))
    session.reset_num_epochs()
    for name, value in weights(session).items():
        np.testing.assert_array_equal(value, weights(first)[name])
    trainer = Trainer(session)
    assert trainer.epoch == 0
    assert trainer.step.optimizer.iterations.numpy() == 0


def test_another_optimizer_goes_on_with_the_weights_alone(
    config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    run(config_of())
    session = Session(
        config_of(
            'system.checkpoint.load=latest', 'train.max_epochs=3', '~train.optimizer', 'train.optimizer=keras.optimizers.Adam'
        )
    )
    session.load()
    trainer = Trainer(session)
    assert trainer.epoch == 2
    assert 'the optimizer or what it trains differs from the checkpoint: it starts afresh' in caplog.text


def test_checkpoints_come_by_the_clock_too(config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.bundle, 'write', lambda prefix, tensors: written.append(prefix.name))
    written: list[Any] = []
    monkeypatch.setattr('mayo.checkpoint.store.Store.record', lambda *args: None)
    run(config_of('train.max_epochs=1', 'train.validate=false', 'system.checkpoint.every_minutes=1e-9'))
    assert written == ['epoch-0.167', 'epoch-0.333', 'epoch-0.5', 'epoch-0.667', 'epoch-0.833', 'epoch-1']


def test_epochs_between_checkpoints(config_of: Callable[..., Config]) -> None:
    words = ('train.max_epochs=5', 'train.validate=false')
    session = run(config_of(*words, 'system.checkpoint.every_epochs=2', 'system.checkpoint.keep=9'))
    assert session.store.names() == ['epoch-2', 'epoch-4', 'epoch-5']


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_checkpoint(config_of: Callable[..., Config]) -> None:
    rate = '{type: piecewise, boundaries: [1.3], values: [0.01, 1.0e+30]}'
    config = config_of('~train.learning_rate', f'train.learning_rate={rate}')
    with pytest.raises(RunError) as error:
        run(config)
    assert re.match(
        r'train: the loss is not finite at step \d+ \(epoch 1\.\d+\), learning rate 1e\+30; '
        r'the first layer affected is conv[01]\. The last good checkpoint is epoch-1\. '
        r'A lower learning rate, a warm-up, or train\.clip_norm may help\.$',
        str(error.value),
    )
    tensors = bundle.read(Session(config).store.resolve('latest'))
    assert all(np.isfinite(value).all() for name, value in tensors.items() if name.startswith('tiny/'))


def test_averages_are_what_is_evaluated_saved_and_left(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('train.average=0.5', 'train.max_epochs=1', 'train.validate=false'))
    trainer = Trainer(session)
    trainer.run()
    averages = trainer.step.averages
    assert {'conv0/weights', 'conv0/BatchNorm/moving_mean', 'conv1/BatchNorm/moving_variance'} <= set(averages)
    tensors = bundle.read(session.store.resolve('latest'))
    for name, average in averages.items():
        np.testing.assert_array_equal(tensors[f'tiny/{name}'], average.numpy())
        np.testing.assert_array_equal(session.network.named_variables()[name].numpy(), average.numpy())
    weights_under = {name: tensors[f'mayo/training/weights/{name}'] for name in averages}
    assert all(not np.array_equal(weights_under[name], average.numpy()) for name, average in averages.items())


def test_a_training_that_was_done_before_leaves_the_averages_too(config_of: Callable[..., Config]) -> None:
    words = ('train.average=0.5', 'train.max_epochs=1', 'train.validate=false')
    done = run(config_of(*words))
    again = run(config_of(*words, 'system.checkpoint.load=latest'))
    for name, values in weights(done).items():
        np.testing.assert_array_equal(weights(again)[name], values)


def test_evaluating_the_averages_does_not_disturb_training(config_of: Callable[..., Config]) -> None:
    words = ('train.average=0.5', 'dataset.task.preprocess.train=[]')
    with_it, without = (
        run(config_of(*words, f'train.validate={word}', f'system.checkpoint.save={word}')) for word in ('true', 'false')
    )
    for name, value in weights(with_it).items():
        np.testing.assert_allclose(value, weights(without)[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_only_the_variables_that_match_train(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('train.trainable=logits', 'train.max_epochs=1'))
    before = weights(session)
    train(session)
    moved = {name for name, value in weights(session).items() if not np.array_equal(value, before[name])}
    assert {name for name in moved if 'moving' not in name} == {'tiny/logits/weights', 'tiny/logits/biases'}


def test_a_pattern_that_matches_nothing_is_said(config_of: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r"train\.trainable is 'conv9', which no trainable variable of the network matches\."):
        run(config_of('train.trainable=conv9'))


def test_a_batch_larger_than_the_data_is_said(config_of: Callable[..., Config]) -> None:
    with pytest.raises(UserError, match=r'system\.batch_size is 100, but an epoch has 96 images; expected 96 or less\.'):
        run(config_of('system.batch_size=100'))


def test_progress_tells_loss_accuracy_density_and_rate(
    config_of: Callable[..., Config], capfd: pytest.CaptureFixture[str]
) -> None:
    run(config_of('system.log.every_seconds=0.000001', 'train.max_epochs=1', gated=True))
    assert re.search(
        r'train: 32 of 96 images, epoch 0\.33, loss \d\.\d{4}, top-1 \d+\.\d\d%, density 0\.500, rate \S+, '
        r'\d+ images/s, \d+ s left',
        capfd.readouterr().err,
    )


def test_a_folder_that_takes_no_checkpoint_is_told_before_the_first_epoch(
    config_of: Callable[..., Config], tmp_path: pathlib.Path
) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='/file cannot be written to: it is a file, not a folder'):
        train(Session(config_of(f'system.checkpoint.path={tmp_path}/file')))


@pytest.mark.parametrize(('name', 'whose'), [('', 'without a name'), ('mine', 'of the name mine')])
def test_a_second_training_of_the_name_is_refused_before_it_writes(
    config_of: Callable[..., Config], name: str, whose: str
) -> None:
    session = Session(config_of(f'system.checkpoint.save={name or "null"}', 'train.max_epochs=1'))
    with session.store.training(name), pytest.raises(UserError, match=f'another process is training there, {whose}, and'):
        train(session)
    assert session.store.names() == []
    with session.store.training('other'):
        Trainer(session).run()
    assert not list(session.store.folder.glob('.*'))
