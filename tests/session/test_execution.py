"""Masked and compact execution of one network, as `eval` chooses between them."""
import numpy as np
import pytest

from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.session.execution import execution_of
from mayo.util.errors import UserError


@pytest.fixture
def session(config_of):
    return lambda *words: Session(config_of(*words, gated=True))


@pytest.mark.parametrize('words, execution', [
    ((), 'compact'), (('system.execution=masked',), 'masked'), (('model.layers.conv0.gate_params.threshold=local',), 'masked')])
def test_auto_is_compact_where_every_layer_can_be(session, words, execution):
    assert execution_of(session(*words)) == execution


def test_auto_says_why_it_is_masked(session, caplog):
    caplog.set_level('INFO')
    execution_of(session('model.layers.conv0.gate_params.granularity=vector'))
    assert 'masked execution: ' in caplog.text
    assert 'conv0: compact execution chooses channels for a whole image' in caplog.text


def test_compact_is_an_error_where_a_layer_cannot_be(session):
    told = r'command line: system.execution is compact, but\n.*conv0: compact execution computes a fixed'
    with pytest.raises(UserError, match=told):
        execution_of(session('model.layers.conv0.gate_params.threshold=local', 'system.execution=compact'))


def test_compact_execution_evaluates_as_masked_does(session):
    one = session('eval.batch_size=16')
    masked, compact = (evaluate(one, quiet=True, execution=execution) for execution in ('masked', 'compact'))
    assert compact.images == masked.images
    assert abs(compact.loss - masked.loss) < 1e-4
    assert compact.density == masked.density
    for name, counts in masked.counts.items():
        np.testing.assert_array_equal(compact.counts[name], counts)


def test_onnxruntime_evaluates_as_tensorflow_does(session):
    one, other = (evaluate(session('eval.batch_size=16', f'system.engine={engine}'), quiet=True)
                  for engine in ('tensorflow', 'onnxruntime'))
    assert (one.images, one.density) == (other.images, other.density)
    assert abs(one.loss - other.loss) < 1e-4
    for name, counts in one.counts.items():
        np.testing.assert_array_equal(other.counts[name], counts)


def test_an_engine_for_compact_networks_runs_no_masked_one(session):
    told = (r'^command line: system\.engine is onnxruntime, which runs compact networks only; this one has no gates or is '
            r'masked\.$')
    with pytest.raises(UserError, match=told):
        execution_of(session('system.engine=onnxruntime', 'system.execution=masked'))


def test_an_engine_that_is_not_installed_says_what_to_type(session, monkeypatch):
    monkeypatch.setattr('mayo.session.execution.missing', lambda packages: ['onnxruntime'])
    one = session('system.engine=onnxruntime')
    with pytest.raises(UserError, match=r'system\.engine: onnxruntime needs onnxruntime; `pip install .*\[export\]'):
        evaluate(one, quiet=True)
