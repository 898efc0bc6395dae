"""`predict`: what the network takes images to be.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME predict.files=[me.jpg,photos] predict
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import NETWORK, Product, Run, action
from mayo.util.errors import RunError
from mayo.util.kinds import PATHS, TEXT, choice, whole
from mayo.util.schema import listed, number, record, text
from mayo.util.schema import whole as integer
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

GUESSES = record(
    'labels of image files',
    images=listed(
        'in the order of their names',
        record(
            'an image',
            file=text('its path'),
            predictions=listed(
                'the most probable first',
                record('a class', label=text('its name'), number=integer('from 0 up'), probability=number('0 to 1')),
            ),
        ),
    ),
    unreadable=listed('files that are no image', text('why, with the path')),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Images that are not there."""
    from mayo.data.files import images_of

    images_of(config.get(FILES), f'{config.origin(FILES)}: {FILES}')
    return ()


@action(
    'predict',
    place=110,
    needs=(*NETWORK, FILES),
    reads=('steps',),
    loads=True,
    makes=(),
    settings=(PREDICT,),
    check=check,
    result=GUESSES,
)
def act(run: Run) -> None:
    """Labels and probabilities of image files and folders."""
    session = run.session
    from mayo.session.predict import predict, render

    predictions = predict(session)
    form, path = run.config.get('predict.format'), run.config.get('predict.path')
    run.answer(predictions.data(), render(predictions, form), path)
    if predictions.unreadable:
        raise RunError('\n'.join(predictions.unreadable))
