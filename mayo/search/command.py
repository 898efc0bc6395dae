"""What `search` does with a session: it looks for densities, and writes what it found as an overlay."""

import logging
import math
import pathlib
import typing
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mayo.estimate import estimate
from mayo.net.gates import gates_of, widths_of
from mayo.search.overlay import overlay
from mayo.search.sensitivity import Sensitivity, measure
from mayo.search.space import Keeps, Space
from mayo.search.study import Goal, Outcome, Plan, Trial, search
from mayo.search.times import TOLERANCE, native_clock
from mayo.search.times import measure as measure_times
from mayo.session.spec import model_graph
from mayo.util.decimals import density_of
from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.files import require_ours, shown, whole_file
from mayo.util.format import count, percent, short, table

if typing.TYPE_CHECKING:
    from mayo.search.candidates import Candidates
    from mayo.session.base import Session

_log = logging.getLogger(__name__)
MARK = 'Densities that `search` found'  # in the first line of its files


@dataclass(frozen=True)
class Wanted:
    """What is searched for, and how long.

    goal: with infinite target_ms, so many as the network takes as configured.
    images: the first so many of those for validation; None: all. densities: at which each layer's sensitivity is measured.
    storage: URL by which a search goes on where it was; None: none. path: of the overlay.
    """

    goal: Goal
    images: int | None
    densities: Sequence[float]
    trials: int
    storage: str | None
    path: pathlib.Path


def searched(session: 'Session', wanted: Wanted) -> str:
    """The table of what was found, after its overlay is written. KeyboardInterrupt, after that too, if interrupted."""
    if missing(['optuna']):
        raise RunError(f'`search` needs optuna, which is not installed; {remedy("search")}')
    from mayo.search.candidates import Candidates

    require_ours(wanted.path, MARK, 'search', 'search.path')
    candidates = Candidates(session, wanted.images)
    space = _space(session, candidates, wanted.goal.target_ms is not None)
    if space.time is not None and wanted.goal.target_ms == math.inf:
        wanted = replace(wanted, goal=Goal(target_ms=_configured_goal(space)))
    plan = _plan(session, wanted, candidates)
    _log.info(
        'search on %s images of dataset.path.validate, as configured %s executed MACs',
        count(candidates.images),
        short(space.macs(space.configured)),
    )

    def sensitivities() -> Sensitivity:
        return measure(space, wanted.densities, candidates.evaluate, lambda line: _log.info('sensitivity: %s', line))

    result = search(space, plan, candidates.evaluate, sensitivities, lambda *news: _tell(plan, *news))
    if result.interrupted and plan.storage:
        _log.warning('interrupted: the %d finished trials are kept; the same words go on', len(result.trials))
    text = _concluded(session, wanted.path, space, result, candidates.images)
    if result.interrupted:
        print(text)
        raise KeyboardInterrupt
    return text


def _configured_goal(space: Space) -> float:
    """Milliseconds as configured, rounded up to six digits. RunError where the least that can be active seems to take longer."""
    least, configured = (space.price(keeps) for keeps in (space.least, space.configured))
    if least > configured:
        raise RunError(
            f'by the times above an image takes {least:.3g} ms with one active channel in each gated layer, but {configured:.3g} ms '
            'as configured: the machine was too busy, or the network is too small to be timed; run `search` again with nothing '
            'else running.'
        )
    rounded = float(f'{configured:.6g}')
    return rounded if rounded >= configured else float(f'{configured * (1 + 1e-5):.6g}')


def _space(session: 'Session', candidates: 'Candidates', by_time: bool) -> Space:
    def macs(keeps: Mapping[str, int]) -> int:
        return sum(cost.executed for cost in estimate(session.graph, session.input_shape, keeps))

    return Space(candidates.channels, candidates.configured, macs, _times(session, candidates) if by_time else None)


def _times(session: 'Session', candidates: 'Candidates') -> Callable[[Keeps], float]:
    """Milliseconds of a choice, told after they were measured. RunError where the native engine cannot run the network."""
    weights = {name: np.asarray(value, np.float32) for name, value in session.network.effective_weights().items()}
    graph, shape, channels = session.graph, session.input_shape, candidates.channels
    try:
        times = measure_times(graph, shape, channels, native_clock(graph, shape, weights, channels))
    except ValueError as error:
        raise RunError(f'search.target_ms is of times in the native engine, which cannot run the network: {error}') from None
    _log.info('%s', times.render())
    if times.is_off:
        _log.warning(
            'the times of layers do not add up to those of whole networks within %s; is the machine busy? '
            'What is found may miss search.target_ms by as much.',
            percent(TOLERANCE, 0),
        )
    return times.ms


