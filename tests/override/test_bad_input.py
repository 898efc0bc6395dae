"""One list of all overriders, many wrong words: each is a sentence with its place, or what it says is done."""

import dataclasses
import difflib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mayo.layers import Shape
from mayo.net.graph import build_graph
from mayo.net.tf.network import Network
from mayo.override import Overrider, of_layer, overriders, parse
from mayo.session.overridden import rows
from mayo.util.errors import UserError

PLACE = 'conv0.overrider.weights.label'
FIXED = {'type': 'FixedPointQuantizer', 'width': 4, 'point': 1}
NEEDED: dict[str, dict[str, Any]] = {
    'CourbariauxQuantizer': {'width': 4, 'overflow_rate': 0.0},
    'DGQuantizer': {'width': 4, 'overflow_rate': 0.0},
    'DGTrainableQuantizer': {'overflow_rate': 0.0},
    'FloatingPointQuantizer': {'width': 6, 'exponent_bias': 4, 'mantissa_width': 2},
    'IncrementalQuantizer': {'quantizer': FIXED, 'interval': 0.5},
    'LogQuantizer': {'width': 4, 'overflow_rate': 0.0},
    'MixedQuantizer': {'quantizers': {'a': FIXED}},
    'NetworkSlimmer': {'density': 0.5},
    'RandomChannelGater': {'ratio': 0.5},
    'Recentralizer': {'quantizer': FIXED},
    'ShiftQuantizer': {'width': 4, 'exponent_bias': 4, 'overflow_rate': 0.0},
}
ACTIVATIONS = {'NetworkSlimmer', 'ChannelGater', 'RandomChannelGater'}
WRONG = ['x', '', [], [1], {}, {'type': 'x'}, True, -(10**9), 10**9, -1, 0, 1, 1.5, float('nan'), float('inf'), -float('inf')]
ARGUMENTS = [(kind, field.name) for kind in overriders for field in dataclasses.fields(overriders[kind])]


def spec(kind: str, **more: Any) -> dict[str, Any]:
    return {'type': f'mayo.override.{kind}', **NEEDED.get(kind, {}), **more}


def refusal(kind: str, **more: Any) -> str:
    with pytest.raises(UserError) as error:
        parse(spec(kind, **more), PLACE)
    return str(error.value)


def attempted(make: Callable[[], Any]) -> tuple[Any, str]:
    """(what it makes, ''), or (None, why not)."""
    try:
        return make(), ''
    except UserError as error:
        return None, str(error)


def values_of(kind: str) -> Any:
    """Weights [3, 3, 4, 6], or an activation [N, H, W, C]."""
    shape = (2, 5, 5, 6) if kind in ACTIVATIONS else (3, 3, 4, 6)
    return np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)


def works(built: Overrider, kind: str) -> None:
    """It applies before and after an update, to finite numbers of the same shape."""
    value = values_of(kind)
    state = built.initial(value.shape[1:] if kind in ACTIVATIONS else value.shape)
    for _ in range(2):
        result = np.asarray(built.overridden(value, state))
        assert result.shape == value.shape
        assert np.isfinite(result).all()
        if kind != 'NetworkSlimmer':  # its update is among others: tests/override/test_slimmer.py
            state = built.updated(value, state)


@pytest.mark.parametrize('kind', overriders)
def test_each_works_with_what_it_needs(kind: str) -> None:
    works(parse(spec(kind), PLACE), kind)


@pytest.mark.parametrize('kind', overriders)
def test_a_misspelt_type_is_told_the_nearest(kind: str) -> None:
    misspelt = kind.replace('er', 're', 1) if 'er' in kind else kind + 's'
    with pytest.raises(UserError) as error:
        of_layer({'overrider': {'weights': {'label': {'type': f'mayo.override.{misspelt}'}}}}, 'conv0')
    [near] = difflib.get_close_matches(misspelt, list(overriders), n=1)
    assert str(error.value).startswith(f'{PLACE}.type is mayo.override.{misspelt}, no overrider; did you mean {near}?')


@pytest.mark.parametrize('kind', overriders)
def test_a_misspelt_argument_is_told_the_nearest_and_all_that_there_are(kind: str) -> None:
    names = [field.name for field in dataclasses.fields(overriders[kind])]
    for name in names:
        misspelt = f'{name}x'
        message = refusal(kind, **{misspelt: 1})
        assert message.startswith(f'{PLACE}: {kind} takes no `{misspelt}`; did you mean {name}?')
        assert message.endswith(f' Its arguments: {", ".join(names)}.')


@pytest.mark.parametrize('kind', [kind for kind in overriders if NEEDED.get(kind)])
def test_a_missing_argument_is_told(kind: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(overriders[kind])}
    for name in NEEDED[kind]:
        words = {key: value for key, value in spec(kind).items() if key != name}
        if fields[name].default is not dataclasses.MISSING:
            parse(words, PLACE)
            continue
        with pytest.raises(UserError) as error:
            parse(words, PLACE)
        assert str(error.value).startswith(f'{PLACE}: {kind} needs {name}.')


@pytest.mark.parametrize(('kind', 'argument'), ARGUMENTS, ids=lambda part: part)
def test_a_value_is_refused_with_its_place_or_does_what_it_says(kind: str, argument: str) -> None:
    refused = 0
    for value in WRONG:
        built, message = attempted(functools.partial(parse, spec(kind, **{argument: value}), PLACE))
        if built is not None:
            works(built, kind)
            continue
        refused += 1
        assert message.startswith(PLACE)
        assert message.endswith('.')
        assert argument in message
    assert refused >= len(WRONG) - 8, f'{refused} of {len(WRONG)}'


@pytest.mark.parametrize('target', ['weights', 'biases', 'activation', 'gradient.weights', 'gradient.error'])
@pytest.mark.parametrize('kind', overriders)
@pytest.mark.usefixtures('eager')
def test_a_chain_overrides_what_it_is_put_on_or_says_why_not(kind: str, target: str) -> None:
    chain: Any = {'label': spec(kind)}
    for part in reversed(target.split('.')):
        chain = {part: chain}
    layer = {'type': 'convolution', 'kernel_size': 3, 'num_outputs': 4, 'overrider': chain}
    graph = build_graph({'conv0': layer}, {'from': 'input', 'with': 'conv0', 'to': 'output'})
    network, message = attempted(lambda: Network(graph, Shape((5, 5, 2)), 'model'))
    assert attempted(lambda: rows(graph, Shape((5, 5, 2))))[1] == message  # so `info` says it, too
    if network is None:
        assert message.startswith(f'conv0.overrider.{target.replace(".", "/")}: {kind} ')
        return
    images = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 5, 2)), tf.float32)

    def run() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(images, training=True)[0]) + network.regularization({})
        for gradient in tape.gradient(loss, [variable.value for variable in network.trainable_variables]):
            assert gradient is None or np.isfinite(gradient).all()

    run()
    network.update_overriders(run)
    run()
