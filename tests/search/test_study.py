"""The search keeps to its goal, beats one density for all, goes on where it was, and keeps what is finished."""

import dataclasses
import pathlib
from typing import Any

import pytest

from mayo.search import Goal, Space, measure, search
from mayo.search.study import Plan
from mayo.util.errors import UserError

optuna = pytest.importorskip('optuna')
DENSITIES = [0.125, 0.25, 0.5, 0.75]


def run(space: Space, evaluate: Any, goal: Goal, trials: int = 12, tell: Any = lambda *news: None, **options: Any) -> Any:
    return search(space, Plan(goal, trials, **options), evaluate, lambda: measure(space, DENSITIES, evaluate), tell)


def test_at_equal_macs_it_beats_one_density_for_all_layers(space: Space, evaluate: Any) -> None:
    outcome = run(space, evaluate, Goal(target_macs=600))
    uniform = space.within(dict.fromkeys(space.channels, 1.0), 600)
    assert outcome.trials[0].keeps == uniform, 'the first trial'
    assert len(outcome.trials) == 12
    assert all(trial.macs == space.macs(trial.keeps) <= 600 for trial in outcome.trials)
    assert outcome.best.top1 > outcome.trials[0].top1 + 0.02
    assert outcome.best.top1 == max(trial.top1 for trial in outcome.trials)


def test_at_equal_time_it_beats_one_density_for_all_layers(space: Space, evaluate: Any) -> None:
    def ms(keeps: Any) -> float:
        return 0.5 + space.macs(keeps) / 1000

    timed = dataclasses.replace(space, time=ms)
    outcome = run(timed, evaluate, Goal(target_ms=1.1))
    assert outcome.trials[0].keeps == timed.within(dict.fromkeys(space.channels, 1.0), 1.1) is not None
    assert all(trial.ms == ms(trial.keeps) <= 1.1 for trial in outcome.trials)
    assert outcome.best.top1 > outcome.trials[0].top1 + 0.02
    with pytest.raises(
        UserError, match=r'^search\.target_ms is 0\.4, but .* an image takes 0\.505 ms; expected that or more\.$'
    ):
        run(timed, evaluate, Goal(target_ms=0.4))


def test_a_drop_buys_the_fewest_macs(space: Space, evaluate: Any) -> None:
    outcome = run(space, evaluate, Goal(max_drop=0.01), trials=20)
    configured = space.macs(space.configured)
    assert outcome.sensitivity.top1 == evaluate(space.configured).top1
    assert outcome.best.top1 >= outcome.sensitivity.top1 - 0.01
    assert outcome.best.macs < 0.8 * configured
    good = [trial.macs for trial in outcome.trials if trial.top1 >= outcome.sensitivity.top1 - 0.01]
    assert outcome.best.macs == min(good)


def test_where_no_trial_keeps_to_the_goal_there_is_no_best(space: Space, evaluate: Any) -> None:
    outcome = run(space, evaluate, Goal(target_macs=600), trials=1)
    assert outcome.best is not None
    worse = type(outcome)(Goal(target_macs=10), outcome.sensitivity, outcome.trials)
    assert worse.best is None


def test_the_same_seed_gives_the_same_trials(space: Space, evaluate: Any) -> None:
    first, second = (run(space, evaluate, Goal(target_macs=600), seed=3).trials for _ in range(2))
    assert first == second


def test_a_target_below_one_channel_each_is_told(space: Space, evaluate: Any) -> None:
    with pytest.raises(
        UserError,
        match=r'^search\.target_macs is 4, but with one active channel in each gated layer the '
        r'network executes 5 MACs; expected that or more\.$',
    ):
        run(space, evaluate, Goal(target_macs=4))


def test_a_storage_that_cannot_be_opened_is_told(space: Space, evaluate: Any, tmp_path: pathlib.Path) -> None:
    for url in ('nosuch://x', f'sqlite:///{tmp_path}/no/folder/search.db', 'search.db'):
        with pytest.raises(
            UserError,
            match=r"^search\.storage is '.*', which cannot be opened \(.+\); expected e\.g\. "
            r'sqlite:///search\.db\.$',
        ):
            run(space, evaluate, Goal(target_macs=600), storage=url)


def test_an_interrupted_search_keeps_its_trials_and_goes_on(space: Space, evaluate: Any, tmp_path: pathlib.Path) -> None:
    options = {'storage': f'sqlite:///{tmp_path}/search.db', 'name': 'a'}
    asked = []

    def interrupted(keeps: Any) -> Any:
        asked.append(keeps)
        if len(asked) == 1 + 3 * 4 + 3:  # the sensitivities, and the third trial
            raise KeyboardInterrupt
        return evaluate(keeps)

    before = run(space, interrupted, Goal(target_macs=600), trials=5, **options)
    assert (len(before.trials), before.interrupted) == (2, True)
    evaluate.asked.clear()
    after = run(space, evaluate, Goal(target_macs=600), trials=5, **options)
    assert after.trials[:2] == before.trials
    assert (len(after.trials), after.interrupted) == (5, False)
    assert len(evaluate.asked) == 3, 'neither the sensitivities nor the finished trials are measured again'
    evaluate.asked.clear()
    assert run(space, evaluate, Goal(target_macs=600), trials=5, **options).trials == after.trials
    assert evaluate.asked == [], 'all is done'
    other = run(space, evaluate, Goal(target_macs=600), trials=1, storage=options['storage'], name='b')
    assert len(other.trials) == 1, 'a study of another name does not count'
