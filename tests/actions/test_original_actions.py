"""What only the original Mayo's users know: `test`, `interact`, and the settings of system.* that actions of today read."""

import json
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml

from mayo import report
from mayo.actions import interact
from mayo.actions.plot import pictures
from mayo.cli.main import main
from mayo.config import Config

LENET = ('models/lenet5.yaml', 'datasets/fashion_mnist.yaml')


@pytest.fixture
def tiny_yaml(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> str:
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of('dataset.prepare.classes=[dark, grey, light]').to_yaml())
    return str(path)


@pytest.fixture
def photographs(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / 'photographs'
    folder.mkdir()
    for name in ('a', 'b'):
        PIL.Image.fromarray(np.full((8, 8), 100, np.uint8)).save(folder / f'{name}.png')
    return folder


def test_test_writes_the_class_of_each_image_of_a_folder(
    tiny_yaml: str, photographs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / 'out'
    where = [f'system.search_path.run.inputs=[{photographs}, elsewhere]', f'system.search_path.run.outputs=[{out}]']
    assert main([tiny_yaml, *where, 'test']) == 0
    written = yaml.safe_load((out / 'predictions.yaml').read_text())
    assert list(written) == [f'{photographs}/a.png', f'{photographs}/b.png']
    assert set(written.values()) < {'dark', 'grey', 'light'}


def test_test_reads_what_predict_reads_where_no_folder_is_named(
    tiny_yaml: str, photographs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / 'out'
    words = [f'predict.files={photographs}/b.png', f'system.search_path.run.outputs={out}', 'predict.top=2']
    assert main([tiny_yaml, *words, 'test']) == 0
    ((file, labels),) = yaml.safe_load((out / 'predictions.yaml').read_text()).items()
    assert file.endswith('b.png')
    assert len(labels) == 2


@pytest.mark.parametrize(
    'words, message',
    [
        ([], 'defaults: system.search_path.run.inputs: runs/lenet5/inputs does not exist.'),
        (['system.search_path.run.inputs=[/nowhere]'], 'command line: system.search_path.run.inputs: /nowhere does not exist.'),
        (
            ['system.search_path.run.inputs=3'],
            'command line: system.search_path.run.inputs is 3, expected a path, a glob or a URL, or a list of them.',
        ),
    ],
)
def test_images_that_are_missed_are_told_before_anything_runs(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LENET, *words, 'test']) == 2
    assert message in capsys.readouterr().err


def test_interact_refuses_where_nobody_can_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LENET, 'interact']) == 2
    assert capsys.readouterr().err.startswith('`interact` needs a terminal, but its input or output is a file or a pipe')


@pytest.mark.parametrize('has_ipython', [True, False])
def test_interact_has_the_session_at_hand(
    has_ipython: bool, tiny_yaml: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(interact, 'check', lambda config, products: ())
    monkeypatch.setattr(sys.stdin, 'isatty', lambda: True)
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    monkeypatch.setattr(interact, 'missing', lambda packages: [] if has_ipython else packages)
    ipython = types.SimpleNamespace(start_ipython=lambda argv, user_ns: given.update(user_ns, by='IPython'))
    monkeypatch.setitem(sys.modules, 'IPython', ipython)
    monkeypatch.setattr('code.interact', lambda banner, local, exitmsg: given.update(local, by='code'))
    assert main([tiny_yaml, 'interact', 'info.format=json', 'info']) == 0
    assert given['by'] == ('IPython' if has_ipython else 'code')
    assert given['network'] is given['session'].network
    assert given['graph'] is given['session'].graph
    assert {'config', 'run', 'np', 'tf', 'keras'} <= set(given)
    banner, _, table = capsys.readouterr().out.partition('\n')
    assert all(name in banner for name in ('session', 'network', 'graph', 'config', 'run', 'np', 'tf', 'keras'))
    assert json.loads(table)


def test_plumbing_is_info_as_yaml_in_a_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(pathlib.Path(word).absolute()) for word in LENET]
    monkeypatch.chdir(tmp_path)
    assert main([*words, 'system.info.plumbing=true', 'info']) == 0
    assert capsys.readouterr().out == ''
    assert yaml.safe_load((tmp_path / 'info.yaml').read_text())['layers'][0]['name'] == 'conv0'


def plot_config(**old: bool) -> Config:
    config = Config.default()
    config.merge_values({'system': {'plot': old}}, 'test')
    return config


def test_system_plot_chooses_pictures() -> None:
    every = ['channels', 'saliency', 'macs', 'tradeoff', 'training']
    assert pictures(plot_config()) == every
    assert pictures(plot_config(features=True, parameters=True)) == [*every, 'features', 'parameters']
    assert pictures(plot_config(gates=False)) == ['macs', 'tradeoff', 'training']


def test_features_and_parameters_are_drawn_from_the_network(
    tiny_yaml: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('matplotlib')
    drawn: dict[str, tuple[Any, ...]] = {}
    monkeypatch.setattr(report, 'features', lambda name, *values: drawn.setdefault(name, values))
    monkeypatch.setattr(report, 'parameters', lambda *values: drawn.setdefault('parameters', values))
    monkeypatch.setattr(report, 'write', lambda drawings, folder, title, lead: folder / 'index.html')
    fixed = 'model.layers.conv1.overrider={weights: {q: {type: FixedPointQuantizer, width: 2, point: 1}}}'
    words = [f'system.search_path.plot=[{tmp_path}/old]', 'plot.pictures=[features, parameters]', fixed]
    assert main([tiny_yaml, *words, 'plot']) == 0
    assert list(drawn) == ['conv0', 'drop', 'conv1', 'parameters']
    assert drawn['conv0'][0].shape == (4, 8, 8, 1)
    assert drawn['conv0'][1].shape == (4, 4, 4, 6)
    values, before = drawn['parameters']
    assert list(before) == ['conv1/weights']
    assert set(np.unique(values['conv1/weights'])) <= {-1.0, -0.5, 0.0, 0.5}
    assert not any('Quantizer' in name for name in values)


@pytest.mark.parametrize('is_original', [True, False])
def test_export_says_of_a_model_of_the_original_that_it_writes_the_network(
    is_original: bool, tiny_yaml: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('mayo.export.command.exported', lambda *arguments: types.SimpleNamespace(render=lambda: 'written'))
    assert main([tiny_yaml, f'model.original={is_original}'.lower(), 'export.formats=[onnx]', 'export']) == 0
    told = capsys.readouterr()
    assert told.out == 'written\n'
    assert ('is what `config` prints' in told.err) is is_original
