"""Layers that are described and placed nowhere: said of a word, warned of in a file, silent where a module means it so."""

import pathlib

import pytest

from mayo.config import Config
from mayo.session.idle import idle_lines, idle_words
from mayo.session.spec import model_graph, model_problems

MODELS = pathlib.Path(__file__).resolve().parents[2] / 'models'
MODEL = """
model.layers:
    _conv: &conv {type: convolution, kernel_size: 3, num_outputs: 4}
    conv0: *conv
    block:
        type: module
        layers: {conv1: *conv, conv2: *conv}
        kwargs: {name: conv1}
        graph: {from: input, with: '^(name)', to: output}
    block2: {type: module, layers: $(model.layers.block.layers), kwargs: {name: conv2},
             graph: $(model.layers.block.graph)}
model.graph: {from: input, with: [conv0, block, block2], to: output}
dataset.task: {num_classes: 4, preprocess.shape: {height: 8, width: 8, channels: 3}}
"""


def config(*words: str, overlay: str = '') -> Config:
    config = Config.default()
    config.merge_text(MODEL, 'model.yaml')
    if overlay:
        config.merge_text(overlay, 'overlay.yaml')
    for word in words:
        config.merge_word(word)
    return config


@pytest.mark.parametrize(
    ('word', 'rest'),
    [
        ('model.layers.conv00.stride=2', 'the layer conv00; did you mean conv0?'),
        ('model.layers.zzz={type: flatten}', 'the layer zzz; name it in model.graph.'),
        ('model.layers.block.layers.conv3.stride=2', 'the layer conv3; did you mean conv1?'),
        ('model.layers.block.layers.conv2.stride=2', 'the layer conv2; did you mean conv1?'),
    ],
)
def test_a_word_about_a_layer_without_a_place_is_an_error(word: str, rest: str) -> None:
    line = f'command line: {word} has no effect: no entry of the graph places {rest}'
    assert line in model_problems(config(word))


def test_a_word_about_a_layer_with_a_place_is_none() -> None:
    words = config('model.layers.conv0.stride=2', 'model.layers.block.layers.conv1.stride=2')
    assert list(idle_words(words, model_graph(words))) == []


def test_a_line_of_a_file_is_told_and_stops_nothing() -> None:
    settings = config(overlay='model.layers:\n    conv11: {type: flatten}\n')
    assert model_problems(settings) == []
    assert list(idle_lines(settings, model_graph(settings))) == [
        'overlay.yaml:2: model.layers.conv11 has no effect: no entry of the graph places it; did you mean conv0?'
    ]


def test_null_takes_a_layer_away() -> None:
    settings = config(overlay='model.layers: {conv11: null}')
    assert list(idle_lines(settings, model_graph(settings))) == []


def test_what_one_place_of_a_module_leaves_out_is_meant_so() -> None:
    assert list(idle_lines(config(), model_graph(config()))) == []


@pytest.mark.parametrize(
    'file',
    [path for path in sorted(MODELS.rglob('*.yaml')) if path.parent.name not in ('import', 'override')],
    ids=lambda p: str(p),
)
def test_every_layer_of_a_shipped_model_has_a_place(file: pathlib.Path) -> None:
    settings = Config.default()
    settings.merge_file(file)
    settings.merge_word('dataset.task.num_classes=10')
    assert list(idle_lines(settings, model_graph(settings))) == []
