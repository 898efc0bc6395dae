"""Every backend has a function for every class of operation, or says why not."""

from typing import Any

import pytest

from mayo.net.tf.compact import CompactNetwork, native, program
from mayo.net.tf.compact import onnx as onnx_backend
from mayo.net.tf.compact.backend import Backend, backends
from mayo.net.tf.compact.native import operations, tables
from mayo.net.tf.compact.onnx import onnx_model
from mayo.net.tf.compact.program import Operation, Program, Value
from mayo.net.tf.compact.static import static

ABSTRACT = {Operation, program.Unary, program.Nary}
CLASSES = [
    kind for kind in vars(program).values() if isinstance(kind, type) and issubclass(kind, Operation) and kind not in ABSTRACT
]


class Flip(program.Unary):
    """A class of operation that no backend knows."""


def of_flip() -> Program:
    value = Value((4,), 4)
    return Program((Flip(output='y', source='x'),), {'x': value, 'y': value}, ('x',), ('y',))


@pytest.mark.parametrize('backend', list(backends))
@pytest.mark.parametrize('kind', CLASSES, ids=lambda kind: kind.__name__)
def test_every_backend_runs_or_refuses_every_operation(backend: str, kind: type[Operation]) -> None:
    assert kind in backends[backend]
    assert all(reason.endswith('.') for reason in backends[backend].refusals.values())


def test_every_way_to_run_a_program_is_such_a_backend() -> None:
    assert set(backends) == {'TensorFlow', 'ONNX', 'the native engine', 'the static network'}
    assert set(tables.KINDS) == set(operations.emitters.functions)


def test_an_operation_that_a_backend_does_not_know_is_named() -> None:
    with pytest.raises(KeyError, match='the static network has no function for the operation Flip, nor a reason why not'):
        static(of_flip())


def test_an_operation_that_a_backend_refuses_is_a_reason_before_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = 'it cannot turn channels around.'
    for name in backends:
        monkeypatch.setitem(backends[name].refusals, Flip, reason)
    message = 'the native engine does not run the operation Flip: it cannot turn channels around.'
    assert native.unsupported(of_flip()) == [message]
    assert onnx_backend.emitters.refused(of_flip().operations) == [
        'ONNX does not run the operation Flip: it cannot turn channels around.'
    ]
    for run in (onnx_model, static, lambda flip: CompactNetwork(flip).alone(None)):
        with pytest.raises(ValueError, match='does not run the operation Flip: it cannot turn channels around'):
            run(of_flip())


def test_an_operation_is_entered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, '_items', {})
    backend: Backend[Any] = Backend('toy')
    backend.register(Flip)(lambda: None)
    with pytest.raises(ValueError, match='toy: the operation Flip is entered twice'):
        backend.refuse(Flip, 'it is entered already.')
