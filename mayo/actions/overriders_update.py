"""`overriders-update`: overriders find their masks, points and means anew. docs/overriders.md

./my MODEL.yaml models/override/dns.yaml DATASET.yaml system.checkpoint.load=NAME overriders-update eval
"""

import contextlib
import typing
from collections.abc import Collection, Iterable, Iterator

from mayo.actions.base import NETWORK, Product, Reads, Run, action
from mayo.util.errors import UserError

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.override import Overrider


def chains(config: 'Config') -> Iterator[tuple[str, 'Overrider']]:
    """What is overridden in any layer, and by what."""
    from mayo.override import of_layer
    from mayo.session.spec import model_graph

    for node in model_graph(config):
        yield from of_layer(node.overriders, str(node)).items()


def reads(config: 'Config') -> Iterator[Reads]:
    """Training images, where activations or gradients have a state to find."""
    from mayo.override.parse import VARIABLES

    with contextlib.suppress(UserError):  # which the check of the model tells
        if any(target not in VARIABLES and chain.learns_from_values() for target, chain in chains(config)):
            yield 'train'


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """A model without overriders."""
    if not any(True for _ in chains(config)):
        yield (
            f'{config.origin("model.layers")}: no layer of {config.get("model.name")} has an `overrider`; '
            'docs/overriders.md shows how to add them, models/override/ has some.'
        )


@action('overriders-update', place=220, needs=NETWORK, reads=reads, loads=True, makes=(), check=check, unasked='nothing')
def act(run: Run) -> None:
    """Find masks, points and means of overriders anew."""
    session = run.session
    from mayo.override import table
    from mayo.session import overriders

    run.evaluation = None
    print(table.render(overriders.update(session)))
