"""`config`: the merged configuration, and who set what in it."""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import Product, Run, action
from mayo.util.kinds import FLAG
from mayo.util.schema import anything, named, record, text
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

CONFIG = Section(
    'config', 'what `config` prints', Setting('origin', FLAG, False, 'also print which file:line or word set each value')
)

RESULT = record(
    'the merged configuration',
    optional=('origins',),
    values=named('every setting, nested as in YAML', anything('a value')),
    origins=named('with config.origin, by whole key', text('which file:line or word set the value')),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """A reference to what is not there; the search itself raises it."""
    config.to_dict()
    return ()


@action('config', place=20, needs=(), reads=(), loads=False, makes=(), settings=(CONFIG,), check=check, result=RESULT)
def act(run: Run) -> None:
    """Print the configuration (config.origin=true: with origins)."""
    origin = run.config.get('config.origin')
    data = {'values': run.config.to_dict()} | ({'origins': run.config.origins()} if origin else {})
    run.answer(data, run.config.to_yaml(origin=origin))
