"""What `info` shows: totals to the last digit, for eyes at any width and for machines."""

import csv
import io
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import yaml

from mayo.actions.info import info
from mayo.config import Config
from mayo.estimate.liveliness import Liveliness
from mayo.estimate.table import FORMATS, SUMMED, render
from mayo.session.evaluate import Evaluation
from mayo.util.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


def record(model: str = 'gate/cifarnet', evaluation: Evaluation | None = None, classes: int = 10, density: float = 0.5) -> Any:
    config = Config.default()
    config.merge_file(ROOT / f'models/{model}.yaml')
    config.merge_word(f'dataset.task.num_classes={classes}')
    config.merge_word(f'_gate.density={density}')
    return info(config, evaluation)


@pytest.fixture(scope='module')
def gated() -> Any:
    return record()


@pytest.fixture(scope='module')
def measured() -> Any:
    """What `eval` found of three images, with 0, 10 and 20 active channels in each layer."""
    layers = [f'conv{index}' for index in range(8)]
    counts = dict.fromkeys(layers, np.array([0, 10, 20]))
    live = dict.fromkeys(layers, Liveliness(turnover=0.125, always=0.2, sometimes=0.3, never=0.5))
    return record(evaluation=Evaluation(0.9, 0.99, 0.3, 3, 100.0, counts=counts, liveliness=live))


def test_the_totals_of_the_table_stand_below_it_to_the_last_digit(gated: Any) -> None:
    text = render(gated)
    for line in (
        'parameters  1,439,626 trainable, 2,176 non-trainable',
        'dense       174,301,824 MACs, nothing skipped',
        'macs        57,905,472 as published',
        'executed    44,155,840 in compact execution (3.95x fewer)',
        'gates       145,728 of the parameters, 191,104 of the executed MACs (0.43 %)',
    ):
        assert f'\n{line}' in text


def test_the_table_has_a_row_for_each_layer(gated: Any) -> None:
    lines = render(gated).splitlines()
    header = lines[2].split()
    row = next(line for line in lines if line.startswith('conv4 ')).split()
    assert header == ['layer', 'type', 'output', 'params', 'dense', 'macs', 'executed', 'density', 'outputs', 'weights']
    assert row == [
        'conv4',
        'gated_convolution',
        '15x15x128',
        '164,352',
        '33,177,600',
        '16,633,984',
        '8,316,992',
        '0.500',
        '112',
        'KiB',
        '642',
        'KiB',
    ]


def test_a_dense_network_has_no_lines_about_gates() -> None:
    text = render(record('cifarnet'))
    assert 'densities' not in text
    assert text.splitlines()[-1] == 'dense       174,301,824 MACs, nothing skipped'


@pytest.mark.parametrize('model', ['gate/cifarnet', 'gate/vgg16_compact'])
@pytest.mark.parametrize('width', [62, 80, 100, 120, 160, 200])
def test_no_line_is_wider_than_the_screen(model: str, width: int) -> None:
    text = render(record(model, classes=1000), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii()


@pytest.mark.parametrize(
    ('width', 'shown'),
    [
        (160, ['type', '57,905,472', 'outputs']),
        (100, ['type', '57.9M', 'outputs']),
        (80, ['57.9M', 'outputs']),
        (60, ['57.9M']),
    ],
)
def test_a_wider_screen_shows_more(gated: Any, width: int, shown: list[str]) -> None:
    table = render(gated, width=width).split('\n\n')[1]
    assert [word for word in ('type', '57,905,472', '57.9M', 'outputs') if word in table] == shown


def test_a_pipe_gets_every_digit(gated: Any) -> None:
    assert render(gated) == render(gated, width=1000)


def test_a_screen_too_narrow_for_any_table_gets_the_smallest(gated: Any) -> None:
    assert 'conv0' in render(gated, width=20)


def test_measured_densities_are_told_from_configured_ones(measured: Any) -> None:
    text = render(measured)
    assert text.startswith('cifarnet on 32x32x3, one image; densities measured over 3 images\n')
    assert '0.156' in text  # 10 of 64
    assert render(record()).startswith('cifarnet on 32x32x3, one image; densities as configured\n')


def test_measured_layers_have_what_their_gates_do_beside_the_density(measured: Any) -> None:
    lines = render(measured).splitlines()
    assert 'density  turnover  always/some/never' in lines[2]
    cells = {line.split()[0]: line.split() for line in lines[4:] if line}
    assert cells['conv1'][7:10] == ['0.156', '0.125', '0.20/0.30/0.50']
    assert cells['drop3'][7:10] == ['-', '-', '-']
    assert cells['total'][5:7] == ['0.125', '0.20/0.30/0.50']
    layer = json.loads(render(measured, 'json'))['layers'][0]
    assert (layer['turnover'], layer['always'], layer['sometimes'], layer['never']) == (0.125, 0.2, 0.3, 0.5)
    rows = list(csv.DictReader(io.StringIO(render(measured, 'csv'))))
    assert (rows[0]['turnover'], rows[4]['turnover']) == ('0.125', '')


def test_json_and_yaml_hold_the_same_numbers(gated: Any) -> None:
    data = json.loads(render(gated, 'json'))
    assert yaml.safe_load(render(gated, 'yaml')) == data
    assert data['total']['executed'] == 44_155_840
    assert data['layers'][0]['shape'] == [30, 30, 64]
    assert (data['model'], data['input_shape'], data['images']) == ('cifarnet', [32, 32, 3], 0)


def test_the_columns_of_csv_add_up_to_the_totals(gated: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(render(gated, 'csv'))))
    assert {key: sum(int(row[key]) for row in rows) for key in SUMMED} == gated.total
    assert rows[4]['density'] == ''
    assert rows[3] | {'name': 'conv3', 'shape': '15x15x128', 'density': '0.5'} == rows[3]


@pytest.mark.parametrize('name', FORMATS)
def test_machines_get_measured_numbers_that_they_can_write(measured: Any, name: str) -> None:
    assert render(measured, name)


def test_an_unknown_format_is_told_with_the_known_ones(gated: Any) -> None:
    with pytest.raises(UserError) as error:
        render(gated, 'jsn')
    assert str(error.value) == 'info.format is jsn, expected table, json, yaml, csv; did you mean json?'


def test_info_imports_no_tensorflow_and_no_numpy() -> None:
    code = (
        'import sys; from mayo.cli.main import main; main(["models/gate/vgg16.yaml", "datasets/cifar10.yaml", "info"]); '
        'print(sorted({"tensorflow", "keras", "numpy"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == '[]'
