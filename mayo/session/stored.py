"""The configuration that a checkpoint was made with, which is in it; and the checkpoints that teach. Needs no TensorFlow."""

import pathlib

from mayo.checkpoint import bundle, names
from mayo.checkpoint.store import Store
from mayo.config import Config
from mayo.util.files import shown

TEACHERS = 'train.distill.checkpoint'


def stored_config(prefix: pathlib.Path) -> Config | None:
    """What the bundle `prefix` says of itself; None if it says nothing, as those of the original Mayo."""
    text = bundle.read(prefix).get(names.CONFIG)
    if text is None:
        return None
    config = Config.default()
    config.merge_text(bytes(text).decode(), f'configuration in {shown(prefix)}')
    return config


def teachers(config: Config, store: Store) -> list[pathlib.Path]:
    """The bundles that train.distill.checkpoint names; none if it is null. UserError: all that do not exist."""
    said = config.get(TEACHERS)
    return store.resolve_all(said if isinstance(said, list) else [said] * (said is not None), key=TEACHERS)
