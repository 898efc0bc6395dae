"""From configuration to graph and input shape, with every problem of the model and where it is."""

import pathlib
from typing import Any

import pytest

from mayo.config import Config
from mayo.layers import Shape, layer_types
from mayo.session.spec import input_shape, model_graph, model_problems
from mayo.util.errors import UserError

SHAPE = """
dataset.task:
    num_classes: 10
    preprocess.shape: {height: 8, width: 6, channels: 3}
"""
MODEL = """
model:
    layers:
        conv: {type: convolution, kernel_size: 3, num_outputs: 4}
        pool: {type: average_pool}
        flatten: {type: flatten}
        logits: {type: fully_connected, num_outputs: $(dataset.task.num_classes)}
    graph: {from: input, with: [conv, pool, flatten, logits], to: output}
"""


def config(*texts: Any) -> Config:
    configuration = Config.default()
    for number, text in enumerate(texts):
        configuration.merge_text(text, f'{"mdxyz"[number]}.yaml')
    return configuration


def test_the_graph_has_completed_params_and_knows_where_each_layer_is() -> None:
    graph = model_graph(config(MODEL, SHAPE))
    assert [node.name for node in graph] == ['conv', 'pool', 'flatten', 'logits']
    assert graph['conv'].params.stride == (1, 1)
    assert graph['logits'].params.num_outputs == 10
    assert graph['conv'].where == 'm.yaml:4'


def test_the_input_shape_is_what_preprocessing_gives() -> None:
    assert input_shape(config(SHAPE)) == Shape((8, 6, 3))


def test_inputs_and_outputs_have_names_of_the_models_choice() -> None:
    configuration = config(
        MODEL.replace('from: input', 'from: images').replace('to: output', 'to: classes'),
        SHAPE,
        'model: {inputs: images, outputs: [classes]}',
    )
    assert (model_graph(configuration).inputs, model_graph(configuration).outputs) == (('images',), ('logits',))


def test_a_model_without_problems_has_none() -> None:
    assert model_problems(config(MODEL, SHAPE)) == []


def test_without_a_model_the_user_is_told_to_name_one() -> None:
    assert 'the network needs model.graph, which nothing so far sets' in model_problems(config(SHAPE))[0]


def test_without_a_dataset_the_user_is_told_to_name_one() -> None:
    problems = model_problems(config(MODEL, 'dataset.task.preprocess.shape: {height: 8, width: 6, channels: 3}'))
    assert problems[0].startswith('the network needs dataset.task.num_classes, which nothing so far sets; name a dataset')
    assert problems[1] == 'm.yaml:7: model.layers.logits: `fully_connected` needs num_outputs.'


@pytest.mark.parametrize(
    'text',
    [
        '{height: 8, width: 6}',
        '[8, 6, 3]',
        '{height: 8, width: 6, channels: 0}',
        '{height: 8, width: true, channels: 3}',
        '{height: 8.5, width: 6, channels: 3}',
    ],
)
def test_an_input_shape_of_anything_but_three_whole_numbers_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r'd.yaml:2: dataset.task.preprocess.shape is .*, expected \{height: , width: ,'):
        input_shape(config(MODEL, f'dataset.task.preprocess:\n    shape: {text}'))


def test_problems_of_several_layers_are_told_together_with_their_lines() -> None:
    text = MODEL.replace('kernel_size: 3', 'kernel_sise: 3').replace('average_pool', 'averag_pool')
    assert model_problems(config(text, SHAPE)) == [
        'm.yaml:4: model.layers.conv.kernel_sise: `convolution` takes no such key; did you mean kernel_size?',
        'm.yaml:4: model.layers.conv: `convolution` needs kernel_size.',
        'm.yaml:5: model.layers.pool.type: unknown layer type `averag_pool`; did you mean average_pool? Known: '
        + ', '.join(layer_types)
        + '.',
    ]


def test_one_mistake_in_many_layers_is_told_once_with_who_made_it() -> None:
    configuration = Config.default()
    configuration.merge_file(pathlib.Path(__file__).parents[2] / 'models/gate/cifarnet.yaml')
    for word in ('dataset.task.num_classes=10', '_gate.density=1.5', '_gate.pol=l1', 'model.layers.conv3.stride=0'):
        configuration.merge_word(word)
    assert model_problems(configuration) == [
        'command line: model.layers.conv0.gate_params.pol: `gate_params` takes no such key; did you mean pool? Likewise in 7 more layers.',
        'command line: model.layers.conv0.gate_params.density is 1.5, expected a number in (0, 1]. Likewise in 7 more layers.',
        'command line: model.layers.conv3.stride is 0, expected a whole number from 1 up, or [height, width].',
    ]


def test_a_shape_that_does_not_fit_is_a_problem() -> None:
    problems = model_problems(config(MODEL.replace('pool, flatten,', 'flatten, pool,'), SHAPE))
    assert problems == ['m.yaml:5: pool: needs a map of height, width and channels, gets a vector of 192.']


def test_a_cyclic_graph_is_a_problem() -> None:
    text = MODEL.replace('from: input, with: [conv', 'from: [input, output], with: [conv')
    assert 'm.yaml:8: model.graph has a cycle: ' in model_problems(config(text, SHAPE))[0]


def test_names_of_inputs_that_are_no_names_are_refused() -> None:
    assert model_problems(config(MODEL, SHAPE, 'model.inputs: 3')) == [
        'x.yaml:1: model.inputs is 3, expected a name or a list of names.'
    ]
