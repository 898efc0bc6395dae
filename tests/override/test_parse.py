"""From YAML to overriders: the forms that files have, and what is said about faults."""

from typing import Any

import pytest

from mayo.override import of_layer, parse
from mayo.override.chain import ChainOverrider
from mayo.util.errors import UserError

FIXED = {'type': 'mayo.override.FixedPointQuantizer', 'width': 8, 'point': 2}
PRUNE = {'type': 'mayo.override.DynamicNetworkSurgeryPruner'}


def names(settings: Any) -> dict[str, list[str]]:
    return {target: [member.name for member in chain.members()] for target, chain in of_layer(settings, 'conv0').items()}


def test_each_thing_that_can_be_overridden_has_its_key() -> None:
    settings = {
        'weights': {'a': FIXED},
        'biases': None,
        'activation': {},
        'depthwise_weights': {'label': None},
        'BatchNorm/gamma': {'a': FIXED},
        'gradient': {'weights': {'a': FIXED}, 'error': {'b': FIXED}},
    }
    fixed = ['FixedPointQuantizer']
    assert names({'overrider': settings}) == {
        'weights': fixed,
        'BatchNorm/gamma': fixed,
        'gradient/weights': fixed,
        'gradient/error': fixed,
    }
    assert names({'overrider': None}) == names({}) == {}


def test_of_the_same_priority_the_later_acts_first() -> None:
    weights = {'a': {**FIXED, '_priority': 1}, 'b': {**PRUNE, '_priority': 1}, 'c': {'type': 'MeanStdPruner', '_priority': 9}}
    order = ['MeanStdPruner', 'DynamicNetworkSurgeryPruner', 'FixedPointQuantizer']
    assert names({'overrider': {'weights': weights}}) == {'weights': order}


def test_a_chain_without_any_priority_knows_it() -> None:
    def ranked(settings: Any) -> bool:
        chain = of_layer(settings, 'conv0')['weights']
        assert isinstance(chain, ChainOverrider)
        return chain.is_ranked

    assert not ranked({'overrider': {'weights': {'a': FIXED, 'b': PRUNE}}})
    assert ranked({'overrider': {'weights': {'a': {**FIXED, '_priority': 1}, 'b': PRUNE}}})
    assert ranked({'weights_overrider': [FIXED, PRUNE]})


def test_the_older_form_acts_in_the_order_of_its_list() -> None:
    settings = {'weights_overrider': [PRUNE, FIXED], 'activation_overrider': FIXED, 'biases_overrider': None}
    assert names(settings) == {
        'weights': ['DynamicNetworkSurgeryPruner', 'FixedPointQuantizer'],
        'activation': ['FixedPointQuantizer'],
    }


def test_old_names_of_arguments_are_known() -> None:
    shift = parse({'type': 'mayo.override.ShiftQuantizer', 'width': 4, 'bias': 250, 'overflow_rate': 0.0}, 'x')
    assert shift.initial(())['ShiftQuantizer.exponent_bias'] == 250


@pytest.mark.parametrize(
    'settings, message',
    [
        (
            {'overrider': {'weights': {'a': {'type': 'mayo.override.FixedPointQantizer'}}}},
            'conv0.overrider.weights.a.type is mayo.override.FixedPointQantizer, no overrider; did you mean FixedPointQuantizer?',
        ),
        (
            {'overrider': {'weights': {'a': {**FIXED, 'widht': 8}}}},
            'conv0.overrider.weights.a: FixedPointQuantizer takes no `widht`; did you mean width? '
            'Its arguments: should_update, enable, stochastic, width, point.',
        ),
        (
            {'overrider': {'weights': {'a': {**FIXED, 'width': 0}}}},
            'conv0.overrider.weights.a.width is 0, expected a whole number from 1 to 64.',
        ),
        (
            {'overrider': {'weights': {'a': {**FIXED, 'stochastic': 'ulb'}}}},
            'conv0.overrider.weights.a.stochastic is ulb, expected naive, ulp, false or null; did you mean ulp?',
        ),
        (
            {'overrider': {'weights': {'a': {'type': 'DGQuantizer', 'width': 8}}}},
            'conv0.overrider.weights.a: DGQuantizer needs overflow_rate. '
            'Its arguments: should_update, enable, stochastic, width, overflow_rate.',
        ),
        (
            {'overrider': {'weights': {'a': {'type': 'DGQuantizer', 'width': 8, 'overflow_rate': None}}}},
            'conv0.overrider.weights.a.overflow_rate is null, expected a number in [0, 1).',
        ),
        ({'overrider': {'weights': {'a': {**PRUNE, 'enable': False}}}}, 'DynamicNetworkSurgeryPruner takes no `enable`'),
        ({'overrider': {'weights': {'a': {'width': 8}}}}, 'conv0.overrider.weights.a.type is missing, expected one of '),
        ({'overrider': {'weights': {'a': 8}}}, 'conv0.overrider.weights.a is 8, expected a mapping'),
        ({'overrider': {'weights': FIXED}}, 'conv0.overrider.weights is one overrider, expected a label for each'),
        ({'overrider': {'weigths': {'a': FIXED}}}, 'conv0.overrider: `weigths` cannot be overridden; did you mean weights?'),
        ({'overrider': {'gradient': {'errors': {'a': FIXED}}}}, 'conv0.overrider.gradient: `errors` cannot be overridden; did'),
        ({'overrider': {'weights': {'a': FIXED, 'b': FIXED}}}, 'conv0.overrider.weights: FixedPointQuantizer occurs 2 times'),
        ({'overrider': {'weights': {'a': {**FIXED, '_priority': 'high'}}}}, '_priority is high, expected a number.'),
        ({'weights_overrider': [FIXED, {'type': 'X'}]}, 'conv0.weights_overrider[1].type is X, no overrider. Known: '),
        ({'weights_overrider': FIXED, 'overrider': {'weights': {'a': FIXED}}}, 'overrider.weights overrides the same'),
        (
            {'weights_overrider': {'type': 'IncrementalQuantizer', 'interval': 0.5, 'quantizer': {**FIXED, 'width': 99}}},
            'conv0.weights_overrider.quantizer.width is 99, expected a whole number from 1 to 64.',
        ),
        (
            {'weights_overrider': {'type': 'MixedQuantizer', 'quantizers': {}}},
            'conv0.weights_overrider.quantizers is empty, expected one quantizer or more',
        ),
    ],
)
def test_a_fault_is_a_sentence_with_its_place(settings: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        of_layer(settings, 'conv0')
    assert message in str(error.value)
