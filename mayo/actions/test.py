"""`test`: what the original Mayo calls `predict`, with the folders that it reads and writes.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME system.search_path.run.inputs=[photos] test
"""

import pathlib
import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import NETWORK, Product, Run, action, put
from mayo.util.errors import RunError
from mayo.util.kinds import PATHS
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

INPUTS, OUTPUTS = ('system.search_path.run.inputs', 'system.search_path.run.outputs')
FILES = 'predict.files'
RUN = Section(
    'system.search_path.run',
    'the folders of `test`, of each list the first',
    Setting('inputs', PATHS, None, 'with images; null: predict.files or, without those, runs/MODEL/inputs'),
    Setting('outputs', PATHS, None, 'where it writes predictions.yaml; null: runs/MODEL/outputs'),
)


def images(config: 'Config') -> tuple[str, typing.Any]:
    """The setting that says which images are labelled, and what it says."""
    key = FILES if config.get(INPUTS) is None and config.get(FILES) is not None else INPUTS
    return key, config.get(FILES) if key == FILES else _first(config, INPUTS, 'inputs')


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Images that are not there."""
    from mayo.data.files import images_of

    key, files = images(config)
    images_of(files, f'{config.origin(key)}: {key}')
    return ()


@action(
    'test', place=290, needs=NETWORK, reads=('steps',), loads=True, makes=(), settings=(RUN,), check=check, unasked='nothing'
)
def act(run: Run) -> None:
    """Labels of a folder of images, as YAML: see predict."""
    session = run.session
    from mayo.session.predict import predict, render

    predictions = predict(session, *images(run.config))
    put(render(predictions, 'yaml'), str(pathlib.Path(_first(run.config, OUTPUTS, 'outputs')) / 'predictions.yaml'))
    if predictions.unreadable:
        raise RunError('\n'.join(predictions.unreadable))


def _first(config: 'Config', key: str, folder: str) -> str:
    """The first of a list of folders, or the one that stands there alone, or runs/MODEL/FOLDER."""
    value = config.get(key) or f'runs/{config.get("model.name")}/{folder}'
    first = value[0] if isinstance(value, list) else value
    return str(pathlib.Path(first).expanduser())
