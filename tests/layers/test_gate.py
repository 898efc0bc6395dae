"""What `gate_params` takes, and what a gate costs."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayo.layers import Shape, read_layer
from mayo.layers.gate import GateParams
from mayo.layers.keys import read
from mayo.util.errors import UserError

WHERE = 'models/x.yaml:7: conv0.gate_params'


def gate_of(params: Any, where: str = WHERE) -> Any:
    return read(GateParams, params, lambda key: f'{where}.{key}' if key else where, '`gate_params`')


def test_nothing_given_is_the_gate_of_the_paper_at_full_density() -> None:
    gate = gate_of(None)
    assert gate == gate_of({}) == GateParams()
    assert (gate.enable, gate.policy, gate.density, gate.pool, gate.granularity, gate.threshold) == (
        True,
        'parametric',
        1.0,
        'avg',
        'channel',
        'online',
    )


def test_scratch_keys_are_left_alone() -> None:
    assert gate_of({'_note': 1, 'density': 0.5}) == GateParams(density=0.5)


@pytest.mark.parametrize(
    ('density', 'channels', 'kept'),
    [
        (1.0, 8, 8),
        (0.5, 8, 4),
        (0.51, 8, 5),
        (0.01, 8, 1),
        (0.28, 100, 28),
        (0.07, 100, 7),
        (0.55, 20, 11),
        (0.29, 100, 29),
        (0.1, 30, 3),
        (0.7, 10, 7),
        (0.3333, 3, 1),
        (0.3334, 3, 2),
        (1e-6, 512, 1),
        (1, 3, 3),
    ],
)
def test_the_ceiling_is_taken_of_the_decimal_as_written(density: float, channels: int, kept: int) -> None:
    assert GateParams(density=density).kept(channels) == kept


@given(st.decimals('0.001', '1', places=3), st.integers(1, 4096))
def test_some_channel_is_kept_and_never_more_than_there_are(density: float, channels: Any) -> None:
    kept = GateParams(density=float(density)).kept(channels)
    assert 1 <= kept <= channels
    assert kept == math.ceil(Decimal(density) * channels)


@pytest.mark.parametrize(
    ('params', 'message'),
    [
        ({'density': 0}, 'density is 0, expected a number in (0, 1].'),
        ({'density': 1.5}, 'density is 1.5, expected a number in (0, 1].'),
        ({'density': -0.5}, 'density is -0.5, expected a number in (0, 1].'),
        ({'density': float('nan')}, 'density is .nan, expected a number in (0, 1].'),
        ({'density': 'half'}, 'density is half, expected a number in (0, 1].'),
        ({'density': True}, 'density is true, expected a number in (0, 1].'),
        ({'density': None}, 'density is null, expected a number in (0, 1].'),
        ({'density': [0.5]}, 'density is [0.5], expected a number in (0, 1].'),
        (
            {'policy': 'parametrik'},
            'policy is parametrik, expected one of naive, parametric, select, squeeze; did you mean parametric?',
        ),
        ({'policy': ['naive']}, 'policy is [naive], expected one of naive, parametric, select, squeeze.'),
        ({'pool': 'mean'}, 'pool is mean, expected one of avg, l1, l2, max.'),
        ({'granularity': 'row'}, 'granularity is row, expected one of channel, vector.'),
        ({'threshold': 0.5}, 'threshold is 0.5, expected one of online, local, global, learned.'),
        ({'decay': 1}, 'decay is 1, expected a number in [0, 1).'),
        ({'norm': 'layer'}, 'norm is layer, expected one of batch, channel.'),
        ({'factor': -1}, 'factor is -1, expected a number from 0 up.'),
        ({'epsilon': 0}, 'epsilon is 0, expected a number above 0.'),
        ({'enable': 'yes please'}, 'enable is yes please, expected true or false.'),
        ({'trainable': 1}, 'trainable is 1, expected true or false.'),
        ({'parametric_beta': None}, 'parametric_beta is null, expected true or false.'),
        ({'add_beta_first': 'no'}, 'add_beta_first is no, expected true or false.'),
        ({'regularizer': 'l1'}, 'regularizer is l1, expected a mapping such as {l1: 1.0e-8}.'),
        ({'regularizer': {'l1': -1}}, 'regularizer.l1 is -1, expected a number from 0 up.'),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_was_expected(params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        gate_of(params, WHERE)
    assert str(error.value) == f'{WHERE}.{message}'
    with pytest.raises(UserError) as error:
        GateParams(**params)
    assert str(error.value) == message


def test_unknown_keys_and_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UserError) as error:
        gate_of({'densty': 0.5, 'pool': 'avr', 'regularizer': {'mo': 1}, 'quite_another': 1}, WHERE)
    assert str(error.value).split('\n') == [
        f'{WHERE}.densty: `gate_params` takes no such key; did you mean density?',
        f'{WHERE}.quite_another: `gate_params` takes no such key; known: enable, policy, density, pool, granularity, threshold, '
        'decay, regularizer, temperature, factor, parametric_beta, add_beta_first, norm, trainable, original, epsilon.',
        f'{WHERE}.pool is avr, expected one of avg, l1, l2, max; did you mean avg?',
        f'{WHERE}.regularizer: unknown name `mo`; did you mean moi? Known: l1, l2, moe, moi.',
    ]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(UserError, match=r'gate_params is 0\.5, expected a mapping\.'):
        gate_of(0.5, WHERE)
    with pytest.raises(UserError, match=r'gate_params is \[\], expected a mapping'):
        gate_of([], WHERE)


def test_an_empty_regularizer_is_none() -> None:
    assert gate_of({'regularizer': None}) == GateParams()
    assert gate_of({'regularizer': {'l1': 1e-8, 'moe': 0}}).regularizer == {'l1': 1e-8, 'moe': 0}


@pytest.mark.parametrize(
    ('params', 'macs', 'weights'),
    [
        ({}, 3 * 8, 3 * 8 + 8 + 8),  # phi, rho, b
        ({'density': 0.5}, 3 * 8, 3 * 8 + 8 + 8),
        ({'policy': 'naive'}, 3 * 8, 3 * 8 + 8),
        ({'policy': 'naive', 'parametric_beta': True}, 3 * 8, 3 * 8 + 8),
        ({'policy': 'squeeze'}, 3 * 8, 3 * 8 + 8 + 8),
        ({'factor': 2}, 3 * 4 + 4 * 8, 3 * 4 + 4 + 4 * 8 + 8 + 8),
        ({'factor': 3}, 3 * 3 + 3 * 8, 3 * 3 + 3 + 3 * 8 + 8 + 8),  # ceil(8 / 3) hidden
        ({'parametric_beta': True}, 2 * 3 * 8, 2 * (3 * 8 + 8)),
        ({'granularity': 'vector'}, 5 * 3 * 8, 3 * 8 + 8 + 8),  # predicted for each of 5 rows
    ],
)
def test_a_gate_costs_its_predictors(params: dict[str, Any], macs: int, weights: int) -> None:
    gate = GateParams(**params)
    assert gate.gate_macs(3, 8, rows=5) == macs
    assert sum(tensor.size for tensor in gate.tensors(3, 8)) == weights


def test_gates_that_scale_nothing_leave_the_norm_its_scale() -> None:
    policies = ('parametric', 'squeeze', 'naive', 'select')
    assert [GateParams(policy=policy).norm_has_scale for policy in policies] == [False, False, True, True]


def test_an_activation_that_would_undo_suppression_is_refused_unless_the_gate_is_off() -> None:
    def shape_of(**params: Any) -> Any:
        given = {'kernel_size': 1, 'num_outputs': 2, 'activation_fn': 'sigmoid', **params}
        return read_layer('gated_convolution', given).output([Shape((4, 4, 3))])

    with pytest.raises(UserError, match='needs an activation_fn that is 0 at 0, such as relu; another would undo'):
        shape_of()
    assert shape_of(activation_fn='tanh') == shape_of(gate_params={'enable': False}) == Shape((4, 4, 2))
