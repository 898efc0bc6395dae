"""Learning rates: each schedule against its formula, and what is said of a wrong one."""

import inspect
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mayo.config.names import KNOWN
from mayo.training.schedule import learning_rate, schedule, schedules
from mayo.util.errors import UserError

EPOCHS = some.floats(0, 100)


@pytest.mark.parametrize('name', schedules)
def test_the_configuration_knows_the_arguments_of_each_schedule(name: str) -> None:
    arguments = [p for p in inspect.signature(schedules[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    expected = {p.name: p.default for p in arguments}
    if name == 'one_cycle':
        expected['epochs'] = None  # train.max_epochs takes its place
    assert KNOWN[name] == expected


@given(EPOCHS)
def test_a_number_is_constant(epoch: Any) -> None:
    assert learning_rate(0.1, 'x')(epoch) == 0.1


@given(EPOCHS)
def test_exponential_falls_by_its_rate(epoch: Any) -> None:
    smooth = schedule('exponential', {'learning_rate': 0.1, 'decay_epochs': 10, 'decay_rate': 0.5})
    stairs = schedule('exponential', {'learning_rate': 0.1, 'decay_epochs': 10, 'decay_rate': 0.5, 'staircase': True})
    assert smooth(epoch) == pytest.approx(0.1 * 0.5 ** (epoch / 10))
    assert stairs(epoch) == pytest.approx(0.1 * 0.5 ** (epoch // 10))


@given(EPOCHS)
def test_cosine_and_polynomial_reach_their_ends_and_stay(epoch: Any) -> None:
    cosine = schedule('cosine', {'learning_rate': 2.0, 'decay_epochs': 50, 'alpha': 0.1})
    part = min(epoch / 50, 1)
    assert cosine(epoch) == pytest.approx(2 * (0.9 * (math.cos(math.pi * part) + 1) / 2 + 0.1))
    square = schedule('polynomial', {'learning_rate': 2.0, 'decay_epochs': 50, 'end_learning_rate': 0.2, 'power': 2})
    assert square(epoch) == pytest.approx(1.8 * (1 - part) ** 2 + 0.2)


def test_a_cycling_polynomial_starts_from_higher_multiples() -> None:
    rate = schedule('polynomial', {'learning_rate': 1.0, 'decay_epochs': 10, 'end_learning_rate': 0.0, 'cycle': True})
    assert [rate(epoch) for epoch in (0, 5, 10, 15, 20)] == pytest.approx([1, 0.5, 0, 0.25, 0])


@given(EPOCHS)
def test_one_cycle_rises_once_and_falls_once(epoch: Any) -> None:
    value = {'type': 'one_cycle', 'learning_rate': 0.4, 'warm_up': 0.2, 'start': 0.1, 'end': 0.01}
    rate = learning_rate(value, 'x', max_epochs=50)
    if epoch < 10:
        assert rate(epoch) == pytest.approx(0.4 * (0.1 + 0.9 * epoch / 10))
    else:
        assert rate(epoch) == pytest.approx(0.4 * (0.01 + 0.99 * (1 + math.cos(math.pi * min((epoch - 10) / 40, 1))) / 2))


def test_one_cycle_without_warm_up_starts_at_the_top() -> None:
    assert schedule('one_cycle', {'learning_rate': 0.4, 'warm_up': 0.0}, max_epochs=10)(0) == 0.4


def test_the_schedules_of_tensorflow_1_count_epochs() -> None:
    rate = learning_rate(
        {
            'type': 'tensorflow.train.exponential_decay',
            'learning_rate': 0.01,
            'decay_steps': 2.5,
            'decay_rate': 0.94,
            'staircase': True,
        },
        'x',
    )
    assert [rate(epoch) for epoch in (0, 2.4, 2.5, 5)] == pytest.approx([0.01, 0.01, 0.0094, 0.008836])


@pytest.mark.parametrize(('boundaries', 'values'), [([10, 5], [1, 2, 3]), ([10], [1]), ([], [])])
def test_boundaries_and_values_that_do_not_fit_are_said(boundaries: list[Any], values: list[Any]) -> None:
    with pytest.raises(UserError, match=r'tiny\.yaml:3: learning_rate: piecewise .* one before each and one after the last'):
        learning_rate({'type': 'piecewise', 'boundaries': boundaries, 'values': values}, 'tiny.yaml:3: learning_rate')


@pytest.mark.parametrize('name', ['exponential', 'polynomial', 'cosine'])
def test_a_length_of_zero_is_said(name: str) -> None:
    value = {'type': name, 'learning_rate': 1.0, 'decay_epochs': 0} | ({'decay_rate': 0.5} if name == 'exponential' else {})
    with pytest.raises(UserError, match='x: decay_epochs is 0, expected a number of epochs above 0'):
        learning_rate(value, 'x')


def test_a_cycle_that_only_rises_is_said() -> None:
    with pytest.raises(UserError, match=r'x: warm_up is 1.0, expected the fraction .* in \[0, 1\)'):
        learning_rate({'type': 'one_cycle', 'learning_rate': 1.0, 'warm_up': 1.0}, 'x', 10)


def test_an_optimizer_is_no_schedule() -> None:
    with pytest.raises(UserError, match=r'keras\.optimizers\.SGD is not a learning rate; known: a number, constant, expon'):
        learning_rate('keras.optimizers.SGD', 'x')
