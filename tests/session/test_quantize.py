"""Quantizing a network: what it measures, what it keeps wide, what it writes, what it refuses."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle, quantized
from mayo.config import Config
from mayo.net.tf.compact.calibrate import METHODS, ranges_of
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.session.execution import execution_of, program_of
from mayo.session.quantize import quantize
from mayo.util.errors import UserError
from mayo_runtime.narrow import multiplying

Configs = Callable[..., Config]


def precisions(session: Session) -> dict[str, str]:
    """Of the layers of the compact network."""
    narrows = {operation.output: operation.narrow for operation in multiplying(program_of(session))}
    return {name: 'float32' if narrow is None else narrow.precision for name, narrow in narrows.items()}


@pytest.mark.parametrize('gated', [False, True])
def test_a_quantized_network_is_saved_with_its_ranges_and_runs_in_int8_when_loaded(config_of: Configs, gated: bool) -> None:
    session = Session(config_of(gated=gated))
    result = quantize(session, 16, 'train', 'minmax', None)
    assert set(precisions(session).values()) == {'int8'}
    assert set(result.losses) == set(session.quantized)
    assert all(loss >= 0 for loss in result.losses.values())
    assert max(result.losses.values()) > 0
    prefix = session.save('eight')
    stored = quantized.ranges_in(bundle.read(prefix), 'eight')
    assert list(stored) == list(session.quantized)
    np.testing.assert_allclose(list(stored.values()), list(session.quantized.values()), rtol=1e-6)
    other = Session(config_of('system.checkpoint.load=eight', gated=gated))
    other.load()
    assert execution_of(other) == 'compact'
    assert set(precisions(other).values()) == {'int8'}
    assert evaluate(other, quiet=True).top1 == result.after.top1


def test_layers_that_lose_most_stay_wide_until_the_loss_is_within_max_drop(
    config_of: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mayo.session.quantize as module

    def judged(session: Session, quiet: bool) -> Any:
        wide = [name for name, precision in precisions(session).items() if precision == 'float32']
        top1 = 0.9 if len(wide) >= 2 else 0.5  # two layers have to stay wide
        return type(evaluated)(**{**evaluated.__dict__, 'top1': top1})

    session = Session(config_of())
    evaluated = evaluate(session, quiet=True)
    monkeypatch.setattr(module, 'evaluate', judged)
    result = quantize(session, 16, 'train', 'minmax', 0.01)
    worst = sorted(result.losses, key=lambda layer: -result.losses[layer])[:2]
    assert list(result.wide) == worst
    assert [name for name, precision in precisions(session).items() if precision == 'float32'] == [
        name for name in precisions(session) if name in worst
    ]
    assert f'{worst[0]}' in result.render()
    assert 'float32' in result.render()


@pytest.mark.parametrize('method', METHODS)
def test_ranges_span_the_numbers_that_their_method_says(method: str) -> None:
    from mayo_runtime import program as ops

    weights = np.ones((2, 1), np.float32)
    dense = ops.Dense(output='y', source='x', weights=weights, bias=np.zeros(1, np.float32))
    program = ops.Program((dense,), {'x': ops.Value((2,), 2), 'y': ops.Value((1,), 1)}, ('x',), ('y',))
    images = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)
    images[0] = 100, -50
    low, high = ranges_of(program, lambda watched: lambda batch: (batch, {}), [images], method)['y']
    if method == 'minmax':
        assert (low, high) == (-50, 100)
    if method == 'percentile':
        assert -5 < low < -2.5
        assert 2.5 < high < 5
    if method == 'mse':
        assert low == pytest.approx(-high / 2)
        assert 30 <= high <= 100


def test_broken_weights_are_refused_by_name(config_of: Configs) -> None:
    session = Session(config_of())
    session.load(fresh=True)
    name, variable = next((name, variable) for name, variable in session.named().items() if name.endswith('conv1/weights'))
    variable.assign(np.full(variable.shape, np.nan))
    with pytest.raises(UserError, match=rf'{name} are not finite numbers'):
        quantize(session, 16, 'train', 'minmax', None)
    assert not session.quantized


def test_fewer_images_than_asked_for_are_told(config_of: Configs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, 'mayo')
    quantize(Session(config_of()), 10**6, 'validate', 'minmax', None)
    assert 'quantize.images is 1000000, but there are only' in caplog.text


def test_masked_execution_of_a_quantized_network_says_that_it_is_in_float32(
    config_of: Configs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'mayo')
    session = Session(config_of('system.execution=masked'))
    session.load(fresh=True)
    session.quantized = {'conv0': (0.0, 1.0)}
    assert execution_of(session) == 'masked'
    assert 'masked execution computes in float32' in caplog.text


def test_a_layer_that_reads_nothing_but_zeros_stays_in_float32(config_of: Configs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, 'mayo')
    session = Session(config_of())
    session.load(fresh=True)
    norm = session.named()['tiny/conv0/BatchNorm/beta']
    norm.assign(np.full(norm.shape, -1e3))
    result = quantize(session, 16, 'train', 'minmax', None)
    assert 'conv1 reads nothing but zeros on these images, which is no range: it stays in float32' in caplog.text
    assert precisions(session)['conv1'] == 'float32'
    assert 'conv1' not in session.quantized
    assert ['conv1', '-', 'float32'] in [line.split() for line in result.render().splitlines()]


def test_one_image_is_refused(config_of: Configs) -> None:
    with pytest.raises(UserError, match='one image of `train` says nothing of the numbers that others reach'):
        quantize(Session(config_of()), 1, 'train', 'minmax', None)


def saved_in_int8(config: Config) -> Any:
    """The prefix of a checkpoint of its network, made without looking at images."""
    session = Session(config)
    session.load(fresh=True)
    session.quantized = {'conv0': (-1.0, 1.0), 'conv1': (0.0, 2.0), 'logits': (0.0, 3.0)}
    return session.save('eight')


def test_ranges_of_an_earlier_form_are_refused_where_they_would_be_used(config_of: Configs) -> None:
    prefix = saved_in_int8(config_of())
    tensors = bundle.read(prefix)
    assert tensors.pop(quantized.FORM_NAME) == quantized.FORM
    bundle.write(prefix, tensors)
    session = Session(config_of('system.checkpoint.load=eight'))
    with pytest.raises(UserError, match=r'eight: its ranges for int8 are of form 1, those of this version are of form 2'):
        evaluate(session, quiet=True)
    assert quantized.form_in(bundle.read(session.save('copy'))) == 1
    evaluate(Session(config_of('system.checkpoint.load=eight', 'system.execution=masked')), quiet=True)
    quantize(session, 16, 'train', 'minmax', None)
    assert quantized.form_in(bundle.read(session.save('anew'))) == quantized.FORM
    evaluate(session, quiet=True)


@pytest.mark.parametrize('span', [[1.0], [np.nan, 1.0], [2.0, 1.0]])
def test_a_broken_range_in_a_checkpoint_is_told(config_of: Configs, span: list[float]) -> None:
    prefix = saved_in_int8(config_of())
    tensors = bundle.read(prefix) | {'mayo/quantized/conv0': np.array(span, np.float32)}
    bundle.write(prefix, tensors)
    with pytest.raises(UserError, match=r'mayo/quantized/conv0 is .* expected the least and the largest number'):
        Session(config_of('system.checkpoint.load=eight')).load()


def test_ranges_of_a_dense_network_are_not_those_of_the_gated_one_that_starts_from_it(config_of: Configs) -> None:
    saved_in_int8(config_of())
    session = Session(config_of('system.checkpoint.load=eight', gated=True))
    session.load()
    assert not session.quantized


@pytest.mark.train
def test_a_network_that_trains_leaves_its_ranges_behind(config_of: Configs, caplog: pytest.LogCaptureFixture) -> None:
    from mayo.training.trainer import train

    caplog.set_level(logging.WARNING, 'mayo')
    saved_in_int8(config_of())
    session = Session(config_of('system.checkpoint.load=eight', 'train.max_epochs=1'))
    train(session)
    assert (
        'the network computes in float32 from here on: the ranges of eight are not those of weights that train' in caplog.text
    )
    assert not quantized.ranges_in(bundle.read(session.save('trained')), 'trained')


def test_the_mean_of_quantized_networks_is_in_float32(config_of: Configs) -> None:
    from mayo.actions.mean import load_mean

    saved_in_int8(config_of())
    plain = Session(config_of())
    plain.load(fresh=True)
    plain.save('plain')
    session = Session(config_of('mean.checkpoints=[eight,plain]'))
    load_mean(session)
    assert not session.quantized
