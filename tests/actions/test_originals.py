"""`check.original=PATHS check`, on a small checkout in the manner of the original Mayo; and its detection."""

import pathlib
from typing import Any

import pytest

from mayo.actions.checks import problems
from mayo.actions.originals import problems_of
from mayo.cli.main import main
from mayo.config import Config

TASK = 'dataset:\n  name: {0}\n  task: {{type: mayo.task.image.Classify, num_classes: 5, shape: {{channels: 1}}}}\n'
MODEL = """
dataset.task.preprocess: {shape: {height: 4, width: 4, channels: 1}, validate: null, final_cpu: {type: linear_map}}
model:
    name: m
    description:
        After::
            a paper
    layers:
        conv: {type: convolution, kernel_size: 4, num_outputs: 3, padding: valid, weights_initializer: tensorflow.zeros_initializer}
        flatten: {type: flatten}
        fc: {type: fully_connected, num_outputs: $(dataset.task.num_classes)}
    graph: {from: input, with: [conv, flatten, fc], to: output}
"""
FILES = {
    'datasets/mnist.yaml': TASK.format('mnist'),
    'models/net.yaml': MODEL,
    'models/override/_global.yaml': '_overrider: {weights: {}, conv: {weights: $(_overrider.weights)}}',
    'models/override/net.yaml': '_import: ../net.yaml\nmodel.layers.conv.overrider: $(_overrider.conv)',
    'models/override/prune/dns.yaml': '_import: ../_global.yaml\n_overrider.weights.x.type: mayo.override.DynamicNetworkSurgeryPruner',
    'models/override/legacy/net/fixed.yaml': (
        'model.layers.conv.weights_overrider: [{type: mayo.override.FixedPointQuantizer, point: 1, width: 8}]'
    ),
    'trainers/t.yaml': 'train.optimizer.type: tensorflow.train.AdamOptimizer\nretrain.iter_max_epoch: 3',
    'system.yaml': 'system: {max_epochs: 9, search_path.checkpoint.load: [checkpoints/$(model.name)/$(dataset.name)/]}',
}
BROKEN = {
    'models/gone.yaml': ('_import: nowhere.yaml', '_import: {folder}/models/nowhere.yaml does not exist.'),
    'models/old.yaml': (MODEL.replace('type: flatten', 'type: local_gating'), 'unknown layer type `local_gating`'),
    'models/legacy/net/bad.yaml': ('model.layers.conv.padding: full', 'padding is full, expected `same`'),
    'rules/r.yaml': ('rename: {a: b}', 'is no configuration, but rules by which the original Mayo converted weights'),
    'docs/info.yaml': ('layers: {footer: {macs: 1}}', 'is no configuration, but what `info` of the original Mayo wrote.'),
}


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> Any:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_all_files_of_a_checkout_load_with_those_that_they_go_with(checkout: pathlib.Path, capsys: Any) -> None:
    assert main([f'check.original={checkout}', 'check']) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f'{len(FILES)} of {len(FILES)} load'
    assert {line.rpartition(': ')[2] for line in told[:-1]} == {'loads'}


@pytest.mark.parametrize('name', BROKEN)
def test_a_file_that_does_not_load_is_told_why(name: str, checkout: pathlib.Path, capsys: Any) -> None:
    text, message = BROKEN[name]
    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert message.format(folder=checkout) in problems_of(path)[0]
    assert main([f'check.original=[{path}, {checkout}/trainers/*.yaml]', 'check']) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == '1 of 2 load'
    assert told.err == '1 of 2 files do not load.\n'


def test_a_path_that_is_not_there_is_told(capsys: Any) -> None:
    assert main(['check.original=nowhere/x.yaml', 'check']) == 2
    assert capsys.readouterr().err == 'check.original: nowhere/x.yaml does not exist.\n'


DETECTION = """
dataset:
    name: voc
    task:
        type: mayo.task.image.YOLOv2
        num_classes: 21
        background_class: {has: true}
        anchors: [[1, 1], [3, 4]]
        preprocess.shape: {height: 4, width: 4, channels: 3}
model:
    name: yolo
    layers:
        head: {type: convolution, kernel_size: 1, num_outputs: !arith (5 + $(dataset.task.num_classes)) * len($(dataset.task.anchors))}
    graph: {from: input, with: head, to: output}
train: {optimizer.type: tensorflow.train.AdamOptimizer, learning_rate: 0.1}
dataset.path: {train: x, validate: x}
dataset.num_examples_per_epoch: {train: 1, validate: 1}
"""


@pytest.mark.parametrize('action', ['train', 'eval'])
def test_detection_is_described_and_neither_trained_nor_evaluated(action: str) -> None:
    from mayo.session.spec import model_graph

    config = Config.default()
    config.merge_text(DETECTION, 'voc.yaml')
    assert problems(config, 'info') == []
    assert model_graph(config)['head'].params.num_outputs == (5 + 20) * 2
    again = Config.default()
    again.merge_text(config.to_yaml(), 'stored')
    assert again.get('dataset.task.num_classes') == 20
    assert (
        'voc.yaml:5: dataset.task.type is detect: detection is not here, beyond what `info` says of its networks.'
        in problems(config, action)
    )
