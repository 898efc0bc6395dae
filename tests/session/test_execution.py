"""Masked and compact execution of one network, as `eval` chooses between them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mayo.config import Config
from mayo.estimate import estimate
from mayo.net.tf.compact import CompactNetwork, native
from mayo.session.base import Session
from mayo.session.evaluate import Evaluation, evaluate
from mayo.session.execution import execution_of, runner
from mayo.util.errors import UserError


@pytest.fixture
def session(config_of: Callable[..., Config]) -> Any:
    return lambda *words: Session(config_of(*words, gated=True))


@pytest.mark.parametrize(
    'words, execution',
    [
        ((), 'compact'),
        (('system.execution=masked',), 'masked'),
        (('model.layers.conv0.gate_params.granularity=vector',), 'masked'),
    ],
)
def test_auto_is_compact_where_every_layer_can_be(session: Any, words: tuple[Any, ...], execution: str) -> None:
    assert execution_of(session(*words)) == execution


def test_auto_says_why_it_is_masked(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level('INFO')
    execution_of(session('model.layers.conv0.gate_params.granularity=vector'))
    assert 'masked execution: ' in caplog.text
    assert 'conv0: compact execution chooses channels for a whole image' in caplog.text


def test_compact_is_an_error_where_a_layer_cannot_be(session: Any) -> None:
    told = r'command line: system.execution is compact, but\n.*conv0: compact execution chooses channels for a whole image'
    with pytest.raises(UserError, match=told):
        execution_of(session('model.layers.conv0.gate_params.granularity=vector', 'system.execution=compact'))


def test_compact_execution_evaluates_as_masked_does(session: Any) -> None:
    first = session('eval.batch_size=16')
    masked, compact = (evaluate(first, quiet=True, execution=execution) for execution in ('masked', 'compact'))
    assert compact.images == masked.images
    assert abs(compact.loss - masked.loss) < 1e-4
    assert compact.density == masked.density
    for name, counts in masked.counts.items():
        np.testing.assert_array_equal(compact.counts[name], counts)


built = pytest.mark.skipif(native.library() is None, reason='the native engine was not built: there is no C compiler')


@built
@pytest.mark.parametrize('batch_size', [1, 7, 16])
def test_the_native_engine_evaluates_as_tensorflow_does(session: Any, batch_size: int) -> None:
    first, other = (
        evaluate(session(f'eval.batch_size={batch_size}', f'system.engine={engine}'), quiet=True)
        for engine in ('tensorflow', 'native')
    )
    assert (first.images, first.density) == (other.images, other.density)
    assert abs(first.loss - other.loss) < 1e-4
    for name, counts in first.counts.items():
        np.testing.assert_array_equal(other.counts[name], counts)


@built
def test_native_is_what_auto_takes(session: Any) -> None:
    assert isinstance(runner(session(), 'compact'), native.NativeNetwork)


def test_without_the_native_engine_auto_takes_tensorflow(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, 'library', lambda: None)
    assert isinstance(runner(session(), 'compact'), CompactNetwork)


def test_an_engine_that_was_not_built_says_what_to_type(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, 'library', lambda: None)
    told = (
        r'^command line: system\.engine is native, but\nit was not built; that takes a C compiler and '
        r'`python setup\.py build_ext --inplace`\.$'
    )
    with pytest.raises(UserError, match=told):
        runner(session('system.engine=native'), 'compact')


THRESHOLD = 'model.layers.conv0.gate_params.threshold=local'


@built
def test_a_network_with_thresholds_is_compact_in_the_native_engine(session: Any) -> None:
    varying = session(THRESHOLD, 'eval.batch_size=16')
    cut = next(value for name, value in varying.network.named_variables().items() if name.endswith('gate/threshold'))
    cut.assign(1.0)
    assert execution_of(varying) == 'compact'
    masked, compact = (evaluate(varying, quiet=True, execution=execution) for execution in ('masked', 'compact'))
    assert len(set(masked.counts['conv0'])) > 1
    np.testing.assert_array_equal(compact.counts['conv0'], masked.counts['conv0'])
    assert abs(compact.loss - masked.loss) < 1e-4
    assert compact.executed == masked.executed
    each = [sum(cost.executed for cost in estimate(varying.graph, varying.input_shape, counts)) for counts in by_image(masked)]
    assert compact.executed is not None
    assert (compact.executed.p5, compact.executed.p95) == tuple(round(float(np.percentile(each, part))) for part in (5, 95))
    assert abs(compact.executed.mean - np.mean(each)) <= 1
    assert f'executed MACs of an image: mean {compact.executed.mean:,}, p5 ' in compact.render()


def by_image(evaluation: Evaluation) -> Iterator[dict[str, np.ndarray]]:
    for image in range(evaluation.images):
        yield {name: counts[image : image + 1] for name, counts in evaluation.counts.items()}


@pytest.mark.parametrize('word', ['system.engine=tensorflow', 'system.seed=0'])
def test_without_an_engine_that_can_thresholds_are_masked_and_the_log_says_why(
    session: Any, word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level('INFO')
    monkeypatch.setattr(native, 'library', lambda: None)
    assert execution_of(session(THRESHOLD, word)) == 'masked'
    assert 'masked execution: conv0: TensorFlow computes a fixed number of channels; with gate_params.threshold' in caplog.text
    with pytest.raises(UserError, match=r'system\.execution is compact, but'):
        execution_of(session(THRESHOLD, word, 'system.execution=compact'))
