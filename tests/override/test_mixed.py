"""Mixed precision: which channel has which quantizer."""

from typing import Any

import numpy as np
import pytest

from mayo.util.errors import UserError
from tests.override.conftest import gradients, make, run
from tests.override.test_fixed import quantized

TWO = {
    'low': {'type': 'mayo.override.FixedPointQuantizer', 'width': 2, 'point': 0},
    'high': {'type': 'mayo.override.FixedPointQuantizer', 'width': 8, 'point': 1},
}
MASK = 'MixedQuantizer.channel_mask'


def through(values: Any, width: int, point: int) -> Any:
    return np.array([quantized(float(value), width, point) for value in values.ravel()]).reshape(values.shape)


def test_states_are_named_by_the_label() -> None:
    state = make('MixedQuantizer', quantizers=TWO).initial((3, 5))
    assert state[MASK].tolist() == [0] * 5
    assert state['MixedQuantizerlow/FixedPointQuantizer.width'] == 2
    assert state['MixedQuantizerhigh/FixedPointQuantizer.point'] == 1


def test_each_channel_goes_through_its_own_quantizer(values: Any) -> None:
    mixed = make('MixedQuantizer', quantizers=TWO)
    mask = np.array([0, 1, 2, 0, 2, 1], np.int32)
    state = mixed.initial(values.shape) | {MASK: mask}
    expected = np.select([mask == 1, mask == 2], [through(values, 2, 0), through(values, 8, 1)], values)
    np.testing.assert_array_equal(run(mixed, values, state), expected.astype(np.float32))
    assert mixed.bits_of(state) == pytest.approx((2 * 32 + 2 * 2 + 2 * 8) / 6)
    assert mixed.shown(made_state(state)) == {'channels': 'float 2 low 2 high 2'}
    grads = gradients(mixed, np.full((1, 6), 3.0), state)
    assert grads.tolist() == [[1, 0, 0, 1, 0, 0]]  # 3 is out of range of both


def made_state(state: Any) -> Any:
    from mayo.override.base import State

    return State(state, 'MixedQuantizer')


def test_updates_hand_out_one_quantizer_after_the_other(values: Any) -> None:
    mixed = make('MixedQuantizer', quantizers=TWO, interval=0.5)
    first = mixed.updated(values, mixed.initial(values.shape))
    losses = np.abs(values - through(values, 2, 0)).mean((0, 1, 2))
    assert first[MASK].tolist() == [int(loss in sorted(losses)[:3]) for loss in losses]
    second = mixed.updated(values, first)
    assert sorted(second[MASK].tolist()) == [1, 1, 1, 2, 2, 2]
    assert ((second[MASK] == 1) == (first[MASK] == 1)).all()
    assert mixed.updated(values, second)[MASK].tolist() == second[MASK].tolist()


def test_the_loss_is_what_the_current_quantizer_changes(values: Any) -> None:
    mixed = make('MixedQuantizer', quantizers=TWO, index=1, reg_factor=0.01)
    state = mixed.initial(values.shape)
    expected = 0.01 * np.abs(values - through(values, 8, 1)).sum()
    assert mixed.penalized(values, state).numpy() == pytest.approx(expected, rel=1e-5)
    assert make('MixedQuantizer', quantizers=TWO).penalized(values, state) is None


def test_an_index_without_a_quantizer_is_told() -> None:
    with pytest.raises(UserError, match='index is 2, expected one of the 2 quantizers'):
        make('MixedQuantizer', quantizers=TWO, index=2)
