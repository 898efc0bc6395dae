"""The search: Optuna proposes how the layers share the MACs, and every proposal is scored on real images.

    target_macs     the highest top-1 with executed MACs of at most so many
    target_ms       the highest top-1 with milliseconds of an image of at most so many, as mayo/search/times.py tells them
    max_drop        the fewest executed MACs with top-1 at most so far below the network as configured

A proposal is a factor for each layer (and, for max_drop, a budget):

    density_l = min(1, scale share_l 2^factor_l)      factor in [-1/2, 1/2]

with the scale as large as the MACs allow, so that no trial misses the target. The shares lie halfway between one density
for all layers and what the sensitivities suggest; both are tried first, and steps between them; then Optuna's tree-structured
Parzen estimator learns from the trials so far.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mayo.search.sensitivity import Score, Sensitivity
from mayo.search.space import Keeps, Space
from mayo.util.errors import UserError
from mayo.util.format import short

_OCTAVES = 0.5  # up and down; of an octave in each of many layers, most choices are hopeless
_BUDGET = '_macs'  # the name of the budget among the factors; that of a layer does not start with _
_SENSITIVITY, _TRIAL, _KEEPS = 'sensitivity', 'trial', 'keeps'  # attributes of a study and of trials
_STEPS = (0.0, 1.0, 0.5, 0.25, 0.75)  # from one density for all, 0, to what the sensitivities suggest, 1
_FRACTIONS = (0.9, 0.8, 0.7, 0.6, 0.5)  # of the configured MACs, where max_drop starts


@dataclass(frozen=True)
class Goal:
    """One of the three is set. max_drop: a fraction, 0.005 for half a point."""

    target_macs: int | None = None
    max_drop: float | None = None
    target_ms: float | None = None

    @property
    def target(self) -> float | None:
        """The price that no choice may exceed; None where accuracy is the goal."""
        return self.target_macs if self.target_ms is None else self.target_ms

    def __str__(self) -> str:
        if self.target_macs is not None:
            return f'target_macs={self.target_macs}'
        if self.target_ms is not None:
            return f'target_ms={self.target_ms:g}'
        return f'max_drop={self.max_drop:g}'


@dataclass(frozen=True)
class Trial:
    """A choice and how it did."""

    keeps: Mapping[str, int]
    macs: int
    top1: float
    loss: float
    ms: float | None = None  # where the goal is a time

    @property
    def price(self) -> float:
        """Milliseconds, or else MACs."""
        return self.macs if self.ms is None else self.ms


@dataclass(frozen=True)
class Outcome:
    """What came of the search so far. best: None if no trial keeps to the goal."""

    goal: Goal
    sensitivity: Sensitivity
    trials: list[Trial] = field(default_factory=list)
    interrupted: bool = False

    @property
    def best(self) -> Trial | None:
        """The highest top-1, or the fewest MACs, among the trials that keep to the goal; lower loss decides between equals."""
        if self.goal.target is not None:
            return max(
                (trial for trial in self.trials if trial.price <= self.goal.target),
                key=lambda trial: (trial.top1, -trial.loss),
                default=None,
            )
        assert self.goal.max_drop is not None
        least = self.sensitivity.top1 - self.goal.max_drop - 1e-9
        return min(
            (trial for trial in self.trials if trial.top1 >= least), key=lambda trial: (trial.macs, trial.loss), default=None
        )


@dataclass(frozen=True)
class Plan:
    """How to search. name: of the study in `storage`, an URL as SQLAlchemy takes it; None keeps it in memory."""

    goal: Goal
    trials: int
    name: str = 'search'
    storage: str | None = None
    seed: int = 0


def search(
    space: Space,
    plan: Plan,
    evaluate: Callable[[Keeps], Score],
    measure: Callable[[], Sensitivity],
    tell: Callable[[int, Trial, Outcome], None] = lambda number, trial, outcome: None,
) -> Outcome:
    """Try until the study has plan.trials finished trials, those of earlier runs and other machines included.

    measure: the sensitivities, asked for unless the study has them. tell: takes each new trial and all so far.
    After Ctrl-C, what is finished comes back, `interrupted`. Errors: UserError for a target that is too small or a storage that
    cannot be opened.
    """
    _check_target(space, plan.goal)
    study = _study(plan)
    sensitivity = _sensitivity(study, measure)
    outcome = Outcome(plan.goal, sensitivity, _finished(study))
    proposals = _Proposals(space, plan.goal, sensitivity)
    if not study.get_trials(deepcopy=False):
        for parameters, keeps in proposals.first():
            study.enqueue_trial(parameters, user_attrs={_KEEPS: keeps})
    try:
        while len(outcome.trials) < plan.trials:
            trial = _try_one(study, proposals, evaluate)
            outcome = Outcome(plan.goal, sensitivity, _finished(study))
            tell(len(outcome.trials), trial, outcome)
    except KeyboardInterrupt:
        outcome = Outcome(plan.goal, sensitivity, _finished(study), interrupted=True)
    return outcome


def _check_target(space: Space, goal: Goal) -> None:
    least = space.macs(space.least)
    if goal.target_ms is not None and goal.target_ms < space.price(space.least):
        raise UserError(
            f'search.target_ms is {goal.target_ms:g}, but with one active channel in each gated layer an image takes '
            f'{space.price(space.least):.3g} ms; expected that or more.'
        )
    if goal.target_macs is not None and goal.target_macs < least:
        raise UserError(
            f'search.target_macs is {short(goal.target_macs)}, but with one active channel in each gated layer the '
            f'network executes {short(least)} MACs; expected that or more.'
        )


def _study(plan: Plan) -> Any:
    """Optuna's study, new or taken up."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_alone = plan.storage is None
    sampler = optuna.samplers.TPESampler(seed=plan.seed if is_alone else None, n_startup_trials=0)
    try:
        return optuna.create_study(
            storage=plan.storage,
            study_name=plan.name,
            sampler=sampler,
            load_if_exists=True,
            direction='maximize' if plan.goal.max_drop is None else 'minimize',
        )
    except Exception as error:  # a driver may raise anything: what it says is all there is to tell
        if is_alone:
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f'search.storage is {plan.storage!r}, which cannot be opened ({reason}); expected e.g. sqlite:///search.db.'
        ) from error


