"""The record of a training: what a later process finds is what an earlier one did, and no more."""

import json
import pathlib
from typing import Any

import pytest

from mayo.checkpoint.history import History, path_of, read, runs
from mayo.estimate.liveliness import Liveliness


class Totals:
    """Means over images."""

    def __init__(self, loss: Any, top1: Any, images: Any, density: Any = None) -> None:
        self.loss, self.top1, self.images, self.density = loss, top1, images, density


class Result:
    """Of a validation."""

    loss, top1, top5 = 0.4, 0.8, 0.99
    mean_liveliness = Liveliness(turnover=0.1, always=0.2, sometimes=0.3, never=0.5)


def test_a_line_holds_means_over_the_images_of_its_epoch(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'training.jsonl'
    history = History(path, 0)
    history.add(Totals(2.0, 0.5, 30))
    history.add(Totals(1.0, 0.9, 10))
    history.add(Totals(9.0, 0.0, 0))
    history.write(1.0, 40, 0.1, Result())
    history.write(2.0, 80, 0.05)
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert first == pytest.approx(
        {
            'epoch': 1,
            'step': 40,
            'rate': 0.1,
            'loss': 1.75,
            'top1': 0.6,
            'validation_loss': 0.4,
            'validation_top1': 0.8,
            'validation_top5': 0.99,
            'turnover': 0.1,
            'always': 0.2,
            'sometimes': 0.3,
            'never': 0.5,
        }
    )
    assert second == {'epoch': 2, 'step': 80, 'rate': 0.05}


def test_what_came_after_the_checkpoint_that_a_run_goes_on_from_is_forgotten(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'training.jsonl'
    history = History(path, 0)
    for epoch in (1, 2, 3):
        history.write(epoch, epoch, 0.1)
    History(path, 2.0).write(3, 33, 0.1)
    assert [line['step'] for line in read(path)] == [1, 2, 33]
    History(path, 0).write(1, 11, 0.1)
    assert [line['step'] for line in read(path)] == [11], 'a new run begins a new record'


def test_a_damaged_line_is_left_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'x-training.jsonl'
    path.write_text('{"epoch": 1, "rate": 0.1}\nnot json\n[1]\n{"rate": 1}\n{"epoch": "a"}\n{"epoch": 2, "ra')
    assert read(path) == [{'epoch': 1, 'rate': 0.1}]


def test_records_are_found_by_the_names_of_their_runs(tmp_path: pathlib.Path) -> None:
    for run in ('', 'gate50'):
        History(path_of(tmp_path, run), 0).write(1, 1, 0.1)
    path_of(tmp_path, 'empty').write_text('')
    assert sorted(runs(tmp_path)) == ['', 'gate50']
