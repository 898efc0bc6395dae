"""`slim`: channels that matter least go for good: a smaller model YAML, its overlay with gates, and its weights. docs/slim.md

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME slim.density=0.6 slim
"""

import contextlib
import typing
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mayo.actions.base import NETWORK, Product, Reads, Run, action, width
from mayo.util.errors import UserError
from mayo.util.kinds import AMOUNT_OF_MACS, FLAG, FRACTION, YAML_FILE, Kind, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config


def _channels(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not value:
        raise ValueError
    return {name: whole(1).read(count) for name, count in value.items()}


CHANNELS = Kind('whole numbers from 1 up by layer, such as {conv0: 32, conv1: 48}', _channels)
SLIM = Section(
    'slim',
    'a smaller model',
    Setting(
        'density',
        FRACTION,
        0.5,
        'fraction of the channels with a batch-norm scale (or a gate) that stays, over the whole network',
    ),
    Setting(
        'target_macs', AMOUNT_OF_MACS, None, 'if set, drop until the network costs at most this, e.g. 30M, whatever the density'
    ),
    Setting('channels', CHANNELS, None, 'if set, so many of each layer named, whatever the density: {conv0: 32, conv1: 48}'),
    Setting('min_channels', whole(1), 4, 'that each layer keeps at least'),
    Setting('fold', FLAG, False, 'true: the constant of a dropped channel, relu(beta), goes into the layers that read it'),
    Setting('round_to', whole(1), 1, 'channels of each layer become a multiple of this, where they were'),
    Setting('model', YAML_FILE, None, 'file that is written, gate/ beside it for its overlay; null: models/NAME_slimDD.yaml'),
)


def reads(config: 'Config') -> Iterator[Reads]:
    """Of a network with gates, the validation images, on which it looks what the gates pick."""
    from mayo.net import gates
    from mayo.session.spec import model_graph
    from mayo.slim import ungated_graph

    with contextlib.suppress(UserError):  # which the check of the model tells
        if gates.gates_of(ungated_graph(model_graph(config), switched_off=True)):
            yield 'validate'


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Gates that cannot be slimmed, and files that are in the way."""
    from mayo.session.spec import model_graph
    from mayo.slim import ungated_graph
    from mayo.slim.command import Wanted, overlay_of, path_of, require_direct_gates, require_ours

    require_direct_gates(ungated_graph(model_graph(config), switched_off=True))
    wanted = Wanted(**values(config))
    if wanted.model is not None or wanted.way == 'density':
        path = path_of(config.get('model.name'), wanted, wanted.density)
        require_ours(path, overlay_of(path))
    return ()


@action('slim', place=120, needs=NETWORK, reads=reads, loads=True, makes=(), settings=(SLIM,), check=check, unasked='nothing')
def act(run: Run) -> None:
    """Drop channels that matter least: a smaller model."""
    session = run.session
    from mayo.slim.command import Wanted, slim

    print(slim(session, Wanted(**values(run.config))).render(width()))


def values(config: 'Config') -> dict[str, Any]:
    """What each setting of `slim` is; keys that nobody reads are left out."""
    return {setting.key: config.get(key) for key, setting in SLIM.settings.items()}