def _sensitivity(study: Any, measure: Callable[[], Sensitivity]) -> Sensitivity:
    stored = study.user_attrs.get(_SENSITIVITY)
    if stored is not None:
        return Sensitivity(**stored)
    measured = measure()
    study.set_user_attr(_SENSITIVITY, asdict(measured))
    return measured


def _finished(study: Any) -> list[Trial]:
    from optuna.trial import TrialState

    return [Trial(**trial.user_attrs[_TRIAL]) for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]


class _Proposals:
    """From the parameters that Optuna proposes to a choice."""

    def __init__(self, space: Space, goal: Goal, sensitivity: Sensitivity) -> None:
        self.space, self.goal, self.sensitivity = space, goal, sensitivity
        self.configured = space.macs(space.configured)
        self.most = space.macs(space.channels)
        self.usual = goal.target or round(_FRACTIONS[-1] * self.configured)
        self.lean = space.shares(sensitivity.lean(space, self.usual))
        self.shares = self.blend(0.5)

    def blend(self, step: float) -> dict[str, float]:
        """Shares between one density for all layers (0) and what the sensitivities suggest (1)."""
        return {name: share**step for name, share in self.lean.items()}

    def first(self) -> Iterator[tuple[dict[str, float], dict[str, int]]]:
        """Parameters and exact choices that are tried first."""
        tries: list[tuple[dict[str, float], float]]
        if self.goal.target is not None:
            tries = [(self.blend(step), self.goal.target) for step in _STEPS]
            tries.insert(1, (self.space.shares(self.space.configured), self.goal.target))
        else:
            tries = [(self.space.shares(self.space.configured), self.configured)]
            tries += [(self.shares, round(fraction * self.configured)) for fraction in _FRACTIONS]
        seen = []
        for shares, budget in tries:
            keeps = self.space.within(shares, budget)
            if keeps is not None and keeps not in seen:
                seen.append(keeps)
                yield self._parameters(shares, budget), keeps

    def _parameters(self, shares: Mapping[str, float], budget: float) -> dict[str, float]:
        """Those nearest to `shares`; scaling all of them alike changes nothing."""
        octaves = {name: math.log2(shares[name] / share) for name, share in self.shares.items()}
        middle = (min(octaves.values()) + max(octaves.values())) / 2
        parameters = {name: min(_OCTAVES, max(-_OCTAVES, octave - middle)) for name, octave in octaves.items()}
        return parameters if self.goal.max_drop is None else {**parameters, _BUDGET: budget / self.most}

    def choice(self, trial: Any) -> dict[str, int]:
        """What Optuna's `trial` proposes."""
        factors = {name: trial.suggest_float(name, -_OCTAVES, _OCTAVES) for name in self.space.channels}
        budget = self.goal.target
        if budget is None:
            least = self.space.macs(self.space.least)
            budget = max(least, round(trial.suggest_float(_BUDGET, least / self.most, 1.0) * self.most))
        shares = {name: share * 2 ** factors[name] for name, share in self.shares.items()}
        return trial.user_attrs.get(_KEEPS) or self.space.within(shares, budget) or self.space.least


def _try_one(study: Any, proposals: _Proposals, evaluate: Callable[[Keeps], Score]) -> Trial:
    from optuna.trial import TrialState

    trial, goal = study.ask(), proposals.goal
    try:
        keeps = proposals.choice(trial)
        score = evaluate(keeps)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    space = proposals.space
    tried = Trial(keeps, space.macs(keeps), score.top1, score.loss, None if space.time is None else space.time(keeps))
    trial.set_user_attr(_TRIAL, asdict(tried))
    if goal.max_drop is not None:
        trial.set_constraint('top1', proposals.sensitivity.top1 - goal.max_drop - tried.top1)  # kept where it is 0 or less
    study.tell(trial, tried.top1 if goal.max_drop is None else float(tried.macs))
    return tried