def _plan(session: 'Session', wanted: Wanted, candidates: 'Candidates') -> Plan:
    """The study's name says all that its trials depend on, so that no other search takes them for its own."""
    goal = wanted.goal
    weights = 0
    for name, variable in sorted(session.network.named_variables().items()):
        weights = zlib.crc32(np.asarray(variable, np.float32).tobytes(), zlib.crc32(name.encode(), weights))
    configured = zlib.crc32(repr(sorted(candidates.configured.items())).encode())
    data = zlib.crc32(repr(session.config.get('dataset.path.validate')).encode())
    name = (
        f'{session.model_name} {session.config.get("dataset.name")} {goal} images={candidates.images} '
        f'weights={weights:08x} densities={configured:08x} data={data:08x}'
    )
    return Plan(goal, wanted.trials, name, wanted.storage, session.config.get('system.seed'))


def _tell(plan: Plan, number: int, trial: Trial, outcome: Outcome) -> None:
    best = outcome.best
    so_far = f'best {_scores(best)}' if best else 'none keeps to the goal yet'
    _log.info('trial %d of %d: %s; %s', number, plan.trials, _scores(trial), so_far)


def _scores(trial: Trial) -> str:
    return f'top-1 {percent(trial.top1)} at {short(trial.macs)}{_time(trial.ms)}'


def _time(ms: float | None) -> str:
    return '' if ms is None else f', {ms:.3g} ms'


def _concluded(session: 'Session', path: pathlib.Path, space: Space, outcome: Outcome, images: int) -> str:
    """Write the overlay of the best trial; the table for people."""
    best, start = outcome.best, outcome.sensitivity.top1
    if best is None:
        raise RunError(
            f'search: none of {len(outcome.trials)} trials keeps to search.{outcome.goal}; a larger target, or more '
            'search.trials, may help.'
        )
    densities = {name: density_of(best.keeps[name], channels) for name, channels in space.channels.items()}
    _write(session, path, densities, best, outcome, images)
    rows = [
        [name, str(channels), f'{space.configured[name] / channels:.4g}', f'{densities[name]:.4g}', f'{best.keeps[name]}']
        for name, channels in space.channels.items()
    ]
    lines = [table(['layer', 'channels', 'configured', 'found', 'active'], rows)]
    lines.append(
        f'configured  top-1 {percent(start)}, {count(space.macs(space.configured))} executed MACs{_configured_time(space)}'
    )
    uniform = _uniform(space, outcome)
    if uniform is not None:
        lines.append(f'uniform     {_figures(uniform)}, density {_density(space, uniform):.4g} in every layer')
    lines.append(f'found       {_figures(best)}; best of {len(outcome.trials)} trials')
    lines.append(f'on {count(images)} images; written: {shown(path)}')
    return '\n'.join(lines)


def _figures(trial: Trial) -> str:
    return f'top-1 {percent(trial.top1)}, {count(trial.macs)} executed MACs{_time(trial.ms)}'


def _configured_time(space: Space) -> str:
    return '' if space.time is None else _time(space.time(space.configured))


def _uniform(space: Space, outcome: Outcome) -> Trial | None:
    """The trial with one density for all layers, at the target."""
    target = outcome.goal.target
    keeps = None if target is None else space.within(dict.fromkeys(space.channels, 1.0), target)
    return next((trial for trial in outcome.trials if dict(trial.keeps) == keeps), None)


def _density(space: Space, trial: Trial) -> float:
    return sum(trial.keeps.values()) / sum(space.channels.values())


def _write(
    session: 'Session', path: pathlib.Path, densities: Mapping[str, float], best: Trial, outcome: Outcome, images: int
) -> None:
    """The overlay, after it is seen to give what was found. RunError where the model's YAML does not let it."""
    config = session.config
    load = config.get('system.checkpoint.load') or 'NAME'
    comments = [
        f'{MARK} for {session.model_name} on {config.get("dataset.name")}, search.{outcome.goal}.',
        f'{count(best.macs)} executed MACs{_time(best.ms)}; top-1 {percent(best.top1)} of the {count(images)} images of the search, where the '
        f'densities before reach {percent(outcome.sensitivity.top1)}.',
        f'  ./my MODEL.yaml DATASET.yaml {shown(path)} system.checkpoint.load={load} eval info',
    ]
    text = overlay(gates_of(session.graph), densities, comments)
    changed = config.copy()
    changed.merge_text(text, str(path))
    graph = model_graph(changed)
    gates, widths = gates_of(graph), widths_of(graph)
    wrong = [name for name, keep in best.keeps.items() if gates[name].kept(widths[name]) != keep]
    if wrong:
        raise RunError(
            f'search: an overlay cannot set the density of {", ".join(wrong)}, which the model takes from elsewhere.'
        )
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
