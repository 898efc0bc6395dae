"""`profile`: running percentiles, the arguments that suit them by independent formulas, and an overlay that loads."""

import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mayo.cli.main import main
from mayo.config import Config
from mayo.override import of_layer
from mayo.override.fixed import point_of
from mayo.override.floating import FloatingPointQuantizer, bias_of
from mayo.session.base import Session
from mayo.session.spec import model_graph
from mayo.training.profile import Seen, error

TOPS = st.floats(1e-6, 1e6)


@given(TOPS, st.integers(2, 16))
def test_the_point_is_the_least_that_holds_the_top(top: float, width: int) -> None:
    scales = [p for p in range(-64, 64) if top <= 2.0 ** (width - 1) * 2.0**p]
    assert point_of(top) == width + min(scales)


@given(TOPS, st.integers(2, 6))
def test_the_bias_is_that_of_the_least_exponent_above_the_top(top: float, width: int) -> None:
    assert bias_of(top, width) == 2**width - 1 - min(e for e in range(-64, 64) if top < 2.0 ** (e + 1))


def test_the_fraction_is_as_wide_as_makes_the_error_least() -> None:
    values = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    start = FloatingPointQuantizer(width=6, mantissa_width=0, exponent_bias=0)
    top = float(np.abs(values).max())
    best = start.profiled(top, values, FloatingPointQuantizer.profiles)

    def square_error(mantissa: int) -> float:
        exponents, bias = 2 ** (6 - mantissa), bias_of(top, 6 - mantissa)
        size = np.abs(values.astype(np.float64))
        e = np.floor(np.log2(size))
        m = np.round(size / 2**e * 2**mantissa) / 2**mantissa
        q = np.where(size <= 2.0**-bias / 2, 0, np.sign(values) * m * 2.0 ** np.clip(e, -bias, exponents - 1 - bias))
        return float(np.mean((q - values) ** 2))

    errors = [square_error(mantissa) for mantissa in range(7)]
    assert best.mantissa_width == int(np.argmin(errors))
    assert best.exponent_bias == bias_of(top, 6 - best.mantissa_width)
    assert start.profiled(top, values, ['exponent_bias']).mantissa_width == 0
    assert error(best, values) == pytest.approx(math.sqrt(min(errors) / np.mean(values.astype(float) ** 2)), rel=1e-4)


def test_figures_are_means_over_batches_and_the_maximum_of_all() -> None:
    seen = Seen()
    batches = [np.arange(-5.0, 5.0), np.arange(100.0)]
    for batch in batches:
        seen.add(batch, [50.0, 100.0])
    assert seen.mean == pytest.approx(np.mean([np.abs(batch).mean() for batch in batches]))
    assert seen.tops[50.0] == pytest.approx(np.mean([np.median(np.abs(batch)) for batch in batches]))
    assert seen.tops[100.0] == pytest.approx((5 + 99) / 2)
    assert seen.most == 99
    assert len(seen.values) == 110


@pytest.fixture
def tiny(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> str:
    config = config_of()
    Session(config).save('dense')
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of('system.checkpoint.load=dense').to_yaml())
    return str(path)


def overlaid(tiny: str, overlay: pathlib.Path) -> dict[str, dict[str, Any]]:
    config = Config.default()
    config.merge_file(tiny)
    config.merge_file(str(overlay))
    return {node.name: of_layer(node.overriders, str(node)) for node in model_graph(config) if node.overriders}


