"""The search of the original Mayo: numbers step, with backtracking, to where accuracy ends."""

import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session
from mayo.training import stepping
from mayo.training.ranges import Range
from mayo.training.stepping import Knob
from mayo.training.trainer import train

PRUNE = 'model.overrider={weights: {prune: {type: mayo.override.DynamicNetworkSurgeryPruner, alpha: -9.0}}}'
ALPHA = r'search.variables={DynamicNetworkSurgeryPruner\.alpha$: {from: -1, to: 2, step: 1, min_step: 0.5}}'
FEW = ['search.max_epochs={profile: 1, fine_tune: 0.34}', 'search.accuracy.tolerance=0.3', 'train.validate=false']


@pytest.mark.parametrize(
    'given, limit, steps',
    [
        (Range(0, 4, 2, 1), 10, [2, 4]),
        (Range(0, 4, 2, 1), 3, [2, 4, 3]),  # 4 fails: back to 2, by 1 to 3, then 4 again, which fails: the end
        (Range(8, 1, -4, 1), 10, [4, 2, 1]),
        (Range(-1.0, 1.0, 1.5, 0.5), 10, [0.5]),
        (Range(0.0, 1.0, 0.75, 0.25), 10, [0.75]),
        (Range(0, 5, 3, 1), 10, [3, 5]),
    ],
)
def test_a_number_steps_to_the_end_and_in_smaller_steps_where_it_fails(given: Range, limit: float, steps: list[float]) -> None:
    knob = Knob('n', '', None, given)
    tried = []
    while (value := knob.next()) is not None:
        tried.append(value)
        if value > limit:
            knob.halve()
        else:
            knob.value = value
    assert list(dict.fromkeys(tried)) == steps
    assert given.holds(knob.value)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp('trained')


@pytest.fixture
def words(config_of: Callable[..., Config], folder: pathlib.Path) -> list[str]:
    """The tiny network, trained once."""
    own = f'system.checkpoint.path={folder}'
    if not (folder / 'tiny/pictures/dense.index').exists():
        session = Session(config_of(own, 'train.max_epochs=6', 'train.validate=false'))
        train(session)
        session.save('dense')
    path = folder / 'tiny.yaml'
    path.write_text(config_of(own, 'system.checkpoint.load=dense').to_yaml())
    return [str(path), PRUNE, *FEW]


def alphas(path: str, name: str) -> dict[str, float]:
    config = Config.default()
    config.merge_file(path)
    config.merge_word(PRUNE)
    config.merge_word(f'system.checkpoint.load={name}')
    session = Session(config)
    session.load()
    return {key: float(value.numpy()) for key, value in session.named().items() if key.endswith('.alpha')}


def test_all_step_at_once_and_the_last_good_network_is_kept(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracies = iter([0.9, 0.9, 0.1, 0.9, 0.1])  # of -1, 0, 1 (undone), 0.5, 1 again
    monkeypatch.setattr(stepping._Search, '_tuned', lambda self: next(accuracies))
    assert main([*words, ALPHA, 'search.accuracy.baseline=1.0', 'search', 'info']) == 0
    text = capsys.readouterr().out
    rows = re.findall(r'^(\d) +3 x DynamicNetworkSurgeryPruner.alpha (\S+) +\S+ % +(yes|no)', text, re.MULTILINE)
    assert [row[1:] for row in rows] == [('-1', 'yes'), ('0', 'yes'), ('1', 'no'), ('0.5', 'yes'), ('1', 'no')]
    assert 'alpha 0.5' in text.rpartition('backtrack')[2]  # the network of the line, as info shows it
    assert set(alphas(words[0], 'backtrack').values()) == {0.5}


def test_by_priority_the_costliest_layer_steps_first(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stepping._Search, '_tuned', lambda self: 1.0)
    extra = ['search.mode=priority', 'search.max_steps=2', 'search.accuracy.baseline=1.0', 'search.cost_key=mem_weights']
    assert main([*words, ALPHA, *extra, 'search']) == 0
    rows = re.findall(r'^\d +(?:tiny/(\w+)/weights/\S+|3 x \S+) (\S+) ', capsys.readouterr().out, re.MULTILINE)
    assert rows == [('', '-1'), ('conv1', '0'), ('conv1', '1')]


def test_a_search_trains_updates_and_measures(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    variables = ALPHA.replace('to: 2', 'to: 0')
    assert main([*words, variables, 'search', 'info.format=json', 'info']) == 0
    told = capsys.readouterr()
    baseline = float(re.search(r'training accuracy without overriders ([\d.]+) %', told.err)[1])
    assert baseline > 70
    assert 'search, step 1: 3 x DynamicNetworkSurgeryPruner.alpha 0: top-1 in training' in told.err
    memory = [int(row.replace(',', '')) for row in re.findall(r'(?:yes|no) +([\d,]+)$', told.out, re.MULTILINE)]
    assert memory[1] < memory[0]  # more is pruned


def test_the_accuracy_without_overriders_is_that_of_the_plain_network(
    words: list[str], config_of: Callable[..., Config]
) -> None:
    config = Config.default()
    config.merge_file(words[0])
    config.merge_word('model.overrider={weights: {q: {type: FixedPointQuantizer, width: 2, point: -9}}}')
    session = Session(config)
    session.load()
    plain = Config.default()
    plain.merge_file(words[0])
    other = Session(plain)
    other.load()
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    expected = other.network(images)[0].numpy()
    assert not np.allclose(session.network(images)[0], expected)
    with session.network.without_overriders():
        np.testing.assert_array_equal(session.network(images)[0].numpy(), expected)
    assert not np.allclose(session.network(images)[0], expected)


@pytest.mark.parametrize(
    'word, message',
    [
        (r'search.variables={X\.alpha$: {from: 0, to: 1, step: 1, min_step: 1}}', 'X.alpha$ is in no name of a number that can be stepped. '
         'Of this network these can: DynamicNetworkSurgeryPruner.alpha.'),
        ('search.variables={alpha: {from: 0, to: 1, step: 1}}', 'expected {from: , to: , step: , min_step: }, each a number'),
        ('search.variables={alpha: {from: 0, to: 1, step: -1, min_step: 1}}', 'expected steps towards the end'),
        ("search.variables={'(': {from: 0, to: 1, step: 1, min_step: 1}}", '( is no regular expression'),
        ('search.variables={alpha: {from: 0, to: 1, step: 1, min_step: 1}} search.cost_key=memoty', 'memoty; did you mean memory?'),
        ('search.variables={alpha: {from: 0, to: 1, step: 1, min_step: 1}} search.target_macs=3M', 'search.target_macs is for densities'),
        ('search.variables={alpha: {from: 0, to: 1, step: 1, min_step: 1}} train.optimizer=null', '`search` needs train.optimizer'),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_a_sentence(
    words: list[str], word: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    extra: list[Any] = re.split(r' (?=search\.|train\.)', word)
    assert main([*words, *extra, 'search']) == 2
    assert message in capsys.readouterr().err


def test_a_start_that_is_too_bad_is_told(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stepping._Search, '_tuned', lambda self: 0.2)
    assert main([*words, ALPHA, 'search.accuracy.baseline=1.0', 'search']) == 1
    assert 'with search.variables at `from`, training accuracy is 20.00 % already, below 70.00 %' in capsys.readouterr().err
