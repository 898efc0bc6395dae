"""The search: Optuna proposes how the layers share the MACs, and every proposal is scored on real images.

    target_macs     the highest top-1 with executed MACs of at most so many
    max_drop        the fewest executed MACs with top-1 at most so far below the network as configured

A proposal is a share for each layer (and, for max_drop, a budget): densities in proportion to the shares, scaled up until the
MACs are used up, so that no trial is spent beside the target. First come one density for all layers and what the
sensitivities suggest; then Optuna's tree-structured Parzen estimator learns from the trials so far.
"""
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mayo.search.sensitivity import Score, Sensitivity
from mayo.search.space import Keeps, Space
from mayo.util.errors import UserError
from mayo.util.format import short

_LEAST_SHARE = 0.05
_BUDGET = 'macs'                    # the name of the budget among the shares, which no layer can have with its _
_SENSITIVITY = 'sensitivity'
_FRACTIONS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)        # of the configured MACs, where max_drop starts


@dataclass(frozen=True)
class Goal:
    """One of the two is set. max_drop: a fraction, 0.005 for half a point."""
    target_macs: int | None = None
    max_drop: float | None = None

    def __str__(self) -> str:
        if self.target_macs is not None:
            return f'target_macs={self.target_macs}'
        return f'max_drop={self.max_drop:g}'


@dataclass(frozen=True)
class Trial:
    """A choice and how it did."""
    keeps: Mapping[str, int]
    macs: int
    top1: float
    loss: float


@dataclass(frozen=True)
class Found:
    """What came of the search so far. best: None if no trial keeps to the goal."""
    goal: Goal
    sensitivity: Sensitivity
    trials: list[Trial] = field(default_factory=list)
    interrupted: bool = False

    @property
    def best(self) -> Trial | None:
        """The highest top-1, or the fewest MACs, among the trials that keep to the goal; lower loss decides between equals."""
        if self.goal.target_macs is not None:
            return max((one for one in self.trials if one.macs <= self.goal.target_macs),
                       key=lambda one: (one.top1, -one.loss), default=None)
        assert self.goal.max_drop is not None
        least = self.sensitivity.top1 - self.goal.max_drop - 1e-9
        return min((one for one in self.trials if one.top1 >= least), key=lambda one: (one.macs, one.loss), default=None)


@dataclass(frozen=True)
class Plan:
    """How to search. name: of the study in `storage`, an URL as SQLAlchemy takes it; None keeps it in memory."""
    goal: Goal
    trials: int
    name: str = 'search'
    storage: str | None = None
    seed: int = 0


def search(space: Space, plan: Plan, evaluate: Callable[[Keeps], Score], measure: Callable[[], Sensitivity],
           tell: Callable[[int, Trial, Found], None] = lambda number, trial, found: None) -> Found:
    """Try until the study has plan.trials finished trials, those of earlier runs and other machines included.

    measure: the sensitivities, asked for unless the study has them. tell: takes each new trial and all so far.
    After Ctrl-C, what is finished comes back, `interrupted`. Errors: UserError for a target that is too small or a storage that
    cannot be opened.
    """
    _check_target(space, plan.goal)
    study = _study(plan)
    sensitivity = _sensitivity(study, measure)
    found = Found(plan.goal, sensitivity, _finished(study))
    if not study.get_trials(deepcopy=False):
        for keeps in _first(space, plan.goal, sensitivity):
            study.enqueue_trial(_parameters(space, plan.goal, keeps))
    try:
        while len(found.trials) < plan.trials:
            trial = _try_one(study, space, plan.goal, evaluate, sensitivity)
            found = Found(plan.goal, sensitivity, _finished(study))
            tell(len(found.trials), trial, found)
    except KeyboardInterrupt:
        found = Found(plan.goal, sensitivity, _finished(study), interrupted=True)
    return found


def _check_target(space: Space, goal: Goal) -> None:
    least = space.macs(space.least)
    if goal.target_macs is not None and goal.target_macs < least:
        raise UserError(f'search.target_macs is {short(goal.target_macs)}, but with one active channel in each gated layer the '
                        f'network executes {short(least)} MACs; expected that or more.')


def _study(plan: Plan) -> Any:
    """Optuna's study, new or taken up."""
    import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    is_alone = plan.storage is None
    sampler = optuna.samplers.TPESampler(seed=plan.seed if is_alone else None, n_startup_trials=8)
    try:
        return optuna.create_study(storage=plan.storage, study_name=plan.name, sampler=sampler, load_if_exists=True,
                                   direction='maximize' if plan.goal.max_drop is None else 'minimize')
    except Exception as error:                      # a driver may raise anything: what it says is all there is to tell
        if is_alone:
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f'search.storage is {plan.storage!r}, which cannot be opened ({reason}); expected e.g. '
                        'sqlite:///search.db.') from error


def _sensitivity(study: Any, measure: Callable[[], Sensitivity]) -> Sensitivity:
    stored = study.user_attrs.get(_SENSITIVITY)
    if stored is not None:
        return Sensitivity(**stored)
    measured = measure()
    study.set_user_attr(_SENSITIVITY, asdict(measured))
    return measured


def _finished(study: Any) -> list[Trial]:
    from optuna.trial import TrialState
    return [Trial(**trial.user_attrs['trial']) for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])]


def _first(space: Space, goal: Goal, sensitivity: Sensitivity) -> Iterator[dict[str, int]]:
    """One density for all layers, and what the sensitivities suggest."""
    everything = dict.fromkeys(space.channels, 1.0)
    if goal.target_macs is not None:
        uniform = space.within(everything, goal.target_macs)
        configured = space.within(space.shares(space.configured), goal.target_macs)
        found = [uniform, configured, sensitivity.lean(space, goal.target_macs)]
    else:
        macs = space.macs(space.configured)
        found = [dict(space.configured)]
        for fraction in _FRACTIONS:
            found.append(sensitivity.lean(space, max(round(fraction * macs), space.macs(space.least))))
    seen = []
    for keeps in found:
        if keeps is not None and keeps not in seen:
            seen.append(keeps)
            yield keeps


def _parameters(space: Space, goal: Goal, keeps: Keeps) -> dict[str, float]:
    """The proposal that gives `keeps`, or nearly."""
    shares = {name: max(_LEAST_SHARE, share) for name, share in space.shares(keeps).items()}
    if goal.max_drop is None:
        return shares
    return {**shares, _BUDGET: min(1.0, space.macs(keeps) / space.macs(space.channels))}


def _try_one(study: Any, space: Space, goal: Goal, evaluate: Callable[[Keeps], Score], sensitivity: Sensitivity) -> Trial:
    from optuna.trial import TrialState
    trial = study.ask()
    try:
        shares = {name: trial.suggest_float(name, _LEAST_SHARE, 1.0) for name in space.channels}
        budget = goal.target_macs
        if budget is None:
            least, most = space.macs(space.least), space.macs(space.channels)
            budget = max(least, round(trial.suggest_float(_BUDGET, least / most, 1.0) * most))
        keeps = space.within(shares, budget) or space.least
        score = evaluate(keeps)
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)
        raise
    tried = Trial(keeps, space.macs(keeps), score.top1, score.loss)
    trial.set_user_attr('trial', asdict(tried))
    if goal.max_drop is not None:
        trial.set_constraint('top1', sensitivity.top1 - goal.max_drop - tried.top1)        # kept where it is 0 or less
    study.tell(trial, tried.top1 if goal.max_drop is None else float(tried.macs))
    return tried