def test_a_model_without_overriders_gets_fixed_points_of_eight_bits(
    tiny: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'out.yaml'
    words = [tiny, f'profile.path={path}', 'profile.parameters.samples=2']
    assert main([*words, 'profile']) == 0
    table = capsys.readouterr().out
    chains = overlaid(tiny, path)
    assert {name: sorted(own) for name, own in chains.items()} == {
        'conv0': ['activation', 'weights'],
        'conv1': ['activation', 'weights'],
        'logits': ['activation', 'biases', 'weights'],
    }
    config = Config.default()
    config.merge_file(tiny)
    session = Session(config)
    session.load()
    weights = np.abs(session.network.named_variables()['conv1/weights'].numpy())
    quantizer = chains['conv1']['weights']
    assert (quantizer.name, quantizer.width, quantizer.point) == (
        'FixedPointQuantizer',
        8,
        point_of(np.percentile(weights, 99)),
    )
    assert f'{weights.max():.4g}' in table
    for other in ('ShiftQuantizer', 'FloatingPointQuantizer'):
        assert other in table
        assert other not in path.read_text()
    assert main([tiny, str(path), 'eval']) == 0


OWN = """
model:
    overrider:
        weights:
            prune: {type: mayo.override.MeanStdPruner, alpha: -3.0, _priority: 5}
            fixed: {type: mayo.override.DGQuantizer, width: 6, overflow_rate: 0.1}
        activation: {shift: {type: mayo.override.ShiftQuantizer, width: 3, exponent_bias: 0, overflow_rate: 0.0}}
    layers.logits:
        weights_overrider:
            type: mayo.override.IncrementalQuantizer
            interval: 0.5
            quantizer: {type: mayo.override.ShiftQuantizer, width: 4, exponent_bias: 0, overflow_rate: 0.0}
"""


def test_the_quantizers_of_a_model_get_their_arguments_and_all_else_stays(tiny: str, tmp_path: pathlib.Path) -> None:
    own, path = tmp_path / 'own.yaml', tmp_path / 'out.yaml'
    own.write_text(OWN)
    percentile = 'profile.parameters.overriders={DGQuantizer: {targets: [point], percentile: {weights: 100, biass: 99}}, ShiftQuantizer: }'
    assert main([tiny, str(own), f'profile.path={path}', 'profile.parameters.samples=1', percentile, 'profile']) == 0
    both = tmp_path / 'both.yaml'
    both.write_text(f'_import: [{tiny}, {own}, {path}]\n')
    chains = overlaid(tiny, both)
    prune, fixed = chains['conv0']['weights'].members()
    assert (prune.name, prune.alpha, fixed.name, fixed.width) == ('MeanStdPruner', -3.0, 'FixedPointQuantizer', 6)
    assert chains['conv0']['activation'].width == 3
    assert chains['conv0']['activation'].exponent_bias != 0
    inner = chains['logits']['weights'].quantizer
    assert (inner.name, inner.exponent_bias != 0, chains['logits']['weights'].interval) == ('ShiftQuantizer', True, 0.5)
    assert 'weights_overrider: null' in path.read_text()
    config = Config.default()
    config.merge_file(tiny)
    session = Session(config)
    session.load()
    assert fixed.point == point_of(float(np.abs(session.network.named_variables()['conv0/weights'].numpy()).max()))


def test_it_trains_to_the_end_and_keeps_the_weights_if_asked(tiny: str, tmp_path: pathlib.Path) -> None:
    words = ['profile.parameters.profile={start: 0.5, end: 1.0}', 'profile.parameters.samples=2', 'profile.export_ckpt=true']
    assert main([tiny, *words, f'profile.path={tmp_path}/out.yaml', 'profile']) == 0
    weights = {}
    for name in ('dense', 'tiny_profiled'):
        config = Config.default()
        config.merge_file(tiny)
        config.merge_word(f'system.checkpoint.load={name}')
        session = Session(config)
        session.load()
        weights[name] = session.network.named_variables()['conv1/weights'].numpy()
        assert session.images_seen == (96 if name == 'tiny_profiled' else 0)
    assert not np.array_equal(weights['dense'], weights['tiny_profiled'])


@pytest.mark.parametrize(
    'words, message',
    [
        (
            ['profile.parameters.overriders={DQQuantizer: {}}'],
            'command line: profile.parameters.overriders.DQQuantizer: a profile finds nothing of it; did you mean DGQuantizer?',
        ),
        (['profile.parameters.overriders={MeanStdPruner: {}}'], 'MeanStdPruner: a profile finds nothing of it'),
        (
            ['profile.parameters.overriders={DGQuantizer: {targets: [width]}}'],
            'DGQuantizer.targets is [width], expected some of point.',
        ),
        (
            ['profile.parameters.overriders={DGQuantizer: {percentile: {weigths: 9}}}'],
            'percentile takes no weigths; did you mean weights?',
        ),
        (
            ['profile.parameters.overriders={DGQuantizer: {percentile: 120}}'],
            'percentile is 120, expected a number in (0, 100].',
        ),
        (['profile.parameters.profile={start: 2, end: 1}'], 'start is 2, expected less than the end of the profile, 1.'),
    ],
)
def test_what_cannot_be_profiled_is_told_before_anything_runs(
    tiny: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([tiny, *words, 'profile']) == 2
    assert message in capsys.readouterr().err


def test_the_settings_of_the_original_load(tiny: str, tmp_path: pathlib.Path) -> None:
    old = {
        'num_epochs': 1.0,
        'export_ckpt': False,
        'parameters': {
            'profile': {'start': 0.1, 'end': 0.5},
            'samples': 2,
            'overriders': {
                'DGQuantizer': {
                    'targets': ['point'],
                    'percentile': {'weights': 99, 'biass': 99, 'gradients:': 99, 'activations': 90},
                }
            },
        },
    }
    file = tmp_path / 'old.yaml'
    file.write_text(yaml.safe_dump({'profile': old}))
    path = tmp_path / 'out.yaml'
    assert main([tiny, str(file), f'profile.path={path}', 'profile']) == 0
    assert overlaid(tiny, path)['conv0']['weights'].name == 'FixedPointQuantizer'
