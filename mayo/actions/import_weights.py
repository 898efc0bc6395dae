"""`import-weights`: weights that others wrote, import.path, as a checkpoint of this network.

./my MODEL.yaml DATASET.yaml import.path=theirs.h5 system.checkpoint.save=imported import-weights eval
"""

import pathlib
import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import CHECKPOINTS, NETWORK, Product, Run, action
from mayo.util.kinds import TEXT
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.checkpoint.mapping import LayerMap
    from mayo.config import Config
    from mayo.session.base import Session

PATH, MAPPING = 'import.path', 'import.mapping'
IMPORT = Section(
    'import',
    'weights that others wrote',
    Setting(
        'path',
        TEXT,
        None,
        'weights of Keras (.h5, .weights.h5, .keras), or the prefix of a TensorFlow 1 checkpoint',
        remedy='say which file, e.g. import.path=vgg16.h5',
    ),
    Setting(
        'mapping', TEXT, None, 'the file that says whose layers are which; null: models/import/MODEL.yaml for files of Keras'
    ),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """The file that is to be imported is not there, or nothing says what its layers are."""
    mapping(config)
    return ()


@action(
    'import-weights',
    place=160,
    needs=(*NETWORK, PATH, 'system.checkpoint.save'),
    reads=(),
    loads=True,
    makes=(CHECKPOINTS,),
    settings=(IMPORT,),
    check=check,
)
def act(run: Run) -> None:
    """Import weights of Keras or TensorFlow 1 as a checkpoint."""
    import_weights(run.session)


def import_weights(session: 'Session') -> pathlib.Path:
    """Load import.path into the network and write the checkpoint system.checkpoint.save.

    A gated network gets its gates from the batch norm of a dense one. UserError: what the network has and the file lacks
    or has in another shape. If system.checkpoint.strict is false it keeps the value from system.checkpoint.load or the start.
    """
    from mayo.checkpoint.imported import tensors_of
    from mayo.util.files import shown

    path, layer_map = source(session.config), mapping(session.config)
    session.load(fresh=True)
    tensors = tensors_of(path, layer_map, session.model_name, session.named())
    session.load_tensors(tensors, shown(path) if layer_map is None else f'{shown(path)}, by {layer_map.where}')
    return session.save()


def source(config: 'Config') -> pathlib.Path:
    """The file, or the prefix of the bundle, that import.path names. UserError: it is not there, or nothing known."""
    from mayo.checkpoint import imported

    return imported.source(str(config.get(PATH)), f'{config.origin(PATH)}: {PATH}')


def mapping(config: 'Config') -> 'LayerMap | None':
    """The map by which import.path is imported; None for a bundle as it is. UserError: there is none, or it is wrong."""
    from mayo.checkpoint import imported

    return imported.mapping(source(config), config.get(MAPPING), config.get('model.name'), MAPPING, config.origin(MAPPING))
