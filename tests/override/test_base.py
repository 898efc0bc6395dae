"""What all overriders share, shown with a toy: its state, its types, and what an update changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.override import overriders, parse
from mayo.override.base import Around, Array, Overrider, State, Tensor, argument, overrider
from mayo.util.kinds import NUMBER


@pytest.fixture
def toy() -> Iterator[type[Overrider]]:
    """Adding an overrider is adding this class."""

    @overrider
    @dataclass(frozen=True, kw_only=True)
    class Toy(Overrider):
        factor: float = argument(NUMBER, 2.0)

        def state(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
            return {'factor': self.factor, 'updates': 0}

        def apply(self, value: Tensor, state: State) -> Tensor:
            return value * state['factor']

        def update(self, value: Array, state: State, around: Around) -> Mapping[str, Any]:
            return {'updates': state['updates'] + 1}

    yield Toy
    overriders._items.pop('Toy')


def test_a_class_is_all_that_a_new_overrider_takes(toy: type[Overrider]) -> None:
    built = parse({'type': 'mayo.override.Toy', 'factor': 3.0}, 'conv0.overrider.weights.toy')
    state = built.initial((2,))
    assert {name: value.item() for name, value in state.items()} == {'Toy.enable': True, 'Toy.factor': 3.0, 'Toy.updates': 0}
    assert built.overridden(tf.constant([1.0, -2.0]), state).numpy().tolist() == [3.0, -6.0]
    assert built.updated(np.zeros(2), state)['Toy.updates'] == 1
    assert state['Toy.updates'] == 0
    assert built.bits_of(state) == 32


def test_a_state_that_is_not_enabled_leaves_the_value_and_its_gradient(toy: type[Overrider]) -> None:
    built = toy()
    state = built.initial((2,)) | {'Toy.enable': np.array(False)}
    value = tf.constant([1.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = built.overridden(value, state)
    assert result.numpy().tolist() == [1.0, -2.0]
    assert tape.gradient(result, value).numpy().tolist() == [1.0, 1.0]


def test_an_overrider_that_should_not_update_does_not(toy: type[Overrider]) -> None:
    built = toy(should_update=False)
    state = built.initial((2,))
    assert built.updated(np.zeros(2), state) == state


def test_states_have_the_types_of_the_checkpoints_of_the_original(toy: type[Overrider]) -> None:
    types = {name: value.dtype.name for name, value in toy().initial(()).items()}
    assert types == {'Toy.enable': 'bool', 'Toy.factor': 'float32', 'Toy.updates': 'int32'}


def test_a_value_of_16_bits_comes_back_in_16_bits(toy: type[Overrider]) -> None:
    built = toy()
    assert built.overridden(tf.constant([1.0], tf.bfloat16), built.initial((1,))).dtype == tf.bfloat16


def test_every_overrider_of_the_original_is_there() -> None:
    assert sorted(overriders) == [
        'ChannelGater',
        'ChannelTernaryQuantizer',
        'CourbariauxQuantizer',
        'DGQuantizer',
        'DGTrainableQuantizer',
        'DynamicNetworkSurgeryPruner',
        'EmptyOverrider',
        'FilterPruner',
        'FixedPointQuantizer',
        'FloatingPointQuantizer',
        'IncrementalQuantizer',
        'LogQuantizer',
        'LowRankApproximation',
        'MeanStdPruner',
        'MixedQuantizer',
        'NetworkSlimmer',
        'RandomChannelGater',
        'Recentralizer',
        'ShiftQuantizer',
        'TernaryQuantizer',
    ]
