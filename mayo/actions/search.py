"""`search`: a density for each gated layer, by a target of MACs or of accuracy, as an overlay. docs/search.md

./my models/gate/NAME.yaml DATASET.yaml system.checkpoint.load=NAME search.target_macs=30M search
"""

import pathlib
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import VALIDATION, Product, Run, action
from mayo.util.format import amount, share
from mayo.util.kinds import ABOVE_ZERO, AMOUNT_OF_MACS, FRACTION, TEXT, YAML_FILE, each, is_number, or_null, when, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

GOALS = ('search.target_macs', 'search.target_ms', 'search.max_drop')
SHARE = when(
    'a share in [0, 1), such as 0.005 or 0.5%',
    lambda value: (is_number(value) or isinstance(value, str)) and 0 <= share(value) < 1,
)
SEARCH = Section(
    'search',
    'densities for each layer; one of the first three',
    Setting('target_macs', AMOUNT_OF_MACS, None, 'the best top-1 with executed MACs of at most so many: 30M'),
    Setting(
        'target_ms',
        ABOVE_ZERO,
        None,
        'the best top-1 with milliseconds of one image of at most so many, in the native engine on this machine',
    ),
    Setting(
        'max_drop', SHARE, None, 'the fewest executed MACs with top-1 at most so far below the network as configured: 0.5%'
    ),
    Setting('images', or_null(whole(1)), 2000, 'of dataset.path.validate, the first so many; null: all'),
    Setting('densities', each(FRACTION), [0.125, 0.25, 0.375, 0.5, 0.75], "at which each layer's sensitivity is measured"),
    Setting('trials', whole(1), 60, 'choices that are tried'),
    Setting(
        'storage',
        TEXT,
        None,
        'sqlite:///FILE or another URL as SQLAlchemy takes it, to resume, and for many machines; null: none',
    ),
    Setting('path', YAML_FILE, None, 'overlay that is written; null: MODEL-DATASET-densities.yaml'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """A search needs one goal."""
    chosen = [key for key in GOALS if config.get(key) is not None]
    if len(chosen) != 1:
        state = f'{", ".join(chosen[:-1])} and {chosen[-1]} are set' if chosen else 'none is set'
        yield f'`search` needs one of {", ".join(GOALS)}, but {state}; set e.g. search.target_macs=30M or search.max_drop=0.5%.'


@action(
    'search',
    needs=VALIDATION,
    reads=('validate',),
    loads=True,
    makes=(),
    settings=(SEARCH,),
    check=check,
    gated=True,
    unasked='nothing',
)
def act(run: Run) -> None:
    """Densities of each layer, by target MACs, time or accuracy."""
    session = run.session
    from mayo.search import Goal
    from mayo.search.command import Wanted, searched

    settings = run.config.get('search')
    target, drop = settings['target_macs'], settings['max_drop']
    goal = Goal(None if target is None else amount(target), None if drop is None else share(drop), settings['target_ms'])
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
