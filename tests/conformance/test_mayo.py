"""Files in the manner of the original Mayo, tests/golden/mayo: they load unchanged, cost what ours cost, and train."""

import itertools
import pathlib
from typing import Any

import pytest

from mayo.actions.checks import problems
from mayo.actions.info import info
from mayo.checkpoint.names import is_state
from mayo.config import Config
from mayo.config.arith import Deferred
from mayo.layers import GateParams
from mayo.net.tf.network import Network
from mayo.session.spec import input_shape, model_graph, model_problems
from mayo.training.schedule import learning_rate

ROOT = pathlib.Path(__file__).parents[2]
OLD = ROOT / 'tests' / 'golden' / 'mayo'
FILES = sorted(str(path.relative_to(OLD)) for path in OLD.rglob('*.yaml'))
MODELS = [name for name in FILES if name.startswith('models/')]
DATASETS = [name for name in FILES if name.startswith('datasets/')]
TRAINER = OLD / 'trainers/exponential.yaml'
# old model and dataset, words for both, the same network of ours, words for ours; dense MACs
PAIRS = [
    ('lenet5', 'cifar10', [], 'lenet5', [], 2_293_000),
    ('cifarnet', 'cifar10', [], 'cifarnet', [], 174_301_824),
    ('gate/cifarnet', 'cifar10', [], 'gate/cifarnet', ['_gate.density=0.5'], 174_301_824),
    ('resnet18', 'imagenet', [], 'resnet18', [], 1_814_073_344),
    ('mobilenet', 'imagenet', [], 'mobilenet', [], 568_740_352),
    ('mobilenet', 'imagenet', ['_width=0.5'], 'mobilenet', ['_width=0.5'], None),
    (
        'mobilenet',
        'imagenet',
        ['dataset.background_class.use=true'],
        'mobilenet',
        ['dataset.task.background_class.use=true'],
        568_741_376,
    ),
]


def configuration(*files: Any, words: Any = ()) -> Config:
    config = Config.default()
    for file in files:
        config.merge_file(file)
    for word in words:
        config.merge_word(word)
    return config


def text_configuration(text: str) -> Config:
    config = Config.default()
    config.merge_text(text, 'm.yaml')
    config.merge_text('dataset: {num_classes: 3, preprocess.shape: {height: 8, width: 8, channels: 4}}', 'd.yaml')
    return config


@pytest.mark.parametrize(('model', 'dataset'), list(itertools.product(MODELS, DATASETS)))
def test_an_old_file_has_no_problem_and_no_key_that_nobody_knows(model: Any, dataset: Any) -> None:
    config = configuration(OLD / model, OLD / dataset, TRAINER)
    assert config.unknown() == []
    assert model_problems(config) == []
    assert [line for line in problems(config, 'info') if 'golden' in line] == []


@pytest.mark.parametrize(('old', 'dataset', 'words', 'ours', 'our_words', 'dense'), PAIRS)
def test_an_old_model_costs_what_ours_does(
    old: str, dataset: str, words: list[Any], ours: str, our_words: list[Any], dense: int | None
) -> None:
    costs = info(configuration(OLD / f'models/{old}.yaml', OLD / f'datasets/{dataset}.yaml', words=words)).total
    expected = info(configuration(ROOT / f'models/{ours}.yaml', ROOT / f'datasets/{dataset}.yaml', words=our_words)).total
    assert costs == expected
    assert dense is None or costs['dense'] == dense


def test_an_old_gated_model_has_the_published_cost() -> None:
    total = info(configuration(OLD / 'models/gate/cifarnet.yaml', OLD / 'datasets/cifar10.yaml')).total
    assert (total['macs'], total['executed'], total['trainable']) == (57_905_472, 44_155_840, 1_439_626)


@pytest.mark.parametrize('model', ['lenet5', 'cifarnet', 'gate/cifarnet'])
def test_an_old_model_has_the_variables_of_ours(model: str) -> None:
    """So a checkpoint of either loads into the other; the old ones have overriders besides."""
    networks = []
    for folder in (OLD, ROOT):
        config = configuration(folder / f'models/{model}.yaml', folder / 'datasets/cifar10.yaml')
        networks.append(Network(model_graph(config), input_shape(config), 'x'))
    old, ours = (
        {
            name.replace('fc0', 'fc1'): tuple(variable.shape)
            for name, variable in network.named_variables().items()
            if not is_state(name)
        }
        for network in networks
    )
    assert old == ours


