"""Where the checkpoints of a configuration are, and the configuration that a checkpoint was made with. Needs no TensorFlow."""

import pathlib

from mayo.checkpoint import bundle, names
from mayo.checkpoint.store import Store
from mayo.config import Config
from mayo.util.files import shown


def store_of(config: Config) -> Store:
    """The folder of the checkpoints of the model and dataset."""
    return Store(*map(config.get, ('system.checkpoint.path', 'model.name', 'dataset.name')))


def stored_config(prefix: pathlib.Path) -> Config | None:
    """What the bundle `prefix` says of itself; None if it says nothing, as those of the original Mayo."""
    text = bundle.read(prefix).get(names.CONFIG)
    if text is None:
        return None
    config = Config.default()
    config.merge_text(bytes(text).decode(), f'configuration in {shown(prefix)}')
    return config
