"""Signals: the first ones are noted, the next one interrupts."""

import os
import signal
import threading

import pytest

from mayo.util.interrupt import Interrupts


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts(patience=1) as interrupts:
        assert not interrupts.noted
        os.kill(os.getpid(), number)
        assert interrupts.noted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_without_patience_the_first_signal_is_noted_and_interrupts() -> None:
    with Interrupts(patience=0, signals=(signal.SIGINT,)) as interrupts:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.noted == 1


def test_a_signal_that_is_not_listened_to_keeps_its_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts(patience=0, signals=(signal.SIGINT,)):
        assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_listens_to_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    handlers = []

    def work() -> None:
        with Interrupts(patience=0) as interrupts:
            handlers.append(signal.getsignal(signal.SIGINT))
            assert not interrupts.noted

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]
