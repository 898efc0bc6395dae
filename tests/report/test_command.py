"""`plot` as a user types it, on a tiny network."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from mayo import report
from mayo.cli.main import main
from mayo.config import Config
from mayo.session import gate_use
from mayo.session.base import Session

pytest.importorskip('matplotlib')


@pytest.fixture
def words(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> list[str]:
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of(gated=True).to_yaml())
    return [str(path), f'plot.path={tmp_path}/plots']


def test_a_training_leaves_what_plot_draws(
    words: list[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = {}

    def write(pictures_written: Any, folder: Any, title: Any, lead: Any) -> Any:  # tests/report writes the files
        pictures.update({picture.name: picture for picture in pictures_written})
        return folder / 'index.html'

    monkeypatch.setattr(report, 'write', write)
    assert (
        main(
            [
                *words,
                'train.max_epochs=1',
                'system.checkpoint.save=gate50',
                'train',
                'save',
                'eval',
                'plot.examples=true',
                'plot',
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / 'plots' / 'index.html')
    assert sorted(pictures) == [
        'channels-conv0',
        'channels-conv1',
        'examples-conv0',
        'examples-conv1',
        'macs',
        'saliency',
        'tradeoff',
        'training-gate50',
    ]
    assert 'densities measured over 50 images' in pictures['macs'].caption
    assert 'After epoch 1:' in pictures['training-gate50'].caption
    assert 'on 50 images' in pictures['tradeoff'].caption
    assert 'gate50-best' not in pictures['tradeoff'].caption, 'a checkpoint on the way is no point'


def test_a_checkpoint_that_is_not_there_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, 'plot.checkpoints=[gate50,gate30]', 'plot']) == 2
    errors = capsys.readouterr().err
    assert 'plot.checkpoints=gate50: no such checkpoint in' in errors
    assert 'plot.checkpoints=gate30: no such checkpoint in' in errors


def test_an_unknown_picture_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, 'plot.pictures=[chanels]', 'plot']) == 2
    assert capsys.readouterr().err.strip() == (
        'command line: plot.pictures is [chanels], expected a list, each of it one of channels, saliency, macs, tradeoff, '
        'training, features, parameters.'
    )


def test_a_network_without_gates_and_records_has_nothing_to_draw_of_gates(
    config_of: Callable[..., Config], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'dense.yaml'
    path.write_text(config_of().to_yaml())
    assert main([str(path), f'plot.path={tmp_path}/plots', 'plot.pictures=[channels,training]', 'plot']) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        '`plot` has nothing to draw: of plot.pictures, the network has no gates for `channels` and `saliency`, and there is no '
        'record of a training.'
    )


def test_what_cannot_be_drawn_is_told_before_the_images_are_read(
    words: list[str],
    tmp_path: pathlib.Path,
    config_of: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prefix = Session(config_of('system.checkpoint.save=gate50', gated=True)).save()
    data = prefix.with_name('gate50.data-00000-of-00001')
    data.write_bytes(data.read_bytes()[:100])
    monkeypatch.setattr(gate_use, 'gate_use', None)
    assert main([*words, 'plot.checkpoints=[gate50]', 'plot']) == 2
    assert f'{prefix}: the checkpoint is truncated or corrupt' in capsys.readouterr().err
    assert main([*words, f'plot.path={words[0]}', 'plot']) == 2
    assert f'{words[0]} cannot be written to: it is a file, not a folder; name another' in capsys.readouterr().err
    assert not (tmp_path / 'plots').exists()
