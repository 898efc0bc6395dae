"""`fit-gates` on the command line: gates foresee what matters, before any training."""

import pathlib
from collections.abc import Callable

import pytest

from mayo.cli.main import main
from mayo.config import Config
from mayo.session.base import Session


@pytest.fixture
def words(tmp_path: pathlib.Path, config_of: Callable[..., Config]) -> list[str]:
    """A tiny gated network with a dense checkpoint, as words of a line."""
    Session(config_of()).save('dense')
    file = tmp_path / 'tiny.yaml'
    file.write_text(config_of(gated=True).to_yaml(), encoding='utf-8')
    return [str(file), 'system.checkpoint.load=dense', 'fit.images=32']


def test_it_prints_how_well_gates_foresee_what_matters_and_what_follows_has_them(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [*words, 'model.layers.conv1.gate_params.policy=select', 'fit-gates', 'eval', 'system.checkpoint.save=fit', 'save']
        )
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['layer', 'channels', 'picked', 'agreement', 'of', 'fixed', 'channels']
    rows = [line.split() for line in lines[2:4]]
    assert [row[:3] for row in rows] == [['conv0', '6', '3'], ['conv1', '6', '3']]
    assert all(0.0 <= float(share) <= 1.0 for row in rows for share in row[3:])
    assert lines[4].startswith('top-1 ')


def test_gates_that_have_learned_are_a_message(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, 'fit-gates', 'system.checkpoint.save=fit', 'save']) == 0
    assert main([*words, 'system.checkpoint.load=fit', 'fit-gates']) == 2
    told = capsys.readouterr().err
    assert 'the gate of conv0 is not fitted: it has learned already' in told
    assert '`fit-gates` found no gate to fit, for the reasons above.' in told
