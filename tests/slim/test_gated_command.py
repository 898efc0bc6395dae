"""`slim` of a network with gates: by what they pick, trained on, and back in the whole network."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle
from mayo.cli.main import main

from ..conftest import GATED, TINY


@pytest.fixture
def my(
    pictures: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """my(file, word, ...) is the command line on the pictures; what it printed, on either stream."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path('tiny.yaml').write_text(TINY)
    pathlib.Path('gated.yaml').write_text('_import: tiny.yaml\n' + GATED)
    pathlib.Path('pictures.yaml').write_text(TINY[TINY.index('dataset:') :])
    paths = [
        f'system.checkpoint.path={tmp_path}/checkpoints',
        *(f'dataset.path.{mode}={pictures}/{mode}.tfrecord' for mode in ('train', 'validate')),
    ]

    def run(file: Any, *words: str, status: int = 0) -> Any:
        assert main([file, 'pictures.yaml', *paths, *words]) == status
        told = capsys.readouterr()
        assert 'Traceback' not in told.err
        return told.out + told.err

    return run


def test_a_gated_network_is_slimmed_by_use_trained_on_and_loaded_back_into_the_whole(
    my: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    my('gated.yaml', 'system.checkpoint.save=gate50', 'train.max_epochs=1', 'train', 'save')
    told = my(
        'gated.yaml', 'system.checkpoint.load=gate50', 'slim.channels={conv0: 4, conv1: 5}', 'slim.model=small.yaml', 'slim'
    )
    assert 'channels    75.0 % of the uses that could go are kept; the largest dropped is ' in told
    lines = pathlib.Path('gate/small.yaml').read_text().splitlines()
    assert lines[0] == '# tiny, slimmed to 75 % of its channels, with Feature Boosting and Suppression.'
    assert lines[3] == (
        '# Written by slim from tiny, gate50: slim.channels={conv0: 4, conv1: 5} slim.min_channels=4 '
        'slim.fold=false slim.round_to=1'
    )
    assert lines[4:] == [
        '_import: ../small.yaml',
        'model.layers:',
        '    conv0: {type: gated_convolution, gate_params: {density: 0.75}}',
        '    conv1: {type: gated_convolution, gate_params: {density: 0.6}}',
    ]
    assert pathlib.Path('small.yaml').read_text().splitlines()[2] == '#   ./my small.yaml datasets/pictures.yaml info'
    my('gate/small.yaml', 'system.checkpoint.load=slim', 'system.checkpoint.save=tuned', 'train', 'save')
    small = my('gate/small.yaml', 'system.checkpoint.load=tuned', 'eval')
    trained = tmp_path / 'checkpoints/small/pictures/tuned'
    told = my('gated.yaml', f'system.checkpoint.load={trained}', 'system.checkpoint.save=back', 'eval', 'save')
    assert 'of a slimmed network: the channels that it lacks are silent' in told
    assert results(told) == results(small) != []
    tensors = bundle.read(tmp_path / 'checkpoints/tiny/pictures/back')
    assert tensors['tiny/conv1/weights'].shape == (3, 3, 6, 6)
    assert np.sum(tensors['tiny/conv0/gate/biases'] == 0) >= 2
    assert not [name for name in tensors if name.startswith('mayo/kept/')]
    again = my('gated.yaml', 'system.checkpoint.load=back', 'eval')
    assert results(again) == results(small)


def test_of_channels_that_no_image_picked_those_go_first_that_none_can_pick(
    my: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    my('gated.yaml', 'system.checkpoint.save=gate50', 'save')
    prefix = tmp_path / 'checkpoints/tiny/pictures/gate50'
    tensors = bundle.read(prefix)
    phi, rho = 'tiny/conv1/gate/weights', 'tiny/conv1/gate/biases'
    bundle.write(prefix, tensors | {phi: np.zeros_like(tensors[phi]), rho: np.array([0, 0, 0.001, 1, 2, 3], np.float32)})
    told = my('gated.yaml', 'system.checkpoint.load=gate50', 'slim.channels={conv1: 4}', 'slim.model=small.yaml', 'slim')
    assert 'the largest dropped is 0\n' in told
    kept = bundle.read(tmp_path / 'checkpoints/small/pictures/slim')['mayo/kept/conv1']
    assert kept.tolist() == [0, 0, 1, 1, 1, 1]


def results(told: Any) -> list[Any]:
    """The lines of an evaluation that do not depend on the clock or on how many channels there are."""
    return [line.partition(', of ')[0] for line in told.splitlines() if line.startswith('top-1')]


def test_without_images_to_ask_the_gates_nothing_is_written(my: Callable[..., Any]) -> None:
    told = my('gated.yaml', 'dataset.path.validate=nowhere.tfrecord', 'slim.model=small.yaml', 'slim', status=2)
    assert 'nowhere.tfrecord' in told
    assert not os.path.exists('small.yaml')


def test_gates_with_a_hidden_layer_are_named_beside_the_checkpoint_that_is_not_there(my: Callable[..., Any]) -> None:
    factor = 'model.layers.conv{}.gate_params.factor=2'
    told = my('gated.yaml', factor.format(0), factor.format(1), 'system.checkpoint.load=nothing', 'slim', status=2)
    assert told.startswith('system.checkpoint.load=nothing: no such checkpoint in checkpoints/tiny/pictures')
    assert told.splitlines()[1:] == [
        'conv0, conv1: gate_params.factor is set, and the hidden layer of such a gate cannot be slimmed; '
        'slim the dense network, models/NAME.yaml, and gate it afterwards.'
    ]


def test_gates_that_are_switched_off_gate_nothing_and_the_scales_of_batch_norm_decide(my: Callable[..., Any]) -> None:
    off = [f'model.layers.conv{index}.gate_params.enable=false' for index in (0, 1)]
    told = my('gated.yaml', *off, 'slim.model=small.yaml', 'slim.min_channels=1', 'slim')
    assert 'of the scales that could go are kept' in told
    assert 'https://arxiv.org/abs/1708.06519' in pathlib.Path('small.yaml').read_text()
    my('small.yaml', 'system.checkpoint.load=slim', 'eval')
