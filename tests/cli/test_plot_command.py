"""`plot` as a user types it, on a tiny network."""
import pytest

from mayo.cli.main import main

pytest.importorskip('matplotlib')


@pytest.fixture
def words(config_of, tmp_path):
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of(gated=True).to_yaml())
    return [str(path), f'plot.path={tmp_path}/plots']


def test_a_training_leaves_what_plot_draws(words, tmp_path, capsys):
    assert main([*words, 'system.checkpoint.save=gate50', 'train', 'save', 'plot.examples=true',
                 'system.checkpoint.load=gate50', 'eval', 'plot']) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / 'plots' / 'index.html')
    names = {path.name for path in (tmp_path / 'plots').iterdir()}
    expected = {'channels-conv0', 'channels-conv1', 'saliency', 'macs', 'tradeoff', 'training-gate50', 'examples-conv0',
                'examples-conv1'}
    assert names == {f'{name}.{ending}' for name in expected for ending in ('png', 'svg')} | {'index.html'}
    page = (tmp_path / 'plots' / 'index.html').read_text()
    assert 'densities measured over 50 images' in page
    assert 'After epoch 2:' in page
    assert 'gate50-best' not in page, 'a checkpoint on the way is no point'


def test_a_checkpoint_that_is_not_there_is_told(words, capsys):
    assert main([*words, 'plot.checkpoints=[gate50,gate30]', 'plot']) == 2
    said = capsys.readouterr().err
    assert 'plot.checkpoints=gate50: no such checkpoint in' in said
    assert 'plot.checkpoints=gate30: no such checkpoint in' in said


def test_an_unknown_picture_is_told(words, capsys):
    assert main([*words, 'plot.pictures=[chanels]', 'plot']) == 2
    assert capsys.readouterr().err.strip() == (
        "command line: plot.pictures is ['chanels'], expected a list, each of it one of channels, saliency, macs, tradeoff, training.")


def test_a_network_without_gates_and_records_has_nothing_to_draw_of_gates(config_of, tmp_path, capsys):
    path = tmp_path / 'dense.yaml'
    path.write_text(config_of().to_yaml())
    assert main([str(path), f'plot.path={tmp_path}/plots', 'plot.pictures=[channels,training]', 'plot']) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        '`plot` has nothing to draw: of plot.pictures, the network has no gates for `channels` and `saliency`, and there is no '
        'record of a training.')
