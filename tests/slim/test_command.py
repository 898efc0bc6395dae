"""`slim` as a user types it, on a small network with random weights."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.actions.info import info
from mayo.checkpoint import bundle
from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session

ROOT = pathlib.Path(__file__).parents[2]
DATA = str(ROOT / 'datasets/mnist.yaml')
LAYERS = """
dataset.task.preprocess: {shape: {height: 8, width: 8, channels: 1}, validate: [{type: crop_or_pad}]}
model:
    name: tiny
    layers:
        _conv: &conv {type: convolution, kernel_size: 3, num_outputs: 8, normalizer_fn: keras.layers.BatchNormalization}
        conv0: *conv
        conv1: *conv
        pool: {type: reduce_mean}
        logits: {type: fully_connected, num_outputs: $(dataset.task.num_classes), activation_fn: null}
    graph: {from: input, with: [conv0, conv1, pool, logits], to: output}
"""
SCALES: dict[str, Any] = {'conv0': [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 'conv1': [0.9, 0.9, 0.9, 0.9, 0.05, 0.9, 0.9, 0.9]}


@pytest.fixture
def slim(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """slim(word, ...) slims the network; what it printed, on either stream."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path('tiny.yaml').write_text(LAYERS)
    words = ['tiny.yaml', DATA, f'system.checkpoint.path={tmp_path}/checkpoints']
    assert main([*words, 'system.checkpoint.save=trained', 'save']) == 0
    prefix = tmp_path / 'checkpoints/tiny/mnist/trained'
    tensors = bundle.read(prefix)
    for layer, gamma in SCALES.items():
        tensors[f'tiny/{layer}/BatchNorm/gamma'] = np.array(gamma, np.float32)
    bundle.write(prefix, tensors | {'mayo/config': 'x'})
    capsys.readouterr()

    def run(*more: Any, status: int = 0) -> Any:
        settings: list[Any] = ['system.checkpoint.load=trained', 'slim.model=small.yaml', 'slim.min_channels=2', *more]
        assert main([*words, *settings, 'slim']) == status
        told = capsys.readouterr()
        assert 'Traceback' not in told.err
        return told.out + told.err

    return run


def config(*files: str) -> Config:
    configuration = Config.default()
    for file in (*files, DATA):
        configuration.merge_file(file)
    return configuration


