"""`export`: the compact network as files for other programs, each loaded back and compared.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME export
"""

import logging
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import ARTIFACTS, NETWORK, Product, Run, action, folder_of_results
from mayo.util.kinds import FLAG, TEXT, Kind, choice_of, each, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

_log = logging.getLogger(__name__)


def _size(value: object) -> tuple[int, int]:
    height, width = each(whole(1)).read(value)
    return height, width


FORMATS = ('saved_model', 'tflite', 'onnx')  # that are written where nothing else is said


def _formats() -> Collection[str]:
    """A file in mayo/export/format enters each. Importing them is left to who needs them."""
    from mayo.export import formats

    return list(formats)


EXPORT = Section(
    'export',
    'files for other programs',
    Setting('formats', each(choice_of(_formats, *FORMATS), lone=True), list(FORMATS), 'those that are written'),
    Setting('path', TEXT, None, 'folder that is written; null: exports/MODEL/DATASET'),
    Setting('preprocess', FLAG, False, 'true: the files take images as decoded, bytes, and make of them what `predict` does'),
    Setting(
        'image_size',
        Kind('[height, width], each a whole number from 1 up', _size),
        None,
        'with preprocess: [height, width] of the images; null: any, which only saved_model takes',
    ),
    Setting('images', whole(16), 16, 'each file is compared with masked execution on so many'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """Packages that the formats lack, and a format that cannot preprocess images of any size."""
    from mayo.export import formats

    names, preprocesses, size = (config.get(f'export.{key}') for key in ('formats', 'preprocess', 'image_size'))
    for name in names:
        for reason in (formats[name].lacks(), formats[name].refuses_size(preprocesses, size)):
            if reason is not None:
                yield f'export.formats: {name} {reason}'


@action('export', place=140, needs=NETWORK, reads=('steps',), loads=True, makes=(ARTIFACTS,), settings=(EXPORT,), check=check)
def act(run: Run) -> None:
    """Compact network as SavedModel, TFLite and ONNX files."""
    session = run.session
    from mayo.export.command import exported

    names, images, preprocesses, size = (
        run.config.get(f'export.{key}') for key in ('formats', 'images', 'preprocess', 'image_size')
    )
    folder = folder_of_results(run.config, 'export.path', 'exports')
    if run.config.get('model.original', False):
        _log.info(
            '`export` writes the network; the configuration, which that of the original Mayo wrote, is what `config` prints'
        )
    print(exported(session, names, folder, images, preprocesses, size).render())
