"""`mean`: what it averages, what it refuses, and how actions go on with it."""

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.actions import Run, actions
from mayo.actions.checks import problems
from mayo.actions.mean import load_mean
from mayo.checkpoint import bundle
from mayo.checkpoint.mean import mean_of
from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session
from mayo.session.evaluate import evaluate_all
from mayo.util.errors import UserError

WEIGHTS = 'tiny/conv1/weights'
VARIANCE = 'tiny/conv0/BatchNorm/moving_variance'


@pytest.fixture
def saved(config_of: Callable[..., Config]) -> Callable[..., Any]:
    """saved(name, seed): a checkpoint of the tiny network with the weights of that seed; its tensors."""

    def make(name: str, seed: int, *words: str, **options: Any) -> Any:
        session = Session(config_of(f'system.seed={seed}', *words, **options))
        session.images_seen = 96 * seed
        variance = session.named()[VARIANCE]
        variance.assign(variance + seed)
        return bundle.read(session.save(name))

    return make


def test_weights_and_statistics_are_averaged_by_their_shares_and_saved(
    saved: Callable[..., Any], config_of: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'mayo')
    first, other = saved('one', 1), saved('other', 2)
    session = Session(config_of('mean.checkpoints={one: 1, other: 3}'))
    load_mean(session)
    assert np.abs(first[WEIGHTS] - other[WEIGHTS]).max() > 0.1
    for name in (WEIGHTS, VARIANCE):
        np.testing.assert_allclose(session.named()[name].numpy(), first[name] / 4 + other[name] * 0.75, rtol=1e-6, atol=1e-7)
    assert re.search(r'loaded the mean of \S*one \(25%\), \S*other \(75%\), ', caplog.text)
    kept = bundle.read(session.save('both'))
    np.testing.assert_array_equal(kept[WEIGHTS], session.named()[WEIGHTS].numpy())


def test_in_a_list_all_count_the_same(saved: Callable[..., Any], config_of: Callable[..., Config]) -> None:
    parts = [saved(name, seed) for seed, name in enumerate(('a', 'b', 'c'), 1)]
    session = Session(config_of('mean.checkpoints=[a, b, c]'))
    load_mean(session)
    np.testing.assert_allclose(session.named()[WEIGHTS].numpy(), sum(part[WEIGHTS] for part in parts) / 3, rtol=1e-5, atol=1e-7)


def test_two_names_of_one_checkpoint_count_twice(saved: Callable[..., Any], config_of: Callable[..., Config]) -> None:
    first, other = saved('one', 1), saved('other', 2)
    session = Session(config_of('mean.checkpoints=[one, other, other.index]'))
    load_mean(session)
    np.testing.assert_allclose(
        session.named()[WEIGHTS].numpy(), (first[WEIGHTS] + 2 * other[WEIGHTS]) / 3, rtol=1e-5, atol=1e-7
    )


def test_what_training_left_beside_the_weights_is_not_taken(saved: Callable[..., Any]) -> None:
    first, other = saved('one', 1), saved('other', 2)
    both = mean_of({'one': first | {'mayo/training/optimizer/0': np.float32(1)}, 'other': other}, [1, 1], 'mean.checkpoints')
    assert both.keys() == first.keys()
    assert both['imgs_seen'] == 96


def test_checkpoints_of_other_networks_are_refused_together(
    saved: Callable[..., Any], config_of: Callable[..., Config]
) -> None:
    saved('one', 1)
    saved('gated', 1, gated=True)
    saved('wide', 1, 'model.layers.conv1.num_outputs=7')
    with pytest.raises(UserError) as error:
        load_mean(Session(config_of('mean.checkpoints=[one, gated, wide]')))
    gated, wide = str(error.value).splitlines()
    assert re.search('gated is of another network than .*one: .*gamma, tiny/conv0/gate/biases and . more differ', gated)
    assert re.search('wide is of another network than .*one: tiny/conv1/BatchNorm/beta, .* more differ in shape', wide)


def test_slimmed_networks_with_other_channels_left_are_refused() -> None:
    first: dict[str, Any] = {'tiny/w': np.ones(2, np.float32), 'mayo/kept/conv0': np.array([1, 1, 0], np.uint8)}
    other: dict[str, Any] = first | {'mayo/kept/conv0': np.array([1, 0, 1], np.uint8)}
    assert mean_of({'one': first, 'same': first}, [1, 1], 'mean.checkpoints').keys() == first.keys()
    with pytest.raises(UserError, match='other is of another network than one: mayo/kept/conv0 differ'):
        mean_of({'one': first, 'other': other}, [1, 1], 'mean.checkpoints')


def test_the_actions_after_it_work_with_the_mean(
    saved: Callable[..., Any], config_of: Callable[..., Config], capsys: pytest.CaptureFixture[str]
) -> None:
    saved('one', 1)
    saved('other', 2)
    run = Run(config_of('mean.checkpoints=[one, other]', 'system.checkpoint.save=both'))
    for action in ('mean', 'eval', 'save'):
        actions[action].run(run)
    printed = capsys.readouterr().out
    assert 'top-1' in printed
    actions['eval'].run(Run(config_of('system.checkpoint.load=both')))
    first, second = (text.split(', of ')[0] for text in (printed, capsys.readouterr().out))
    assert first == second


def test_everything_is_asked_for_and_looked_up_before_anything_runs(
    saved: Callable[..., Any], config_of: Callable[..., Config]
) -> None:
    saved('one', 1)
    assert problems(config_of(), 'mean') == [
        '`mean` needs mean.checkpoints, which nothing so far sets; name them before it, e.g. mean.checkpoints=[slim,tuned].'
    ]
    told = problems(config_of('mean.checkpoints={oen: 1, nothing: 2, one: 1}'), 'mean')
    assert len(told) == 2
    assert re.fullmatch('mean.checkpoints=oen: no such checkpoint in .* did you mean one.', told[0])
    assert told[1].startswith('mean.checkpoints=nothing: ')
    assert problems(config_of('mean.checkpoints=[one, later]'), 'mean', earlier=['train']) == []


@pytest.mark.parametrize('value', ['one', '[one]', '[one, 2]', '{one: 1}', '{one: 1, other: 0}', '{one: 1, other: much}'])
def test_another_kind_of_value_is_told(config_of: Callable[..., Config], value: str) -> None:
    [told] = problems(config_of(f'mean.checkpoints={value}'), 'mean')
    assert told.endswith('expected two names or more, [one, other], or a share above 0 for each, {one: 1, other: 3}.')


def test_a_mistake_ends_with_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['models/cifarnet.yaml', 'datasets/cifar10.yaml', 'mean.checkpoints=[pretrained,nothing]', 'mean', 'eval']) == 2
    assert 'mean.checkpoints=nothing: no such checkpoint' in capsys.readouterr().err


def test_what_the_weights_are_called_follows_them(saved: Callable[..., Any], config_of: Callable[..., Config]) -> None:
    saved('one', 1)
    session = Session(config_of('mean.checkpoints=[one, other]', 'system.checkpoint.save=both'))
    assert session.weights is None
    saved('other', 2)
    load_mean(session)
    assert re.fullmatch(r'the mean of \S*one \(50%\), \S*other \(50%\)', session.weights or '')
    session.save()
    assert session.weights == 'both'
    loaded = Session(config_of('system.checkpoint.load=both'))
    loaded.load()
    assert loaded.weights == 'both'
    evaluate_all(loaded)
    assert loaded.weights.endswith('/other')
