"""The file that is written says what was found, to people and to Mayo."""

import math
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from mayo.layers import GateParams
from mayo.search import overlay
from mayo.util.decimals import ceil_decimal, density_of


@given(st.integers(1, 4096).flatmap(lambda channels: st.tuples(st.integers(1, channels), st.just(channels))))
def test_the_short_density_keeps_exactly_the_channels_that_were_found(pair: Any) -> None:
    keep, channels = pair
    density = density_of(keep, channels)
    assert ceil_decimal(density, channels) == keep
    assert math.isclose(density, keep / channels, abs_tol=1e-4)


def test_gates_keep_their_parameters_and_layers_of_modules_are_found() -> None:
    gates = {'conv0': GateParams(policy='squeeze', pool='l1'), 'fire/squeeze': GateParams(), 'a.b': GateParams()}
    text = overlay(gates, {'conv0': 0.25, 'fire/squeeze': 0.5, 'a.b': 0.75}, ['one line', 'another'])
    assert text.startswith('# one line\n# another\nmodel:\n')
    assert yaml.safe_load(text) == {
        'model': {
            'layers': {
                'conv0': {'gate_params': {'policy': 'squeeze', 'density': 0.25, 'pool': 'l1'}},
                'fire': {'layers': {'squeeze': {'gate_params': {'density': 0.5}}}},
                r'a\.b': {'gate_params': {'density': 0.75}},
            }
        }
    }
