"""Completion: what may stand where the cursor is, asked by the scripts in real bash, zsh and fish."""

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from mayo.actions import actions
from mayo.cli.completion import SCRIPTS, candidates
from mayo.cli.main import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
CIFAR = 'models/cifarnet.yaml datasets/cifar10.yaml'


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('my confi', ['config', 'config.']),
        ('my info eva', ['eval', 'eval-all', 'eval.']),
        ('my models/cifarnet.', ['models/cifarnet.yaml']),
        ('my mod', ['model.', 'models/']),
        ('my models/cifarnet.yaml train.ann', ['train.anneal.']),
        ('my train.anneal.f', ['train.anneal.final_epochs=', 'train.anneal.fit_images=', 'train.anneal.from=']),
        ('my info.format=', ['info.format=csv', 'info.format=json', 'info.format=table', 'info.format=yaml']),
        ('my train.validate=t', ['train.validate=true']),
        ('my export.formats=onnx,', [f'export.formats=onnx,{name}' for name in ('native', 'saved_model', 'tflite')]),
        ('my export.formats=[onnx,t', ['export.formats=[onnx,tflite']),
        ('my ~train.ave', ['~train.average']),
        ('my train.optimizer=keras.optimizers.S', ['train.optimizer=keras.optimizers.SGD']),
        ('my _gate.policy=n', ['_gate.policy=naive']),
        ('my models/gate/cifarnet.yaml _gate.d', ['_gate.density=']),
        (f'my {CIFAR} system.checkpoint.load=gate', [f'system.checkpoint.load=gate{density}' for density in (30, 50, 70)]),
        ('my models/cifarnet.yaml model.layers.conv0.k', ['model.layers.conv0.kernel_size=']),
        ('my models/nowhere.yaml model.layers.conv0.k', []),
        ('my --q', ['--quiet']),
        ('my version --f', ['--full']),
        ('my help train.ann', ['train.anneal.']),
        ('my completion ', ['bash', 'fish', 'zsh']),
        ('my nothing_is_called_so', []),
    ],
)
def test_a_word_goes_on(line: str, expected: list[str]) -> None:
    assert candidates(line) == expected


def test_every_action_is_offered() -> None:
    assert set(actions) < set(candidates('my '))


def test_own_files_and_folders_are_offered(here: pathlib.Path) -> None:
    (here / 'photos').mkdir()
    (here / 'own.yaml').touch()
    (here / 'own.txt').touch()
    assert candidates('my own') == ['own.yaml']
    assert candidates('my predict.files=ph') == ['predict.files=photos/']


def test_no_tensorflow_is_imported() -> None:
    program = (
        'import sys; from mayo.cli.main import main; '
        f'main(["completion", "words", "my {CIFAR} _gate.policy="]); '
        'sys.exit("tensorflow" in sys.modules)'
    )
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True, capture_output=True)


def test_a_shell_that_is_not_known_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['completion', 'bsh']) == 2
    assert capsys.readouterr().err == 'completion: bsh: expected one of bash, zsh, fish; did you mean bash?\n'


# In each shell, with its own variables for the line: what it would offer, a line each.
ASK: dict[str, Callable[[str], str]] = {
    'bash': lambda line: (
        f"""
        COMP_LINE='{line}' COMP_POINT={len(line)} COMP_WORDS=({line}) COMP_CWORD=1
        _my_complete; printf '%s\\n' "${{COMPREPLY[@]}}"; complete -p my"""
    ),
    'zsh': lambda line: (
        f"""
        compadd() {{ while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@" }}
        words=({line}); CURRENT=${{#words}}; _my_complete"""
    ),
    'fish': lambda line: f"complete -C '{line}'",
}


@pytest.mark.parametrize(
    ('line', 'expected', 'of_bash'),
    [
        ('my info.format=y', 'info.format=yaml', 'yaml'),
        ('my models/cifarnet.', 'models/cifarnet.yaml', 'models/cifarnet.yaml'),
        ('my system.checkpoint.keep', 'system.checkpoint.keep=', 'system.checkpoint.keep='),
    ],
)
@pytest.mark.parametrize('shell', SCRIPTS)
def test_a_shell_asks_and_offers(shell: str, line: str, expected: str, of_bash: str, here: pathlib.Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f'{shell} is not installed')
    (here / 'my').write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m mayo.cli "$@"\n')
    (here / 'my').chmod(0o755)
    script = here / 'script'
    script.write_text(SCRIPTS[shell])
    prelude = 'compdef() { :; }\n' if shell == 'zsh' else ''
    done = subprocess.run(
        [shell, '-c', f'{prelude}source {script}\n{ASK[shell](line)}'],
        env=os.environ | {'PATH': f'{here}:{os.environ["PATH"]}', 'HOME': str(here)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (of_bash if shell == 'bash' else expected) in done.stdout.splitlines(), done.stderr
