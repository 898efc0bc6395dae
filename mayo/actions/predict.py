"""`predict`: what the network takes images to be.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME predict.files=[me.jpg,photos] predict
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import NETWORK, Product, Run, action, put
from mayo.util.errors import RunError
from mayo.util.kinds import PATHS, TEXT, choice, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

FILES = 'predict.files'
PREDICT = Section(
    'predict',
    'labels for image files',
    Setting(
        'files',
        PATHS,
        None,
        'images to label: a path, a glob, a folder, or a list of those',
        remedy='name the images before it, e.g. predict.files=[photos,me.jpg]',
    ),
    Setting('top', whole(1), 1, 'labels for each, the most probable first'),
    Setting('format', choice('table', 'json', 'csv', 'yaml'), 'table', 'table, json, csv or yaml'),
    Setting('path', TEXT, None, 'file that is written; null: standard output'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Images that are not there."""
    from mayo.data.files import images_of

    images_of(config.get(FILES), f'{config.origin(FILES)}: {FILES}')
    return ()


@action('predict', place=110, needs=(*NETWORK, FILES), reads=('steps',), loads=True, makes=(), settings=(PREDICT,), check=check)
def act(run: Run) -> None:
    """Labels and probabilities of image files and folders."""
    session = run.session
    from mayo.session.predict import predict, render

    predictions = predict(session)
    put(render(predictions, run.config.get('predict.format')), run.config.get('predict.path'))
    if predictions.unreadable:
        raise RunError('\n'.join(predictions.unreadable))
