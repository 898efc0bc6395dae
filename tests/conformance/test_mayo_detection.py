"""Networks of detection in the form of the original Mayo have the published counts.

YOLOv2 for COCO: yolov2.weights of https://pjreddie.com/darknet/yolov2 is 203,934,260 bytes long, 16 of them a header and the rest
float32; darknet prints 29.47 billion operations for 416 x 416 pixels. Darknet-19: 5.58 billion operations for 224 x 224 pixels, by
https://arxiv.org/abs/1612.08242, table 6. A multiply-accumulate is two operations.
"""

from typing import Any

import pytest

from mayo.actions.checks import problems
from mayo.actions.info import info
from mayo.config import Config

LEAKY = """
            activation_fn: tensorflow.nn.leaky_relu
            activation_params: {alpha: 0.1}"""
BLOCKS = [[32], [64], [128, 64, 128], [256, 128, 256], [512, 256, 512, 256, 512], [1024, 512, 1024, 512, 1024]]
LAYERS = """
model:
    name: {name}
    description:
        After::
            https://pjreddie.com/darknet
    layers:
        _conv: &conv
            type: convolution
            kernel_size: [3, 3]
            padding: same
            normalizer_fn: tensorflow.contrib.slim.batch_norm
            normalizer_params: {{center: true, scale: true, decay: 0.9997, epsilon: 0.001}}{leaky}
        _pool: &pool {{type: max_pool, kernel_size: 2, stride: 2, padding: same}}
        {layers}
    graph:
{graph}
"""


def trunk() -> tuple[list[str], list[list[str]]]:
    """The layers of Darknet-19 in YAML, and their names by block; every second layer of a block of several is 1 x 1."""
    layers, names, number = [], [], 0
    for place, block in enumerate(BLOCKS):
        layers += [f'pool{place}: *pool'] if place else []
        names.append([f'pool{place}'] if place else [])
        for index, outputs in enumerate(block):
            number += 1
            kernel = 'kernel_size: 1, ' if index % 2 else ''
            layers.append(f'conv{number}: {{<<: *conv, {kernel}num_outputs: {outputs}}}')
            names[-1].append(f'conv{number}')
    return layers, names


def configured(name: str, layers: list[str], graph: list[str], dataset: str) -> Config:
    config = Config.default()
    config.merge_text(dataset, 'dataset.yaml')
    text = LAYERS.format(
        name=name, leaky=LEAKY, layers='\n        '.join(layers), graph='\n'.join(f'        - {{{entry}}}' for entry in graph)
    )
    config.merge_text(text, 'model.yaml')
    assert problems(config, 'info') == []
    return config


def joined(blocks: list[list[str]]) -> str:
    return ', '.join(name for block in blocks for name in block)


def counts(config: Config) -> Any:
    costs = info(config).layers
    return sum(cost.trainable + cost.state for cost in costs), sum(cost.dense for cost in costs)


def test_yolo2_has_the_published_counts() -> None:
    layers, names = trunk()
    layers += [
        'conv19: {<<: *conv, num_outputs: 1024}',
        'conv20: {<<: *conv, num_outputs: 1024}',
        'conv21: {<<: *conv, kernel_size: 1, num_outputs: 64}',
        'reorg: {type: space_to_depth, block_size: 2}',
        'concat: {type: concat, axis: -1}',
        'conv22: {<<: *conv, num_outputs: 1024}',
        'extract: {<<: *conv, kernel_size: 1, normalizer_fn: null, activation_fn: null, activation_params: null, '
        'num_outputs: !arith "(5 + $(dataset.task.num_classes)) * len($(dataset.task.anchors))"}',
    ]
    graph = [
        f'from: input, with: [{joined(names[:5])}], to: fine',
        f'from: fine, with: [{joined(names[5:])}, conv19, conv20], to: coarse',
        'from: fine, with: [conv21, reorg], to: passed',
        'from: [passed, coarse], with: [concat, conv22, extract], to: output',
    ]
    dataset = """
dataset:
    name: coco
    task:
        type: mayo.task.image.YOLOv2
        num_classes: 81
        background_class: {has: true}
        anchors: [[0.57, 0.68], [1.87, 2.06], [3.34, 5.47], [7.88, 3.53], [9.77, 9.17]]
        scales: {object: 5, noobject: 1, coordinate: 1, class: 1}
        num_cells: 13
        preprocess: {shape: {height: 416, width: 416, channels: 3}, validate: null, final_cpu: null}
"""
    config = configured('yolo2', layers, graph, dataset)
    parameters, macs = counts(config)
    assert 16 + 4 * parameters == 203_934_260
    assert 2 * macs / 1e9 == pytest.approx(29.47, abs=0.01)


def test_darknet_19_has_the_published_operations() -> None:
    layers, names = trunk()
    layers += [
        'logits: {<<: *conv, kernel_size: 1, normalizer_fn: null, activation_fn: null, activation_params: null, '
        'num_outputs: num_classes}',
        'mean: {type: average_pool, kernel_size: global}',
        'squeeze: {type: squeeze}',
    ]
    dataset = """
dataset:
    name: imagenet
    task:
        type: mayo.task.image.Classify
        num_classes: 1001
        background_class: {has: true, use: false}
        preprocess: {shape: {height: 224, width: 224, channels: 3}, validate: null}
"""
    config = configured(
        'darknet19', layers, [f'from: input, with: [{joined(names)}, logits, mean, squeeze], to: output'], dataset
    )
    parameters, macs = counts(config)
    assert 2 * macs / 1e9 == pytest.approx(5.58, abs=0.005)
    assert parameters == 20_856_776
