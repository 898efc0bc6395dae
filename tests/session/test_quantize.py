"""Quantizing a network: what it measures, what it keeps wide, what it writes, what it refuses."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle, quantized
from mayo.config import Config
from mayo.net.tf.compact.calibrate import METHODS, ranges_of
from mayo.net.tf.compact.narrow import multiplying
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.session.execution import execution_of, program_of
from mayo.session.quantize import quantize
from mayo.util.errors import UserError

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
    stored = quantized.ranges_in(bundle.read(prefix))
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
    from mayo.net.tf.compact import program as ops

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
