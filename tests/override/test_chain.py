"""Chains: what the value passes through, in which order."""

from typing import Any

import numpy as np
import pytest

from mayo.override import of_layer
from mayo.override.base import State
from tests.override.conftest import gradients, run
from tests.override.test_fixed import quantized

CHAIN = {
    'weights': {
        'fixed': {'type': 'mayo.override.DGQuantizer', 'width': 4, 'overflow_rate': 0.0, '_priority': 1},
        'prune': {'type': 'mayo.override.MeanStdPruner', 'alpha': 0.0, '_priority': 100},
    }
}


@pytest.fixture
def chain() -> Any:
    return of_layer({'overrider': CHAIN}, 'conv0')['weights']


def test_members_act_by_descending_priority_and_update_on_what_comes_to_them(chain: Any, values: Any) -> None:
    assert [member.name for member in chain.members()] == ['MeanStdPruner', 'DGQuantizer']
    values = values * 4
    outlier = values.copy()
    outlier[0, 0, 0, 0] = 0.01  # pruned, so that it plays no part in the point
    state = chain.updated(outlier, chain.initial(values.shape))
    mask = np.abs(outlier) > np.abs(outlier).mean()
    assert state['MeanStdPruner.mask'].tolist() == mask.tolist()
    point = int(state['DGQuantizer.point'])
    expected = [quantized(float(value), 4, point) for value in (outlier * mask).ravel()]
    assert run(chain, outlier, state).ravel().tolist() == expected
    assert set(gradients(chain, outlier, state)[~mask].tolist()) == {0}


def test_the_states_stand_side_by_side(chain: Any) -> None:
    assert set(chain.initial((2,))) == {
        'ChainOverrider.enable',
        'MeanStdPruner.enable',
        'MeanStdPruner.mask',
        'MeanStdPruner.alpha',
        'DGQuantizer.enable',
        'DGQuantizer.width',
        'DGQuantizer.point',
    }


def test_bits_are_the_last_quantizers_and_the_density_is_the_pruners(chain: Any) -> None:
    state = chain.initial((4,)) | {'MeanStdPruner.mask': np.array([True, False, True, False])}
    assert chain.bits_of(state) == 4
    assert chain.kept(State(state, chain.name)) == 0.5
    assert chain.shown(State(state, chain.name)) == {'alpha': '0', 'point': '8'}


def test_a_chain_adds_up_what_its_members_lose() -> None:
    quantizers = {'a': {'type': 'FixedPointQuantizer', 'width': 2, 'point': 2}}
    overriders = of_layer(
        {
            'overrider': {
                'weights': {
                    'mixed': {'type': 'MixedQuantizer', 'quantizers': quantizers, 'reg_factor': 1.0, '_priority': 2},
                    'prune': {'type': 'MeanStdPruner', '_priority': 3},
                }
            }
        },
        'conv0',
    )['weights']
    state = overriders.initial((2,)) | {'MeanStdPruner.mask': np.array([True, False])}
    assert overriders.penalized(np.array([0.25, 0.4], np.float32), state).numpy() == pytest.approx(0.25)