def test_layers_of_modules_within_modules_are_called_by_their_path() -> None:
    graph = model_graph(configuration(OLD / 'models/resnet18.yaml', OLD / 'datasets/imagenet.yaml'))
    assert {'s1/b1/conv1', 's2/b1/conv_shortcut', 's2/b2/identity_shortcut'} <= {node.name for node in graph}
    assert 's1/b1/conv_shortcut' not in graph
    assert (graph['s2/b1/conv1'].params.stride, graph['s2/b2/conv1'].params.stride) == ((2, 2), (1, 1))


def test_the_old_trainer_gives_the_rate_that_it_computes() -> None:
    config = configuration(OLD / 'datasets/cifar10.yaml', TRAINER)
    assert config.get('system.batch_size') == 64
    rate = learning_rate(config.get('train.learning_rate'), 'x', 100)
    for epoch in (0, 1.9, 2, 5):
        assert rate(epoch) == pytest.approx(0.045 * 64 * 1 / 32 * 0.94 ** (epoch // 2))
    assert config.get('train.average') == 0.9999
    config.merge_word('system.batch_size=32')
    assert learning_rate(config.get('train.learning_rate'), 'x')(0) == pytest.approx(0.045)


def test_labels_of_records_with_a_background_class_are_shifted() -> None:
    from mayo.session.data import label_offset

    config = configuration(OLD / 'datasets/imagenet.yaml')
    assert (config.get('dataset.task.num_classes'), label_offset(config)) == (1000, -1)
    config.merge_word('dataset.background_class.use=true')
    assert (config.get('dataset.task.num_classes'), label_offset(config)) == (1001, 0)


# ---- the grammar, item by item

MODULE = """
_scale: 0.5
_sizes: {three: 3}
model:
    layers:
        _conv: &conv {type: convolution, kernel_size: 1, activation_fn: null, biases_initializer: null}
        inner: &inner
            type: module
            kwargs: {n: 4, kind: wide, more: []}
            layers:
                wide_conv: {<<: *conv, kernel_size: !arith $(_sizes.$(_which)), num_outputs: !arith int(^(n) * $(_scale)) + 1}
                thin_conv: {<<: *conv, num_outputs: !arith 2 if '^(kind)_conv' == thin_conv else 99}
                last: {<<: *conv, num_outputs: !arith "max(^(n), 3) + len([^(n)])"}
            graph: {from: input, with: !arith "['^(kind)_conv'] + ^(more)", to: output}
        outer:
            type: module
            kwargs: {width: 10}
            inputs: [left, right]
            outputs: [sum, product]
            layers:
                a: {<<: *inner, n: !arith ^(width) * 2, more: [last]}
                b: {<<: *inner, n: ^(width), kind: thin, more: !arith "[last]"}
                c: {<<: *conv, num_outputs: ^(width)}
                add: {type: add}
                mul: {type: mul}
            graph:
                - {from: left, with: a, to: high}
                - {from: right, with: [b], to: low}
                - {from: low, with: c, to: low10}
                - {from: [low10, right4], with: add, to: sum}
                - {from: [low10, low10b], with: mul, to: product}
                - {from: high, with: d, to: right4}
                - {from: high, with: e, to: low10b}
        unused: {type: convolution, kernel_size: 1, num_outputs: 7}
        join: {type: concat}
_which: three
"""


def test_arithmetic_over_module_arguments_references_and_lists() -> None:
    text = MODULE.replace(
        '                add: {type: add}',
        '                d: {<<: *conv, num_outputs: !arith ^(width)}\n'
        '                e: {<<: *conv, num_outputs: !arith ^( width )}\n                add: {type: add}',
    )
    config = text_configuration(
        text
        + """
model.graph:
    - {from: joined, with: squash, to: output}
    - {from: input, with: identity, to: x}
    - {from: [x, input], with: outer, to: [s, p]}
    - {from: [s, p], with: join, to: joined}
model.layers.squash: {type: activation, mode: tensorflow.nn.relu6}
model.layers.identity: {type: identity}
"""
    )
    assert model_problems(config) == []
    graph = model_graph(config)
    outputs = {node.name: node.params.num_outputs for node in graph if node.type == 'convolution'}
    assert outputs == {
        'outer/a/wide_conv': 11,
        'outer/a/last': 21,
        'outer/b/thin_conv': 2,
        'outer/b/last': 11,
        'outer/c': 10,
        'outer/d': 10,
        'outer/e': 10,
    }
    assert graph['outer/a/wide_conv'].params.kernel_size == (3, 3)
    assert graph['outer/c'].params.biases_initializer is None
    assert [str(cost.shape) for cost in info(config).layers if cost.name == 'join'] == ['8x8x20']


def test_what_is_wrong_in_an_expression_of_a_module_is_told_where_it_is() -> None:
    text = """
model:
    layers:
        m:
            type: module
            kwargs: {n: 4}
            layers: {a: {type: convolution, kernel_size: 1, num_outputs: !arith int(^(m) * 2)}}
            graph: {from: input, with: a, to: output}
    graph: {from: input, with: m, to: output}
"""
    [problem] = model_problems(text_configuration(text))
    assert problem == 'm.yaml:7: model.layers.m.layers.a: ^(m) is not among the kwargs of a module around it.'
    [problem] = model_problems(text_configuration(text.replace('^(m) * 2', "^(n) + 'x'")))
    assert problem == ("m.yaml:7: model.layers.m.layers.a: !arith int(^(n) + 'x'): `+` between a number and text.")
    outside = 'model: {layers: {a: {type: dropout, keep_prob: !arith ^(n) * 2}}, graph: {from: input, with: a, to: output}}'
    assert 'it has a meaning only inside a module' in model_problems(text_configuration(outside))[0]


def test_an_expression_that_waits_for_a_module_is_printed_as_it_reads() -> None:
    config = Config()
    config.merge_text('n: 3\na: !arith "int(^(m) * $(n)) + len([$(l)])"\nl: [x, 1]\n', 'x.yaml')
    again = Config()
    again.merge_text(config.to_yaml(), 'y.yaml')
    for written in (config, again):
        assert written.get('a') == "int(^(m) * 3) + len([['x', 1]])"
        assert isinstance(written.get('a'), Deferred)
        assert written.get('a').compute({'m': 1.5}.get) == 5


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (
            '{type: convolution, kernel_size: [3, 1], num_outputs: 2, padding: [1, 0], activation_fn: tensorflow.nn.elu}',
            '8x8x2',
        ),
        ('{type: convolution, kernel_size: 3, num_outputs: 4, num_groups: 2, padding: 2, normalizer_fn: null}', '10x10x4'),
        ('{type: convolution, kernel_size: 1, num_outputs: 4, rate: 1, scope: x, biases_initializer: null}', '8x8x4'),
        ('{type: depthwise_convolution, kernel_size: 3, num_outputs: null, depth_multiplier: 2, stride: 2}', '4x4x8'),
        ('{type: average_pool, kernel_size: global}', '1x1x4'),
        ('{type: max_pool, kernel_size: 50, stride: 1}', '1x1x4'),
        ('{type: average_pool, kernel_size: [50, 2], stride: 1}', '1x7x4'),
        ('{type: reduce_mean, reduction_indices: [1, 2], keep_dims: true}', '1x1x4'),
        ('{type: batch_normalization, decay: 0.9, is_training: true}', '8x8x4'),
        ('{type: local_response_normalization, depth_radius: 2, bias: 1.0, alpha: 0.0001, beta: 0.75}', '8x8x4'),
        ('{type: space_to_depth, block_size: 2}', '4x4x16'),
        ('{type: dropout, keep_prob: 0.5, is_training: true}', '8x8x4'),
        ('{type: activation, mode: hard_swish}', '8x8x4'),
        ('{type: softmax}', '8x8x4'),
        ('{type: flatten}', '256'),
        (
            '{type: gated_convolution, kernel_size: 1, num_outputs: 4, gate_params: {policy: parametric_simplified, pool: mean, '
            'granularity: vector, online: false, should_gate: false}}',
            '8x8x4',
        ),
    ],
)
def test_layers_take_the_keys_that_they_took(layer: str, shape: str) -> None:
    config = text_configuration(f'model: {{layers: {{x: {layer}}}, graph: {{from: input, with: x, to: output}}}}')
    assert model_problems(config) == []
    assert str(info(config).layers[0].shape) == shape


def test_old_gates_are_todays() -> None:
    graph = model_graph(configuration(OLD / 'models/gate/cifarnet.yaml', OLD / 'datasets/cifar10.yaml'))
    assert graph['conv3'].params.gate == GateParams(density=0.5, regularizer={'l1': 0}, decay=0.9997, original=True)
