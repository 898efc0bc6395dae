"""The stages that make the results, and what runs them: what is done is skipped, what was interrupted goes on."""

import dataclasses
import importlib
import json
import pathlib
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mayo.actions import actions, checks
from mayo.checkpoint import history
from mayo.cli.main import main as my
from mayo.cli.words import plan
from mayo.session.own_images import completed
from mayo.util.files import alone

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAINING = ('reset-num-epochs', 'train', 'save')


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module('benchmarks.reproduce')


@pytest.fixture
def stages(reproduce: Any, config_of: Callable[..., Any], tmp_path: pathlib.Path) -> list[Any]:
    """A dense network of two epochs, gates in it, and a file made of the record of both."""
    checkpoints = '{folder}/checkpoints/tiny/pictures'
    files = []
    for gated in (False, True):
        files.append(str(tmp_path / f'tiny{gated:d}.yaml'))
        text = config_of('~system.checkpoint.path', gated=gated).to_yaml()
        pathlib.Path(files[-1]).write_text(text)
    gates = (files[1], 'train.max_epochs=1', 'system.checkpoint.load=dense', 'system.checkpoint.save=gates', *TRAINING)
    return [
        reproduce.Stage('dense', (files[0], 'system.checkpoint.save=dense', *TRAINING), (f'{checkpoints}/dense',), 0.1),
        reproduce.Stage('gates', gates, (f'{checkpoints}/gates',), 0.2, ('dense',)),
        reproduce.Stage(
            'page',
            ('-m', 'json.tool', '{folder}/seed0/records/gates.json', '{folder}/page.json'),
            ('{folder}/page.json',),
            0,
            ('gates',),
            each_seed=False,
        ),
    ]


