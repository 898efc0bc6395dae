"""Every model and overlay of the repository: it loads, has no problem, and costs what its header says."""

import json
import pathlib
import re
from typing import Any

import pytest

from mayo.actions.info import info
from mayo.config import Config
from mayo.estimate import shapes
from mayo.session.spec import input_shape, model_graph, model_problems
from mayo.util.format import count

MODELS = pathlib.Path(__file__).parents[1] / 'models'
FILES = [*MODELS.glob('*.yaml'), *MODELS.glob('gate/*.yaml')]
NAMES = sorted(str(path.relative_to(MODELS).with_suffix('')) for path in FILES)
ZOO = {
    'lenet5',
    'lenet5_bn',
    'cifarnet',
    'cifarnet_slim',
    'vgg16',
    'vgg16_bn',
    'vgg16_compact',
    'alexnet',
    'alexnet_bn',
    'resnet18',
    'resnet34',
    'resnet50',
    'resnet20',
    'resnet56',
    'squeezenet_v10',
    'squeezenet_v11',
    'inception_v1',
    'inception_v3',
    'mobilenet',
    'mobilenet_v2',
    'mobilenet_v3_large',
    'efficientnet_b0',
    'densenet121',
}
# name: classes, density; dense, macs, executed; trainable parameters
COSTS = {
    'cifarnet': (1.0, 174_301_824, 174_301_824, 174_301_824, 1_296_074),
    'gate/cifarnet': (0.5, 174_301_824, 57_905_472, 44_155_840, 1_439_626),
    'gate/vgg16_compact': (0.6, 7_904_715_280, 3_379_026_670, 2_910_646_611, 134_690_310),
    'gate/vgg16_bn': (0.5, 15_470_264_320, 4_805_787_840, 3_938_178_240, 139_996_264),
    'gate/vgg16': (0.5, 15_470_264_320, 4_805_787_840, 3_938_178_240, 139_996_264),
    'vgg16': (1.0, 15_470_264_320, 15_470_264_320, 15_470_264_320, 138_357_544),  # the published parameters
    'lenet5': (1.0, 2_293_000, 2_293_000, 2_293_000, 431_080),  # Caffe's
}


def header(name: Any) -> Any:
    """The comment that a model file opens with."""
    return re.match(r'(#.*\n)+', (MODELS / f'{name}.yaml').read_text(encoding='utf-8')).group()


def config(name: Any, density: Any = 1.0) -> Config:
    """The model with the dataset of its command."""
    whole_config = Config.default()
    whole_config.merge_file(MODELS / f'{name}.yaml')
    whole_config.merge_file(MODELS.parent / re.search(r'datasets/\w+\.yaml', header(name)).group())
    whole_config.merge_word(f'_gate.density={density}')
    return whole_config


def test_the_models_are_those_promised() -> None:
    assert set(NAMES) >= ZOO
    assert {f'gate/{name}' for name in NAMES if '/' not in name} == {name for name in NAMES if '/' in name}


@pytest.mark.parametrize('name', NAMES)
def test_a_model_has_no_problem_and_no_key_that_nobody_reads(name: Any) -> None:
    assert model_problems(config(name)) == []
    assert config(name).unknown() == []


@pytest.mark.parametrize('name', COSTS)
def test_a_model_costs_what_the_design_says_to_the_last_digit(name: Any) -> None:
    density, *expected = COSTS[name]
    total = info(config(name, density)).total
    assert [total[key] for key in ('dense', 'macs', 'executed', 'trainable')] == expected


@pytest.mark.parametrize('name', NAMES)
def test_a_model_opens_with_its_purpose_its_command_and_what_to_expect(name: Any) -> None:
    comment = header(name)
    assert f'#   ./my models/{name}.yaml datasets/' in comment
    density = float((re.findall(r'_gate.density=([\d.]+)', comment) or ['1.0'])[0])
    total = info(config(name, density)).total
    known = {count(total[key]) for key in ('dense', 'macs', 'executed', 'trainable')}
    numbers = set(re.findall(r'\d{1,3}(?:,\d{3})+', comment))
    assert numbers
    assert numbers <= known


@pytest.mark.parametrize('name', [name for name in NAMES if name.startswith('gate/')])
def test_an_overlay_gates_every_convolution_of_a_map_but_the_logits_and_changes_nothing_else(name: Any) -> None:
    """For one position, as in squeeze and excite, a gate would cost what the convolution does."""
    dense, gated = config(name.removeprefix('gate/')), config(name)
    dense.merge_word(f'model.bn={json.dumps(gated.get("model.bn"))}')
    size = shapes(model_graph(dense), input_shape(dense))
    for before, after in zip(model_graph(dense), model_graph(gated), strict=True):
        source = size[before.inputs[0]]
        is_gated = before.type == 'convolution' and before.name != 'logits' and source.height * source.width > 1
        assert after.type == ('gated_convolution' if is_gated else before.type)
        assert {key: getattr(after.params, key) for key in vars(before.params)} == vars(before.params)
        assert (after.name, after.inputs) == (before.name, before.inputs)


@pytest.mark.parametrize('name', [name for name in NAMES if name.startswith('gate/')])
def test_the_density_of_one_gated_layer_can_be_set_alone(name: Any) -> None:
    gated = config(name)
    before = densities_of(gated)
    chosen = [node.name for node in model_graph(gated) if node.type == 'gated_convolution'][1]
    key = 'model.layers.' + '.layers.'.join(chosen.split('/'))
    gated.merge_word(f'{key}.gate_params.density=0.25')
    after = densities_of(gated)
    assert {layer for layer, density in after.items() if density != before[layer]} == {chosen}


def densities_of(gated: Any) -> dict[Any, Any]:
    return {cost.name: cost.density for cost in info(gated).layers if cost.density is not None}


def test_the_batch_norm_of_vgg_is_a_switch() -> None:
    with_norm = config('vgg16')
    with_norm.merge_word('model.bn=true')
    assert info(with_norm).total == info(config('vgg16_bn')).total
    assert info(config('vgg16')).total['state'] == 0
