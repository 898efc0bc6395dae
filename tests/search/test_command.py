"""`search` as a user types it, on a tiny network: the overlay that it writes gives what it found."""

import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from mayo.cli.main import main
from mayo.config import Config
from mayo.search import command
from mayo.search.space import Keeps
from mayo.search.times import Timing

pytest.importorskip('optuna')


@pytest.fixture
def tiny_yaml(config_of: Callable[..., Config], tmp_path: pathlib.Path) -> str:
    path = tmp_path / 'tiny.yaml'
    path.write_text(config_of(gated=True).to_yaml())
    return str(path)


def test_the_overlay_has_the_densities_that_were_found(
    tiny_yaml: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = tmp_path / 'found.yaml'
    assert (
        main(
            [
                tiny_yaml,
                'search.target_macs=4k',
                'search.trials=3',
                'search.images=20',
                'search.densities=[0.4]',
                f'search.path={overlay}',
                'search',
            ]
        )
        == 0
    )
    printed = capsys.readouterr()
    assert re.search(r'^found       top-1 [\d.]+ %, ([\d,]+) executed MACs; best of 3 trials$', printed.out, re.MULTILINE)
    assert re.search(r'^uniform     top-1 .*density 0\.\d+ in every layer$', printed.out, re.MULTILINE)
    assert 'trial 3 of 3: top-1' in printed.err
    executed = re.search(r'found .* ([\d,]+) executed', printed.out)[1]
    assert int(executed.replace(',', '')) <= 4000
    assert main([tiny_yaml, str(overlay), 'info']) == 0
    assert f'{executed} in compact execution' in capsys.readouterr().out


def by_formula(keeps: Keeps) -> Timing:
    """A machine on which nothing else ever runs: the test is of `search`, not of the machine that it runs on."""
    first, second = keeps['conv0'], keeps['conv1']
    own = {'conv0': 0.1 + 0.02 * first, 'conv1': 0.05 + 0.01 * first * second, 'logits': 0.001 * second}
    layers = {'drop': 0.0, 'pool': 0.0, **own}
    return Timing(layers, 0.2 + sum(layers.values()))


def test_a_time_is_a_goal_and_the_table_that_it_rests_on_is_told(
    tiny_yaml: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, 'native_clock', lambda *_: by_formula)
    words = ['search.target_ms=configured', 'search.trials=2', 'search.images=20', 'search.densities=[0.4]']
    assert main([tiny_yaml, *words, f'search.path={tmp_path}/found.yaml', 'search']) == 0
    printed = capsys.readouterr()
    assert re.search(
        r'^found       top-1 [\d.]+ %, [\d,]+ executed MACs, [\d.]+ ms; best of \d trials$', printed.out, re.MULTILINE
    )
    assert 'whole networks, predicted for measured ms: ' in printed.err
    assert 'is the machine busy' not in printed.err
    configured, searched = (
        re.search(rf'^{name} .* ([\d.]+) ms', printed.out, re.MULTILINE)[1] for name in ('configured', 'found')
    )
    assert float(searched) <= float(configured)
    assert re.search(r'search\.target_ms=0\.\d+\.$', (tmp_path / 'found.yaml').read_text(), re.MULTILINE)


def test_times_that_no_search_can_rest_on_are_told(
    tiny_yaml: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def disturbed(keeps: Keeps) -> Timing:
        timing = by_formula(keeps)
        slower = 9.0 if sum(keeps.values()) < 4 else 1.0
        return Timing({name: slower * own for name, own in timing.layers.items()}, slower * timing.whole)

    monkeypatch.setattr(command, 'native_clock', lambda *_: disturbed)
    words = ['search.target_ms=configured', 'search.trials=2', f'search.path={tmp_path}/found.yaml']
    assert main([tiny_yaml, *words, 'search']) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r'by the times above an image takes [\d.]+ ms with one active channel in each gated layer, but [\d.]+ ms as configured: '
        r'the machine was too busy, or the network is too small to be timed; run `search` again with nothing else running\.',
        told,
    ), told
    assert not (tmp_path / 'found.yaml').exists()


@pytest.mark.parametrize(
    'words, message',
    [
        (
            [],
            '`search` needs one of search.target_macs, search.target_ms, search.max_drop, but none is set; set e.g. '
            'search.target_macs=30M or search.max_drop=0.5%.',
        ),
        (
            ['search.target_macs=1M', 'search.max_drop=1%'],
            '`search` needs one of search.target_macs, search.target_ms, search.max_drop, but search.target_macs and '
            'search.max_drop are set; set e.g. search.target_macs=30M or search.max_drop=0.5%.',
        ),
        (
            ['search.target_macs=lots'],
            'command line: search.target_macs is lots, expected a number from 1 up, such as 30000000 or 30M.',
        ),
        (['search.max_drop=150%'], 'command line: search.max_drop is 150%, expected a share in [0, 1), such as 0.005 or 0.5%.'),
    ],
)
def test_a_goal_that_is_none_is_told_before_anything_runs(
    tiny_yaml: str, words: list[Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([tiny_yaml, *words, 'search']) == 2
    assert capsys.readouterr().err.strip() == message


@pytest.mark.parametrize(
    'name, message',
    [
        (
            'mine.yaml',
            'mine.yaml exists and was not written by `search`; name another file, search.path=PATH.yaml, or move it away.',
        ),
        (
            'mine.yaml/found.yaml',
            'mine.yaml cannot be written to: it is a file, not a folder; name another folder, search.path=PATH.',
        ),
    ],
)
def test_an_overlay_of_someone_else_is_not_replaced(
    tiny_yaml: str, tmp_path: pathlib.Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / 'mine.yaml'
    mine.write_text('_gate.density: 0.5\n')
    assert main([tiny_yaml, 'search.target_macs=4k', f'search.path={tmp_path}/{name}', 'search']) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f'{tmp_path}/{message}'
    assert mine.read_text() == '_gate.density: 0.5\n'