@pytest.fixture
def run(reproduce: Any, stages: list[Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(*arguments): the exit status. What ./my is told runs in this process; `.told` lists the words."""

    class Runner:
        def __init__(self) -> None:
            self.stages = stages
            self.told: list[list[str]] = []

        def __call__(self, *arguments: str) -> int:
            self.told.clear()
            return reproduce.main(['--folder', str(tmp_path / 'results'), *arguments], self.stages)

        def execute(self, words: Sequence[str]) -> int:
            self.told.append(list(words))
            return my(words[4:]) if 'mayo.cli' in words else execute(words)

    execute, runner = reproduce.execute, Runner()
    monkeypatch.setattr(reproduce, 'execute', runner.execute)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)  # which the workers of the tests want for themselves
    return runner


def epochs(folder: pathlib.Path, name: str) -> list[float]:
    return [line['epoch'] for line in history.read(history.path_of(folder / 'checkpoints/tiny/pictures', name))]


def test_every_stage_runs_once_after_those_it_needs_and_a_second_time_none(
    run: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert len(run.told) == 3
    folder = tmp_path / 'results' / 'seed0'
    assert epochs(folder, 'dense') == [1, 2]
    assert json.loads((tmp_path / 'results/page.json').read_text())['words'][0].endswith('tiny1.yaml')
    assert run() == 0
    assert run.told == []
    assert [line.partition(':')[0] for line in capsys.readouterr().out.splitlines() if 'done before' in line] == [
        'dense, seed 0',
        'gates, seed 0',
        'page',
    ]
    assert run('--list') == 0
    listed = capsys.readouterr().out
    assert listed.count(' done ') == 3
    assert '0.3 hours expected on two cores, of which 0.0 are left' in listed


def test_an_interrupted_training_goes_on_in_the_epoch_where_it_was(
    run: Any, reproduce: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_after_an_epoch(words: Sequence[str]) -> int:
        my([*words[4 : words.index('train')], 'train.max_epochs=1', 'train'])
        return 130

    with monkeypatch.context() as patch:
        patch.setattr(reproduce, 'execute', stop_after_an_epoch)
        assert run('--only', 'dense') == 130
    assert 'the same command goes on from here' in capsys.readouterr().err
    assert run('--list') == 0
    assert ' begun ' in capsys.readouterr().out
    assert run('--only', 'dense') == 0
    (words,) = run.told
    assert words[-3:] == ['system.checkpoint.load=latest', 'train', 'save']
    assert epochs(tmp_path / 'results/seed0', 'dense') == [1, 2]


def test_other_words_make_a_stage_anew_with_all_that_needs_it(run: Any, tmp_path: pathlib.Path) -> None:
    def states() -> list[str]:
        return [work.state() for work in works(run, folder=tmp_path)]

    for work in works(run, folder=tmp_path):
        assert work.state() == 'to do'
        work.write(1.5, is_done=True)
        assert work.state() == 'to do'  # as nothing is there that it makes
        for path in work.products:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(path.suffix or '.index').touch()
    assert states() == ['done'] * 3
    run.stages[1] = dataclasses.replace(run.stages[1], words=('train.weight_decay=0.1', *run.stages[1].words))
    assert states() == ['done', 'to do', 'to do']
    run.stages[0] = dataclasses.replace(run.stages[0], hours=5)
    assert states() == ['done', 'to do', 'to do']


def works(run: Any, seeds: Sequence[int] = (0,), folder: pathlib.Path = pathlib.Path('results')) -> list[Any]:
    module = importlib.import_module('benchmarks.reproduce')
    return module.works(run.stages, seeds, folder)


def test_each_seed_has_a_folder_of_its_own_and_what_joins_them_comes_last(run: Any) -> None:
    every = works(run, (3, 5))
    assert [work.label for work in every] == ['dense, seed 3', 'gates, seed 3', 'dense, seed 5', 'gates, seed 5', 'page']
    assert {'system.seed=5', 'system.checkpoint.path=results/seed5/checkpoints'} <= set(every[2].words)
    assert [work.label for work in every[-1].before] == ['gates, seed 3', 'gates, seed 5']


def test_only_takes_what_a_stage_needs_along(run: Any, reproduce: Any) -> None:
    assert [work.stage.name for work in reproduce.chosen(works(run), ['gat*'])] == ['dense', 'gates']


def test_a_stage_that_does_not_make_what_it_says_has_failed(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run.stages = [dataclasses.replace(run.stages[2], needs=(), words=('-m', 'json.tool', '-h'))]
    assert run() == 1
    assert 'page did not make' in capsys.readouterr().err
    assert works(run)[0].state() != 'done'


def test_a_name_of_no_stage_missing_images_and_a_second_process_are_told(
    run: Any, reproduce: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run('--only', 'gatse', 'nothing') == 2
    assert '--only gatse: no stage has that name; did you mean gates?' in (text := capsys.readouterr().err)
    assert '--only nothing: no stage has that name.' in text
    with alone(tmp_path / 'results' / '.reproduce.lock'):
        assert run() == 2
    assert 'another process makes the results there' in capsys.readouterr().err
    run.stages = [dataclasses.replace(run.stages[0], words=('datasets/cifar10_holdout.yaml', *run.stages[0].words))]
    monkeypatch.setattr(reproduce.glob, 'glob', lambda _: [])
    assert run() == 2
    assert capsys.readouterr().err == (
        'datasets/cifar10_holdout.yaml: there is no datasets/cifar10/train-0000[0-8]-of-00010.tfrecord, '
        'datasets/cifar10/train-00009-of-00010.tfrecord; prepare the images first: ./my datasets/cifar10.yaml prepare\n'
    )


def test_an_interrupt_is_passed_on_once_and_waited_for(reproduce: Any, tmp_path: pathlib.Path) -> None:
    script = f"""
import pathlib, time
try:
    pathlib.Path({str(tmp_path)!r}, 'begun').touch(); time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.2); pathlib.Path({str(tmp_path)!r}, 'saved').touch()
"""

    def interrupt() -> None:
        while not (tmp_path / 'begun').exists():
            threading.Event().wait(0.05)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        reproduce.execute([sys.executable, '-c', script])
    assert (tmp_path / 'saved').exists()


def test_every_stage_of_the_list_passes_the_check_of_the_line_once_those_before_are_done(
    reproduce: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    reproduce.write_toy(tmp_path / 'toy.tfrecord')
    for work in reproduce.works(reproduce.STAGES, [0], tmp_path, reproduce.toy_words(tmp_path)):
        assert set(work.stage.needs) == {other.stage.name for other in work.before}
        if work.words[0] == '-m':
            assert (ROOT / f'{work.words[1].replace(".", "/")}.py').is_file()
        else:
            plan(work.words, list(actions), checks.problems, completed)
        for path in work.products:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == '.yaml':
                model = f'_import: {ROOT}/models/cifarnet.yaml\nmodel.name: {path.stem}'
                path.write_text(model if path.parent.name == 'models' else 'model: {}')
            else:
                for suffix in ('index', 'data-00000-of-00001'):
                    shutil.copy(ROOT / f'checkpoints/cifarnet/cifar10/pretrained.{suffix}', f'{path}.{suffix}')
        assert work.missing() == []


@pytest.mark.faults
def test_the_whole_list_runs_on_a_few_images(reproduce: Any, tmp_path: pathlib.Path) -> None:
    assert reproduce.main(['--toy', '--folder', str(tmp_path)]) == 0


def test_every_row_is_of_a_stage_that_makes_its_checkpoint(reproduce: Any) -> None:
    recipe = importlib.import_module('benchmarks.recipe')
    stages = {stage.name: stage for stage in reproduce.STAGES}
    for row in recipe.ROWS:
        assert f'/{row.checkpoint}' in ' '.join(f'{path} ' for path in stages[row.stage].makes), row.label
    assert {row.stage for row in recipe.ROWS} <= set(stages['rows'].needs)


def test_a_row_tells_the_mean_and_the_spread_over_seeds(reproduce: Any) -> None:
    rows, recipe = importlib.import_module('benchmarks.rows'), importlib.import_module('benchmarks.recipe')
    records = [
        {'top1': {'held out': 0.90, 'test': 0.89}, 'executed': 44_000_000, 'turnover': 0.05},
        {'top1': {'held out': 0.92, 'test': 0.89}, 'executed': 46_000_000, 'turnover': 0.07},
    ]
    text = rows.page({row.label: records for row in recipe.ROWS}, ['seed0', 'seed1'])
    assert '| dense | 91.00 % ± 1.41 | 89.00 % ± 0.00 | 45.0M | 0.060 | dense |' in text.splitlines()
    assert len(text.splitlines()) == 4 + len(recipe.ROWS)
