"""A checkpoint knows the network that it was made with: its gates run as they were trained, unless words say otherwise."""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.actions import Run
from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.net.gates import gates_of
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.session.spec import model_graph
from mayo.session.stored import as_trained

GATED = """
_gate: {policy: parametric, density: 1.0}
model.layers:
    conv0: {type: gated_convolution, gate_params: $(_gate)}
    conv1: {type: gated_convolution, gate_params: $(_gate)}
"""
Make = Callable[..., Config]


@pytest.fixture
def trained(config_of: Make) -> Make:
    """Configurations of a gated model whose file starts its gates at density 1.0; `half` was trained at 0.5 and `third` at 0.33."""

    def make(*words: str) -> Config:
        config = config_of()
        config.merge_text(GATED, 'gate/tiny.yaml')
        for word in words:
            config.merge_word(word)
        return config

    for name, density in {'half': 0.5, 'third': 0.33}.items():
        Session(make(f'_gate.density={density}')).save(name)
    return make


def densities(config: Config) -> list[float]:
    return [gate.density for gate in gates_of(model_graph(config)).values()]


def test_gates_run_as_they_were_trained(trained: Make) -> None:
    config, line = as_trained(trained('system.checkpoint.load=half'))
    assert densities(config) == [0.5, 0.5]
    assert line == 'as half was trained: density 0.5 (conv0 and 1 more)'
    assert str(config.origin('model.layers.conv0.gate_params.density')).endswith('tiny/pictures/half')


def test_what_the_checkpoint_says_is_evaluated(trained: Make) -> None:
    run = Run(Config.default()).at(trained('system.checkpoint.load=half'))
    assert evaluate(run.session).mean_density == pytest.approx(0.5)


@pytest.mark.parametrize('word', ['_gate.density=0.33', 'model.layers.conv0.gate_params.density=0.33'])
def test_a_word_says_otherwise_and_a_line_tells(trained: Make, word: str, caplog: pytest.LogCaptureFixture) -> None:
    config, _ = as_trained(trained('system.checkpoint.load=half', word))
    assert densities(config)[0] == 0.33
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(config).load()
    (line,) = caplog.messages
    assert 'half was made with density 0.5, here 0.33 (conv0' in line


def test_a_file_beside_that_of_the_model_says_otherwise(trained: Make) -> None:
    config = trained('system.checkpoint.load=half')
    config.merge_text('model.layers.conv1.gate_params: {density: 0.67}', 'densities.yaml')
    assert densities(as_trained(config)[0]) == [0.5, 0.67]


def test_policies_and_pools_come_from_the_checkpoint_too(trained: Make, config_of: Make) -> None:
    Session(trained('_gate.policy=naive', '_gate.pool=max', '_gate.density=0.5')).save('other')
    config, line = as_trained(trained('system.checkpoint.load=other'))
    assert {(gate.policy, gate.pool) for gate in gates_of(model_graph(config)).values()} == {('naive', 'max')}
    assert line == (
        'as other was trained: density 0.5 (conv0 and 1 more); policy naive (conv0 and 1 more); pool max (conv0 and 1 more)'
    )


def test_what_else_changes_the_function_is_told(trained: Make, caplog: pytest.LogCaptureFixture) -> None:
    words = (
        'model.layers.conv1.activation_fn=relu6',
        'model.layers.conv0.normalizer_params.epsilon=0.1',
        'dataset.task.preprocess.final=[]',
        'model.layers.drop.keep_prob=0.5',
        'model.layers.conv0.normalizer_params.momentum=0.5',
    )
    config, _ = as_trained(trained('system.checkpoint.load=half', *words))
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(config).load()
    (line,) = caplog.messages
    assert 'conv0' in line and "'epsilon': 0.001" in line and "'epsilon': 0.1" in line  # noqa: PT018
    assert 'keras.activations.relu6' in line
    assert 'dataset.task.preprocess.final' in line
    assert 'keep_prob' not in line
    assert 'momentum' not in line


def test_the_same_network_is_not_worth_a_line(trained: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(as_trained(trained('system.checkpoint.load=half'))[0]).load()
    assert caplog.messages == []


def test_a_checkpoint_without_configuration_is_of_unknown_density(
    trained: Make, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = tmp_path / 'tiny/pictures/half'
    tensors: dict[str, Any] = {name: value for name, value in bundle.read(prefix).items() if name != names.CONFIG}
    bundle.write(prefix, tensors)
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(as_trained(trained('system.checkpoint.load=half'))[0]).load()
        Session(as_trained(trained('system.checkpoint.load=half', '_gate.density=0.5'))[0]).load()
    (line,) = caplog.messages
    assert line.endswith(
        'half does not say at which density its gates were trained: here they run at 1; _gate.density=... sets it'
    )


@pytest.mark.parametrize('text', ['model: [', 'model: {name: tiny, layers: {conv0: {type: nothing}}, graph: {}}', '- a'])
def test_a_configuration_that_is_none_is_told(
    trained: Make, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    prefix = tmp_path / 'tiny/pictures/half'
    bundle.write(prefix, bundle.read(prefix) | {names.CONFIG: text})
    config, line = as_trained(trained('system.checkpoint.load=half'))
    assert (densities(config), line) == ([1.0, 1.0], '')
    with caplog.at_level(logging.WARNING, 'mayo'):
        Session(config).load()
    assert 'half is not understood' in caplog.messages[0]


def test_of_another_model_nothing_is_taken(trained: Make) -> None:
    config = trained('system.checkpoint.load=half', 'model.name=other')
    assert as_trained(config) == (config, '')


def test_each_of_several_is_evaluated_as_it_was_trained(trained: Make) -> None:
    from mayo.session.evaluate import evaluate_all

    lines = evaluate_all(Session(trained())).text.splitlines()
    assert [(line.split(',')[0], line.split(',')[5]) for line in lines[1:]] == [('half', '0.500000'), ('third', '0.333333')]
    assert np.isfinite(float(lines[1].split(',')[4]))