def test_slim_writes_a_model_its_overlay_and_weights_that_all_load(
    slim: Callable[..., Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = slim('slim.density=0.5')
    assert 'conv0          8     2   25 %   4,608  1,152' in told
    assert 'channels    50.0 % of the scales that could go are kept; the largest dropped is 0.9' in told
    assert f'MACs        {info(config("small.yaml")).total["dense"]:,}, ' in told
    assert [line.split()[1] for line in told.splitlines() if line.startswith('written')] == [
        'small.yaml',
        'gate/small.yaml',
        'checkpoints/small/mnist/slim',
    ]
    tensors = bundle.read(tmp_path / 'checkpoints/small/mnist/slim')
    np.testing.assert_allclose(tensors['small/conv0/BatchNorm/gamma'], [0.7, 0.8])
    assert tensors['small/conv1/weights'].shape == (3, 3, 2, 6)
    assert tensors['imgs_seen'] == 0
    again = Config.default()
    again.merge_text(tensors['mayo/config'].decode(), 'stored')
    assert again.get('model.layers.conv1.num_outputs') == 6
    for file in ('small.yaml', 'gate/small.yaml'):
        assert main([file, DATA, f'system.checkpoint.path={tmp_path}/checkpoints', 'system.checkpoint.load=slim', 'save']) == 0
        assert 'small/mnist/slim, ' in capsys.readouterr().err


def test_the_files_open_with_what_they_are_what_they_cost_and_how_to_use_them(slim: Callable[..., Any]) -> None:
    slim('slim.target_macs=10k', 'slim.round_to=2')
    total = info(config('small.yaml')).total
    dense, gated = (pathlib.Path(file).read_text().splitlines() for file in ('small.yaml', 'gate/small.yaml'))
    assert dense[0] == '# tiny, slimmed to 50 % of its channels (https://arxiv.org/abs/1708.06519).'
    assert dense[1].startswith(f'# On mnist {total["dense"]:,} MACs, ')
    assert dense[1].endswith(f' of those before, and {total["trainable"]:,} trainable parameters.')
    assert dense[2] == '#   ./my small.yaml datasets/mnist.yaml system.checkpoint.load=slim eval info'
    assert dense[3] == (
        '# Written by slim from tiny, trained: slim.target_macs=10k slim.min_channels=2 slim.fold=false slim.round_to=2'
    )
    assert total['dense'] <= 10_000
    half = config('gate/small.yaml')
    half.merge_word('_gate.density=0.5')
    total = info(half).total
    assert gated[1] == f'# On mnist at density 0.5: {total["macs"]:,} MACs as published, {total["executed"]:,} executed.'
    assert gated[2].endswith('_gate.density=0.5 system.checkpoint.load=slim eval info')


def test_its_own_files_are_replaced_and_no_others(slim: Callable[..., Any]) -> None:
    slim()
    before = pathlib.Path('small.yaml').read_text()
    slim('slim.density=0.8')
    assert pathlib.Path('small.yaml').read_text() != before
    pathlib.Path('gate/mine.yaml').write_text('# Mine.\n')
    told = slim('slim.model=mine.yaml', status=2)
    assert told.endswith(
        'gate/mine.yaml exists and was not written by `slim`; name another file, slim.model=PATH.yaml, or move it away.\n'
    )
    assert not os.path.exists('mine.yaml')


@pytest.mark.parametrize(
    'word, message',
    [
        ('slim.density=1.2', 'command line: slim.density is 1.2, expected a number in (0, 1].'),
        ('slim.density=0', 'command line: slim.density is 0, expected a number in (0, 1].'),
        (
            'slim.target_macs=30X',
            'command line: slim.target_macs is 30X, expected a number from 1 up, such as 30000000 or 30M.',
        ),
        ('slim.min_channels=0', 'command line: slim.min_channels is 0, expected a whole number from 1 up.'),
        ('slim.model=out', 'command line: slim.model is out, expected a path that ends in .yaml.'),
        ('slim.densty=0.5', 'nothing reads the key slim.densty; did you mean slim.density?'),
        (
            'slim.target_macs=10',
            'MACs are left even if every channel goes that may, with slim.min_channels=2 and slim.round_to=1.',
        ),
        ('slim.channels.conv0=0', 'slim.channels is {conv0: 0}, expected whole numbers from 1 up by layer, such as '),
        ('slim.channels={conv0: 9, conv3: 2}', 'slim.channels: no layer `conv3` has weights; did you mean conv1?'),
    ],
)
def test_what_cannot_be_slimmed_is_one_message_and_nothing_is_written(
    slim: Callable[..., Any], word: str, message: str
) -> None:
    assert message in slim(word, status=2)
    assert not os.path.exists('small.yaml')


@pytest.mark.parametrize(
    'word, key',
    [
        ('slim.model=tiny.yaml/small.yaml', 'slim.model'),
        ('system.checkpoint.path={folder}/tiny.yaml', 'system.checkpoint.path'),
    ],
)
def test_where_a_part_cannot_be_written_none_is(slim: Callable[..., Any], tmp_path: pathlib.Path, word: str, key: str) -> None:
    load = f'system.checkpoint.load={tmp_path}/checkpoints/tiny/mnist/trained'
    assert slim(word.format(folder=tmp_path), load, status=2).splitlines()[-1] == (
        f'tiny.yaml cannot be written to: it is a file, not a folder; name another folder, {key}=PATH.'
    )
    assert sorted(os.listdir(tmp_path)) == ['checkpoints', 'tiny.yaml']


SLIMMER = 'model.layers.conv0.overrider={activation: {slim: {type: mayo.override.NetworkSlimmer, density: 0.375, weight: 0.0}}}'


def outputs(*words: str) -> np.ndarray:
    configuration = config(words[0])
    for word in words[1:]:
        configuration.merge_word(word)
    session = Session(configuration)
    session.load()
    return session.network(np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32))[0].numpy()


def test_the_channels_that_a_network_slimmer_silences_go_and_nothing_else_changes(
    slim: Callable[..., Any], tmp_path: pathlib.Path
) -> None:
    folder = f'system.checkpoint.path={tmp_path}/checkpoints'
    words = ['tiny.yaml', DATA, folder, 'system.checkpoint.load=trained', SLIMMER]
    assert main([*words, 'system.checkpoint.save=silent', 'overriders-update', 'save']) == 0
    output = slim(SLIMMER, 'system.checkpoint.load=silent', 'slim.min_channels=4')
    assert 'Traceback' not in output
    small = config('small.yaml')
    assert [small.get(f'model.layers.{layer}.num_outputs') for layer in ('conv0', 'conv1')] == [3, 8]
    silent = outputs('tiny.yaml', folder, SLIMMER, 'system.checkpoint.load=silent')
    assert not np.allclose(silent, outputs('tiny.yaml', folder, 'system.checkpoint.load=trained'), atol=1e-3)
    np.testing.assert_allclose(outputs('small.yaml', folder, 'system.checkpoint.load=slim'), silent, atol=1e-5)


def test_network_slimmers_that_silence_nothing_yet_are_told(slim: Callable[..., Any]) -> None:
    assert 'silence no channel so far; `overriders-update` before `slim`' in slim(SLIMMER, status=2)
    assert 'slim.density=0.5' in slim(SLIMMER, 'slim.density=0.5') or pathlib.Path('small.yaml').exists()
