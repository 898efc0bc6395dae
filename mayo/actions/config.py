"""`config`: the merged configuration, and who set what in it."""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import Product, Run, action
from mayo.util.kinds import FLAG
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

CONFIG = Section(
    'config', 'what `config` prints', Setting('origin', FLAG, False, 'also print which file:line or word set each value')
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """A reference to what is not there; the search itself raises it."""
    config.to_dict()
    return ()


@action('config', place=20, needs=(), reads=(), loads=False, makes=(), settings=(CONFIG,), check=check)
def act(run: Run) -> None:
    """Print the configuration (config.origin=true: with origins)."""
    print(run.config.to_yaml(origin=run.config.get('config.origin')), end='')
