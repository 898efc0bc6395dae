"""The configuration that a checkpoint was made with, which is in it."""
import pathlib

from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.util.files import shown


def stored_config(prefix: pathlib.Path) -> Config | None:
    """What the bundle `prefix` says of itself; None if it says nothing, as those of the original Mayo."""
    text = bundle.read(prefix).get(names.CONFIG)
    if text is None:
        return None
    config = Config.default()
    config.merge_text(bytes(text).decode(), f'configuration in {shown(prefix)}')
    return config
