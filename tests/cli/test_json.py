"""`--json`: one document on standard output, as the actions declare, for every action and every mistake."""

import io
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import numpy as np
import PIL.Image
import pytest

from mayo.actions import action as declared
from mayo.actions import actions
from mayo.cli.main import main
from mayo.cli.schemas import answers, schema
from mayo.config import Config
from mayo.session.base import Session
from mayo.util.errors import RunError
from mayo.util.schema import number, plain, record

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.usefixtures('eager'), pytest.mark.filterwarnings('ignore:Even though the `tf.config:UserWarning')]
DENSE, GATED, FIXED = 'tiny.yaml', 'gated.yaml', 'fixed.yaml'
GATE50 = (GATED, 'system.checkpoint.load=gate50')
QUANTIZER = '{weights: {fixed: {type: mayo.override.FixedPointQuantizer, point: 2, width: 8}}}'

# action: the words of a line that carries it out
LINES: dict[str, tuple[str, ...]] = {
    'ls': ('ls',),
    'config': (DENSE, 'config.origin=true', 'config'),
    'check': (DENSE, 'check'),
    'prepare': ('idx.yaml', 'prepare'),
    'info': (GATED, 'info'),
    'train': (DENSE, 'train.max_epochs=1', 'train'),
    'anneal': (GATED, 'train.anneal.densities=[1.0,0.5]', 'train.anneal.epochs=1', 'system.checkpoint.load=dense', 'anneal'),
    'fit-gates': (GATED, 'system.checkpoint.load=dense', 'fit-gates'),
    'eval': (*GATE50, 'eval'),
    'eval-all': (GATED, 'eval-all'),
    'predict': (*GATE50, 'predict.files=photographs', 'predict.top=2', 'predict'),
    'slim': (DENSE, 'system.checkpoint.load=dense', 'slim.model=models/small.yaml', 'slim'),
    'bench': (
        GATED,
        'bench.engines=native',
        'bench.networks=dense',
        'bench.rounds=1',
        'bench.images=1',
        'bench.layers=true',
        'bench',
    ),
    'export': (*GATE50, 'export.formats=saved_model', 'export'),
    'plot': (*GATE50, 'plot.pictures=macs', 'plot'),
    'report': (*GATE50, 'report.time=false', 'report'),
    'import-weights': (DENSE, 'import.path=checkpoints/tiny/pictures/dense', 'system.checkpoint.save=theirs', 'import-weights'),
    'mean': (DENSE, 'mean.checkpoints=[dense,other]', 'mean'),
    'quantize': (*GATE50, 'quantize'),
    'search': (*GATE50, 'search.target_macs=6k', 'search.trials=2', 'search.densities=0.5', 'search'),
    'reset-num-epochs': (*GATE50, 'reset-num-epochs'),
    'save': (DENSE, 'system.checkpoint.load=dense', 'system.checkpoint.save=again', 'save'),
    'overriders-update': (FIXED, 'system.checkpoint.load=dense', 'overriders-update'),
    'overriders-reset': (FIXED, 'system.checkpoint.load=dense', 'overriders-reset'),
    'overriders-assign': (FIXED, 'system.checkpoint.load=dense', 'overriders-assign'),
    'overriders-dump': (FIXED, 'system.checkpoint.load=dense', 'overriders-dump'),
    'profile': (FIXED, 'system.checkpoint.load=dense', 'profile.parameters.samples=1', 'profile'),
    'profile-timeline': (DENSE, 'system.checkpoint.load=dense', 'timeline.steps=1', 'profile-timeline'),
    'test': (*GATE50, 'predict.files=photographs', 'test'),
    'version': ('version', '--full'),
}
BY_HAND = {'interact'}  # somebody has to type


