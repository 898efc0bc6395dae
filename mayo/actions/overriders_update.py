"""`overriders-update`: overriders find their masks, points and means anew. docs/overriders.md

./my MODEL.yaml models/override/dns.yaml DATASET.yaml system.checkpoint.load=NAME overriders-update eval
"""

import contextlib
import typing
from collections.abc import Collection, Iterable, Iterator

from mayo.actions.base import NETWORK, Product, Reads, Run, action
from mayo.util.errors import UserError
from mayo.util.schema import listed, named, number, record, text, whole

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.override import Overrider

OVERRIDDEN = listed(
    'overridden values',
    record(
        'of a layer',
        layer=text('its name'),
        target=text('what is overridden: weights, biases, activation, gradient/...'),
        overriders=listed('in their order', text('a class')),
        values=whole('how many, of an activation for one image'),
        bits=number('of each'),
        density=number('share of those that may differ from zero; null: nothing prunes', null=True),
        memory_bits=whole('of all that may differ from zero'),
        state=named('of the overriders', text('a value as tables show it')),
    ),
)


def chains(config: 'Config') -> Iterator[tuple[str, 'Overrider']]:
    """What is overridden in any layer, and by what."""
    from mayo.override import of_layer
    from mayo.session.spec import model_graph

    for node in model_graph(config):
        yield from of_layer(node.overriders, node.place).items()


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


@action(
    'overriders-update',
    place=220,
    needs=NETWORK,
    reads=reads,
    loads=True,
    makes=(),
    check=check,
    unasked='nothing',
    result=record('what is overridden, after the update', overriders=OVERRIDDEN),
)
def act(run: Run) -> None:
    """Find masks, points and means of overriders anew."""
    session = run.session
    from mayo.override import table
    from mayo.session import overriders

    run.evaluation = None
    rows = overriders.update(session)
    run.answer({'overriders': table.as_data(rows)}, table.render(rows))
