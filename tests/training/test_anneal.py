"""`anneal`: stages one after another, stopped and taken up again, and refused where they would mix."""

import json
import logging
import os
import pathlib
import signal
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mayo.checkpoint import bundle
from mayo.config import Config
from mayo.session.base import Session
from mayo.session.evaluate import Evaluation
from mayo.training import anneal as annealing
from mayo.training.anneal import Record, anneal
from mayo.training.step import Step
from mayo.util.errors import UserError

pytestmark = [
    pytest.mark.usefixtures('eager'),
    pytest.mark.filterwarnings('ignore:Even though the .tf.config'),  # tf.data keeps its functions, as it should
]
WORDS = ('train.anneal.densities=[1.0, 0.5]', 'train.anneal.epochs=1', 'train.validate=false')


@pytest.fixture
def start(config_of: Callable[..., Config]) -> Callable[..., Session]:
    """start(*words): a session of the gated network, whose first stage starts from the dense one."""
    dense = Session(config_of())
    dense.load(fresh=True)
    for name, variable in dense.named().items():
        if name.endswith('gamma'):
            variable.assign(np.linspace(0.5, 1.5, variable.shape[0]))  # fresh ones are equal, and saliencies that tie lose
    dense.save('dense')

    def make(*words: str) -> Session:
        return Session(config_of('system.checkpoint.load=dense', *WORDS, *words, gated=True))

    return make


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stages that train nothing and find what `quick` lists: top-1 of each, in turn."""
    accuracies: list[Any] = []
    monkeypatch.setattr(annealing, 'Trainer', lambda session, first_epoch: types.SimpleNamespace(run=lambda: None))
    monkeypatch.setattr(
        annealing,
        'evaluate',
        lambda session, execution: Evaluation(accuracies.pop(0), 1.0, 0.5, 50, 100.0, {'conv0': session.density}, {}),
    )
    return accuracies


def weights(session: Any, name: str) -> dict[Any, Any]:
    return {key: value for key, value in bundle.read(session.store.folder / name).items() if key.startswith('tiny/')}


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: Any, how: Any) -> None:
    """As soon as step number `steps` is done: `how()`."""
    take, taken = Step.__call__, []

    def take_and_stop(self: Any, *args: Any) -> None:
        take(self, *args)
        taken.append(1)
        if len(taken) == steps:
            how()

    monkeypatch.setattr(Step, '__call__', take_and_stop)


def test_each_stage_goes_on_from_the_one_before_at_a_lower_density(
    start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, saved, delete = start('train.anneal.gate_epochs=1'), {}, bundle.delete
    seen, take = [], Step.__call__

    def note(self: Any, images: Any, labels: Any, rate: Any) -> None:
        take(self, images, labels, rate)
        seen.append((float(np.sum(images)), rate))

    monkeypatch.setattr(Step, '__call__', note)

    def keep_then_delete(prefix: Any) -> None:
        if prefix.name in session.store.names():
            saved[prefix.name] = weights(session, prefix.name)
        delete(prefix)

    monkeypatch.setattr(annealing.bundle, 'delete', keep_then_delete)
    record, last = anneal(session)
    assert [stage['name'] for stage in record.stages] == ['gate100-gates', 'gate100', 'gate50-gates', 'gate50']
    assert [stage['measured_density'] for stage in record.evaluated] == [1.0, 0.5]
    assert session.store.names() == ['dense', 'gate50', 'gate100']
    assert session.store.latest() == 'gate50'
    tensors = bundle.read(session.store.folder / 'gate50')
    assert not any(name.startswith('mayo/training') for name in tensors)
    for name, value in weights(session, 'gate50').items():
        np.testing.assert_array_equal(last.named()[name].numpy(), value)
    assert last.network.graph['conv0'].params.gate.density == 0.5
    before, gates, after = weights(session, 'gate100'), saved['gate50-gates'], weights(session, 'gate50')
    moved = {name for name in before if 'moving' not in name and not np.array_equal(gates[name], before[name])}
    assert moved == {name for name in before if '/gate/' in name}  # at first the gates alone
    assert not np.array_equal(after['tiny/conv0/weights'], before['tiny/conv0/weights'])
    firsts = seen[::6]
    assert len({pixels for pixels, _ in firsts}) == 4  # each epoch has an order of its own
    assert [rate for _, rate in firsts] == [pytest.approx(0.004)] * 4  # and each stage starts its schedule again


class Killed(BaseException):
    """What SIGKILL is to a process: nothing more is done."""


def kill() -> None:
    raise Killed


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_is_stopped_and_killed_goes_on_where_it_was(
    start: Callable[..., Session], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    words = ('train.average=0.9', 'train.anneal.epochs=2')
    whole, _ = anneal(start(*words, 'system.checkpoint.save=whole'))
    for how, error, steps in [(interrupt, KeyboardInterrupt, 3), (kill, Killed, 17)]:  # in the first, in the second stage
        with monkeypatch.context() as patch:
            stop_after(patch, steps, how)
            with pytest.raises(error):
                anneal(start(*words, 'system.checkpoint.save=part'))
    with caplog.at_level(logging.INFO, 'mayo'):
        session = start(*words, 'system.checkpoint.save=part')
        part, _ = anneal(session)
    assert 'going on after 1 of 2 stages' in caplog.text
    assert 'stage 2 of 2, part50: density 0.5, 2 epochs, from part50-epoch-1' in caplog.text
    assert 'going on at epoch 1' in caplog.text
    for ours, theirs in zip(part.stages, whole.stages, strict=True):
        expected = weights(session, theirs['name'])
        for name, value in weights(session, ours['name']).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_run_that_is_done_prints_its_table_again(
    start: Callable[..., Session], quick: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    quick += [0.9, 0.8]
    anneal(start())
    with caplog.at_level(logging.INFO, 'mayo'):
        record, last = anneal(start())
    assert 'nothing to anneal: all 2 stages are done; anneal.restart=true begins again' in caplog.text
    assert [line.split()[:4] for line in record.render().splitlines()[2:]] == [
        ['gate100', '1', '1', '90.00'],
        ['gate50', '0.5', '1', '80.00'],
    ]
    assert last.density == 0.5


def test_a_run_stops_below_the_accuracy_that_is_asked_for(start: Callable[..., Session], quick: list[Any]) -> None:
    words = ('train.anneal.densities=[1.0, 0.6, 0.3]',)
    quick += [0.9, 0.8, 0.85]
    record, last = anneal(start(*words, 'anneal.until_top1=0.95'))
    assert [stage['name'] for stage in record.stages] == ['gate100']
    assert record.render(0.95).endswith('\nno density keeps top-1 95.00 %')
    assert last.density == 1.0
    record, last = anneal(start(*words, 'anneal.until_top1=0.82'))
    assert [stage['name'] for stage in record.stages] == ['gate100', 'gate60']
    assert last.density == 0.6
    record, _ = anneal(start(*words))
    assert [stage['top1'] for stage in record.stages] == [0.9, 0.8, 0.85]


def test_the_lowest_density_that_keeps_the_accuracy_is_told(tmp_path: pathlib.Path) -> None:
    figures = {'epochs': 1, 'top5': 1.0, 'measured_density': 0.5, 'dense': 1000, 'macs': 700, 'executed': 600}
    stages = [
        {'name': f'gate{100 * density:g}', 'density': density, 'top1': top1, **figures}
        for density, top1 in [(1.0, 0.92), (0.7, 0.91), (0.5, 0.89), (0.3, 0.92)]
    ]
    text = Record(tmp_path, {}, stages).render(0.905)
    assert text.endswith('\ndensity 0.7, gate70, is the lowest that keeps top-1 90.50 %')
    assert (
        'gate70          0.7       1  91.00 %  100.00 %    0.5000         -                  -  1,000   700       600' in text
    ), 'an older record'


@pytest.mark.parametrize(
    'width, headed',
    [
        (
            None,
            'checkpoint  density  epochs    top-1    top-5  measured  turnover  always/some/never        dense        macs    executed',
        ),
        (100, 'checkpoint  density  epochs    top-1    top-5  measured  turnover  dense   macs  executed'),
        (60, 'checkpoint  density  epochs    top-1  turnover   macs  executed'),
    ],
)
def test_the_table_fits_the_screen(tmp_path: pathlib.Path, width: int | None, headed: str) -> None:
    stage = {
        'name': 'gate50',
        'density': 0.5,
        'epochs': 1,
        'top1': 0.9054,
        'top5': 0.9975,
        'measured_density': 0.5,
        'turnover': 0.1,
        'shares': '0.30/0.30/0.40',
        'dense': 174_301_824,
        'macs': 57_905_472,
        'executed': 44_155_840,
    }
    assert Record(tmp_path, {}, [stage]).render(width=width).splitlines()[0] == headed


def test_other_settings_on_the_same_name_are_refused(
    start: Callable[..., Session], quick: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    quick += [0.9] * 4
    anneal(start())
    with pytest.raises(UserError) as error:
        anneal(start('train.learning_rate.learning_rate=0.5', 'train.anneal.epochs=2'))
    accuracies = str(error.value)
    assert '/gate-anneal.json: an `anneal` with other settings is there:\n' in accuracies
    assert '  train.learning_rate.learning_rate was 0.1, is 0.5\n' in accuracies
    assert '  gate100 was trained for 1 epochs, where gate100 for 2 is to be\n' in accuracies
    assert '\nanneal.restart=true begins again; system.checkpoint.save=NAME keeps ' in accuracies
    record, _ = anneal(start('train.learning_rate.learning_rate=0.5', 'anneal.restart=true'))
    assert len(record.stages) == 2
    assert 'gate100, gate50 will be replaced; system.checkpoint.save=NAME keeps them apart' in caplog.text


def test_a_broken_record_is_told(start: Callable[..., Session]) -> None:
    session = start()
    session.store.folder.joinpath('gate-anneal.json').write_text('{"stages": 3')
    with pytest.raises(UserError, match=r'gate-anneal\.json is no record of `anneal`, which would go on from it; anneal\.res'):
        anneal(session)


def test_the_record_is_json_that_says_everything(start: Callable[..., Session], quick: list[Any]) -> None:
    quick += [0.9, 0.8]
    session = start()
    anneal(session)
    value = json.loads(session.store.folder.joinpath('gate-anneal.json').read_text())
    assert value['stages'][1].keys() == {
        'name',
        'density',
        'epochs',
        'top1',
        'top5',
        'loss',
        'images',
        'measured_density',
        'turnover',
        'shares',
        'liveliness',
        'dense',
        'macs',
        'executed',
        'layers',
    }
    assert value['settings']['train']['learning_rate'] == {'type': 'one_cycle', 'learning_rate': 0.1}
    assert value['begun'] is None


def test_a_folder_that_takes_no_checkpoint_is_told_before_the_first_epoch(
    start: Callable[..., Session], tmp_path: pathlib.Path
) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(
        UserError,
        match=r'/file cannot be written to: it is a file, not a folder; name another folder, '
        r'system\.checkpoint\.path=PATH\.$',
    ):
        anneal(start(f'system.checkpoint.path={tmp_path}/file'))