@pytest.fixture
def folder(config_of: Callable[..., Config], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder: the tiny network dense, with gates and overridden, its checkpoints, and images."""
    monkeypatch.chdir(tmp_path)
    where = [f'system.checkpoint.path={tmp_path}/checkpoints', 'dataset.prepare.classes=[dark, grey, light]']
    for name, gated, words in (
        (DENSE, False, []),
        (GATED, True, []),
        (FIXED, False, [f'model.layers.conv1.overrider={QUANTIZER}']),
    ):
        pathlib.Path(name).write_text(config_of(*where, *words, gated=gated).to_yaml(), encoding='utf-8')
    return tmp_path


@pytest.fixture
def trained(folder: pathlib.Path, config_of: Callable[..., Config]) -> pathlib.Path:
    """With checkpoints `dense`, `other` and `gate50`, and images."""
    where = f'system.checkpoint.path={folder}/checkpoints'
    for seed, name in enumerate(('dense', 'other')):
        Session(config_of(where, f'system.seed={seed}')).save(name)
    Session(config_of(where, gated=True)).save('gate50')
    pathlib.Path('photographs').mkdir()
    PIL.Image.fromarray(np.full((8, 8), 100, np.uint8)).save('photographs/a.png')
    pathlib.Path('idx.yaml').write_text(
        '_import: tiny.yaml\ndataset: {path: {validate: null}, num_examples_per_epoch: {train: 96}, prepare: {type: idx}}\n'
    )
    return folder


def document(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    """What is on standard output, which is as it is declared."""
    assert main([*words, '--json']) == status
    value = json.loads(capsys.readouterr().out, parse_constant=lambda constant: pytest.fail(constant))
    jsonschema.validate(value, schema())
    assert value['status'] == status
    return value


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_action_has_a_line_here() -> None:
    assert set(LINES) | BY_HAND == set(actions)


@pytest.mark.parametrize('name', LINES)
def test_every_action_answers_as_it_declares(name: str, trained: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = document(capsys, *LINES[name])
    assert [result['action'] for result in value['results']] == [name]
    assert value['errors'] == []


def test_what_every_action_declares_is_told() -> None:
    undescribed = [
        name
        for name, answer in answers().items()
        for inner in _all(answer)
        if 'const' not in inner and not inner['description']
    ]
    assert undescribed == []


def _all(answer: Any) -> Iterator[Any]:
    yield answer
    for inner in (*answer.get('properties', {}).values(), answer.get('items'), answer.get('additionalProperties')):
        if isinstance(inner, dict):
            yield from _all(inner)


def test_several_actions_are_one_document(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = document(capsys, GATED, 'info', 'check', 'info')
    assert [result['action'] for result in value['results']] == ['info', 'check', 'info']
    assert value['results'][0]['result']['total']['dense'] > value['results'][0]['result']['total']['executed']


@pytest.mark.parametrize('words', [('help', 'train.average'), ('--help',), ('info', '--help'), ('--version',)])
def test_what_is_no_action_is_a_document_too(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert len(document(capsys, *words)['results']) == 1


def test_a_mistake_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    value = document(capsys, 'confg', 'models/lenet.yaml', 'info', status=2)
    assert value['errors'][0] == 'command line: unknown action `confg`; did you mean config?'
    assert len(value['errors']) > 1


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Enters an action `do` for the time of a test."""

    def enter(function: Callable[[Any], None]) -> None:
        def do(run: Any) -> None:
            """What the test says."""
            function(run)

        monkeypatch.setattr(actions, '_items', dict(actions._items))
        declared('do', needs=(), reads=(), loads=False, makes=(), result=record('x', a=number('y', null=True)))(do)

    return enter


@pytest.mark.parametrize(
    'error, status, told',
    [
        (RunError('the loss is not finite'), 1, 'the loss is not finite'),
        (OSError(28, 'No space left on device', 'runs/x'), 1, 'runs/x: No space left on device'),
        (KeyboardInterrupt(), 130, 'interrupted'),
    ],
)
def test_a_run_that_fails_tells_what_it_did_before(
    error: BaseException, status: int, told: str, action: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: Any) -> None:
        run.answer({'a': float('nan')}, 'text')
        raise error

    action(fail)
    value = document(capsys, 'do', status=status)
    assert value['results'][0]['result'] == {'a': None}
    assert value['errors'] == [told]


def test_a_defect_is_a_document_and_a_traceback(action: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(run: Any) -> None:
        raise TypeError('of ours')

    action(fail)
    with pytest.raises(TypeError, match='of ours'):
        main(['do', '--json'])
    value = json.loads(capsys.readouterr().out)
    assert (value['status'], value['errors']) == (1, ['TypeError: of ours'])


def test_whatever_else_is_printed_goes_to_standard_error(action: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def loud(run: Any) -> None:
        print('from Python')
        os.write(1 if sys.stdout is sys.__stdout__ else 2, b'from C\n')
        run.answer({'a': 1}, 'text')

    action(loud)
    assert main(['do', '--json']) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)['results'][0]['result'] == {'a': 1}
    assert 'from Python' in err


def test_what_libraries_write_to_descriptor_1_is_not_in_the_document(tmp_path: pathlib.Path) -> None:
    program = (
        'import os, sys; from mayo.cli.output import Output, wishes\n'
        'output = Output(wishes(["--json"]))\n'
        'with output.streams():\n    os.write(1, b"loud"); print("louder")\n'
        'output.finish(0)\n'
    )
    done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)['status'] == 0
    assert 'loud' in done.stderr
    assert 'louder' in done.stderr


def test_warnings_are_in_the_document(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = document(capsys, DENSE, 'info', 'system.seed=3')
    assert value['warnings'] == ['after the last action, so without effect: system.seed=3']


def test_quiet_leaves_warnings_alone(folder: pathlib.Path, action: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    from mayo.util.progress import Progress

    def tell(run: Any) -> None:
        logging.getLogger('mayo.x').info('a note')
        logging.getLogger('mayo.x').warning('a warning')
        with Progress('work', 2) as progress:
            progress.show(1)
        run.answer({'a': 1}, 'the answer')

    action(tell)
    assert main(['--quiet', 'do']) == 0
    assert capsys.readouterr() == ('the answer\n', 'a warning\n')
    assert main(['do']) == 0
    assert 'a note' in capsys.readouterr().err


def test_verbose_tells_when_and_where(action: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(run: Any) -> None:
        raise RunError('it failed')

    action(fail)
    assert main(['do', '--verbose']) == 1
    told = capsys.readouterr().err
    assert ' s  main: do begins' in told
    assert 'Traceback' in told
    assert told.endswith('it failed\n')


def test_plain_data_has_neither_tuples_nor_numbers_of_numpy() -> None:
    value = plain({'a': (np.float32(0.5), np.arange(2)), 'b': pathlib.Path('x'), 'c': float('inf'), 3: True})
    assert value == {'a': [0.5, [0, 1]], 'b': 'x', 'c': None, '3': True}
    json.dump(value, io.StringIO(), allow_nan=False)
