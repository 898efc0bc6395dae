"""The checkpoints of networks that teach. Needs no TensorFlow."""

import pathlib
import typing

from mayo.config import Config

if typing.TYPE_CHECKING:
    from mayo.checkpoint.store import Store

TEACHERS = 'train.distill.checkpoint'


def teachers(config: Config, store: 'Store') -> list[pathlib.Path]:
    """The bundles that train.distill.checkpoint names; none if it is null. UserError: all that do not exist."""
    names = config.get(TEACHERS)
    return store.resolve_all(names if isinstance(names, list) else [names] * (names is not None), key=TEACHERS)
