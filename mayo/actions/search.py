"""`search`: a density for each gated layer, by a target of MACs or of accuracy, as an overlay. docs/search.md

./my models/gate/NAME.yaml DATASET.yaml system.checkpoint.load=NAME search.target_macs=30M search

With search.variables it is the search of the original Mayo: numbers of overriders step to where accuracy ends.

./my MODEL.yaml OVERLAY.yaml DATASET.yaml TRAINER.yaml system.checkpoint.load=NAME search.variables={...} search
"""

import math
import pathlib
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import CHECKPOINTS, TRAINING_DATA, VALIDATION, Product, Reads, Run, action
from mayo.util.format import amount, share
from mayo.util.kinds import (
    ABOVE_ZERO,
    AMOUNT_OF_MACS,
    BELOW_ONE,
    FRACTION,
    MAPPING,
    TEXT,
    YAML_FILE,
    choice,
    each,
    is_number,
    or_null,
    when,
    whole,
)
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

CONFIGURED = 'configured'
GOALS = ('search.target_macs', 'search.target_ms', 'search.max_drop')
SHARE = when(
    'a share in [0, 1), such as 0.005 or 0.5%',
    lambda value: (is_number(value) or isinstance(value, str)) and 0 <= share(value) < 1,
)
MILLISECONDS = when('a number above 0, or `configured`', lambda value: value == CONFIGURED or (is_number(value) and value > 0))
SEARCH = Section(
    'search',
    'densities for each layer; one of the first three',
    Setting('target_macs', AMOUNT_OF_MACS, None, 'the best top-1 with executed MACs of at most so many: 30M'),
    Setting(
        'target_ms',
        MILLISECONDS,
        None,
        'the best top-1 with milliseconds of one image of at most so many, in the native engine on this machine; configured: '
        'as many as the network takes with its own densities',
    ),
    Setting(
        'max_drop', SHARE, None, 'the fewest executed MACs with top-1 at most so far below the network as configured: 0.5%'
    ),
    Setting('images', or_null(whole(1)), 2000, 'of dataset.path.validate, the first so many; null: all'),
    Setting(
        'densities', each(FRACTION, lone=True), [0.125, 0.25, 0.375, 0.5, 0.75], "at which each layer's sensitivity is measured"
    ),
    Setting('trials', whole(1), 60, 'choices that are tried'),
    Setting(
        'storage',
        TEXT,
        None,
        'sqlite:///FILE or another URL as SQLAlchemy takes it, to resume, and for many machines; null: none',
    ),
    Setting('path', YAML_FILE, None, 'overlay that is written; null: MODEL-DATASET-densities.yaml'),
    Setting(
        'variables',
        MAPPING,
        {},
        'instead of densities, numbers of overriders: REGEX: {from: , to: , step: , min_step: }, docs/overriders.md',
    ),
    Setting('mode', choice('global', 'priority'), 'global', 'of variables: all step at once, or those of the costliest layer'),
    Setting('cost_key', TEXT, 'memory', 'of priority: memory (bits as overridden), or a column of info such as macs'),
    Setting('max_steps', whole(1), None, 'of variables, after the first; null: to the end of the ranges'),
    Setting('max_epochs.profile', ABOVE_ZERO, 1.0, 'over which accuracy without overriders is measured'),
    Setting('max_epochs.fine_tune', ABOVE_ZERO, 1.0, 'of training after each step'),
    Setting('accuracy.baseline', FRACTION, None, 'training accuracy without overriders; null: it is measured'),
    Setting('accuracy.tolerance', BELOW_ONE, 0.01, 'share of the baseline that a step may lose'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """A search needs one goal."""
    if has_variables(config):
        yield from _variables_problems(config)
        return
    chosen = [key for key in GOALS if config.get(key) is not None]
    if len(chosen) != 1:
        state = f'{", ".join(chosen[:-1])} and {chosen[-1]} are set' if chosen else 'none is set'
        yield f'`search` needs one of {", ".join(GOALS)}, but {state}; set e.g. search.target_macs=30M or search.max_drop=0.5%.'


def has_variables(config: 'Config') -> bool:
    """Whether numbers of overriders are searched, not densities."""
    return bool(config.get('search.variables'))


def _variables_problems(config: 'Config') -> Iterator[str]:
    from mayo.training.ranges import plan_of

    for key in GOALS:
        if config.get(key) is not None:
            yield f'{config.origin(key)}: {key} is for densities, and search.variables for numbers of overriders; keep one of them.'
    plan_of(config)


def needs(config: 'Config') -> tuple[str, ...]:
    """A trainer, where it fine-tunes."""
    return (*TRAINING_DATA, 'train.optimizer', 'train.learning_rate') if has_variables(config) else VALIDATION


def reads(config: 'Config') -> tuple[Reads, ...]:
    """The images of either search."""
    return ('train',) if has_variables(config) else ('validate',)


@action(
    'search',
    place=190,
    needs=needs,
    reads=reads,
    loads=True,
    makes=(CHECKPOINTS,),
    settings=(SEARCH,),
    check=check,
    trains=has_variables,
    gated=lambda config: not has_variables(config),
    unasked='nothing',
)
def act(run: Run) -> None:
    """Densities of each layer, by target MACs, time or accuracy."""
    session = run.session
    if has_variables(run.config):
        from mayo.training.ranges import plan_of
        from mayo.training.stepping import stepped

        run.evaluation = None
        print(stepped(session, plan_of(run.config)))
        return
    from mayo.search import Goal
    from mayo.search.command import Wanted, searched

    settings = run.config.get('search')
    target, drop = settings['target_macs'], settings['max_drop']
    ms = settings['target_ms']
    goal = Goal(
        None if target is None else amount(target), None if drop is None else share(drop), math.inf if ms == CONFIGURED else ms
    )
    path = settings['path'] or f'{run.config.get("model.name")}-{run.config.get("dataset.name")}-densities.yaml'
    wanted = Wanted(
        goal,
        settings['images'],
        settings['densities'],
        settings['trials'],
        settings['storage'],
        pathlib.Path(path).expanduser(),
    )
    print(searched(session, wanted))
