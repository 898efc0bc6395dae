"""`mean`: the weights of several trainings of one network, averaged.

./my MODEL.yaml DATASET.yaml mean.checkpoints=[one, other] mean eval
"""

import pathlib
import typing
from collections.abc import Collection, Iterable, Mapping

from mayo.actions.base import CHECKPOINTS, NETWORK, Product, Run, action
from mayo.util.kinds import ABOVE_ZERO, Kind, when
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.session.base import Session

KEY = 'mean.checkpoints'


def _are_checkpoints(value: object) -> bool:
    if isinstance(value, Mapping) and not all(map(ABOVE_ZERO.fits, value.values())):
        return False
    return isinstance(value, list | Mapping) and len(value) > 1 and all(isinstance(name, str) and name for name in value)


SHARES: Kind = when('two names or more, [one, other], or a share above 0 for each, {one: 1, other: 3}', _are_checkpoints)
MEAN = Section(
    'mean',
    'weights that are averaged',
    Setting(
        'checkpoints',
        SHARES,
        None,
        'the weights of these, averaged: [one, other], or with a share for each {one: 1, other: 3}',
        remedy='name them before it, e.g. mean.checkpoints=[slim,tuned]',
    ),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Checkpoints that do not exist."""
    if CHECKPOINTS not in products:
        shares(config)
    return ()


@action('mean', place=170, needs=(*NETWORK, KEY), reads=(), loads=False, makes=(), settings=(MEAN,), check=check)
def mean(run: Run) -> None:
    """Average the weights of several checkpoints."""
    run.evaluation = None
    load_mean(run.session)


def load_mean(session: 'Session') -> None:
    """Give the network the mean of mean.checkpoints, as if one checkpoint held it; a later `save` writes it.

    UserError: a checkpoint that does not exist, or whose tensors are of other names or shapes than the first one's.
    """
    from mayo.checkpoint import bundle, names
    from mayo.checkpoint.mean import mean_of
    from mayo.util.files import shown

    prefixes = shares(session.config)
    tensors = {shown(prefix): names.adapt(bundle.read(prefix), shown(prefix)) for prefix in prefixes}
    total = sum(prefixes.values())
    listed = ', '.join(f'{name} ({share / total:.0%})' for name, share in zip(tensors, prefixes.values(), strict=True))
    session.load_tensors(mean_of(tensors, list(prefixes.values()), KEY), f'the mean of {listed}')


def shares(config: 'Config') -> dict[pathlib.Path, float]:
    """The bundles that mean.checkpoints names, and how much each counts. UserError: all that do not exist."""
    from mayo.session.stored import store_of

    given = config.get(KEY)
    named = given if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
    prefixes = store_of(config).resolve_all(named, config.get('system.checkpoint.save') or '', KEY)
    counted: dict[pathlib.Path, float] = {}
    for prefix, share in zip(prefixes, named.values(), strict=True):
        counted[prefix] = counted.get(prefix, 0.0) + share
    return counted
