"""`import-weights`: weights that others wrote, import.path, as a checkpoint of this network.

    .h5, .weights.h5, .keras        of Keras; import.mapping, or models/import/MODEL.yaml, says which layer is which
    a prefix, or its .index         a TensorFlow 1 checkpoint, whose names count as they are unless import.mapping is set
    a file without suffix           the same in TensorFlow's first format, as TF-Slim has them

Needs no TensorFlow until it reads, so that `check` is quick.
"""

import pathlib
import typing

import numpy as np

from mayo.checkpoint import bundle, keras_file, names
from mayo.checkpoint.mapping import LayerMap, by_layer, read_map, translated
from mayo.config import Config
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import SHIPPED, find, shown

if typing.TYPE_CHECKING:
    from mayo.session.base import Session

PATH, MAPPING = 'import.path', 'import.mapping'
_MAPS = pathlib.Path('models/import')


def import_weights(session: 'Session') -> pathlib.Path:
    """Load import.path into the network and write the checkpoint system.checkpoint.save.

    A gated network gets its gates from the batch norm of a dense one. UserError: what the network has and the file lacks
    or has in another shape. If system.checkpoint.strict is false it keeps the value from system.checkpoint.load or the start.
    """
    path, layer_map = source(session.config), mapping(session.config)
    session.load(fresh=True)
    tensors = _tensors(path, layer_map, session)
    session.load_tensors(tensors, shown(path) if layer_map is None else f'{shown(path)}, by {layer_map.where}')
    return session.save()


def source(config: Config) -> pathlib.Path:
    """The file, or the prefix of the bundle, that import.path names. UserError: it is not there, or nothing known."""
    text, where = str(config.get(PATH)), f'{config.origin(PATH)}: {PATH}'
    for candidate in (find(text), find(f'{text}.index'), find(f'{text}.data-00000-of-00001')):
        prefix = candidate and bundle.prefix_of(candidate)
        if prefix and (prefix != candidate or bundle.index_file(prefix).is_file()):
            bundle.check(prefix)
            return prefix
    path = find(text)
    if path is None:
        here = [shown(other) for other in pathlib.Path(text).expanduser().parent.glob('*')]
        raise UserError(f'{where}: {text} does not exist{did_you_mean(text, here) or "."}')
    if path.is_file():
        bundle.check_no_pointer(path)
    if not keras_file.is_keras(path) and not bundle.is_first_format(path):
        what = 'a folder' if path.is_dir() else 'of no kind known here'
        raise UserError(
            f'{where}: {text} is {what}, expected weights of Keras (.h5, .weights.h5, .keras) or a TensorFlow 1 '
            'checkpoint (NAME of NAME.index and NAME.data-*).'
        )
    return path


def mapping(config: Config) -> LayerMap | None:
    """What import.mapping, or for a file of Keras models/import/MODEL.yaml, says; None for a bundle as it is.

    UserError: there is no such file, or it is wrong.
    """
    said, model = config.get(MAPPING), config.get('model.name')
    if said is None and not keras_file.is_keras(source(config)):
        return None
    path = find(said or _MAPS / f'{model}.yaml')
    if path is not None:
        return read_map(path)
    if said is not None:
        raise UserError(f'{config.origin(MAPPING)}: {MAPPING}: {said} does not exist.')
    known = ', '.join(sorted(file.stem for file in (SHIPPED / _MAPS).glob('*.yaml')))
    raise UserError(
        f'{_MAPS}/{model}.yaml does not exist, so nothing says which layers of {model} those of {config.get(PATH)} '
        f'are; there is one for {known}. docs/checkpoints.md shows how to write one for {MAPPING}.'
    )


def _tensors(path: pathlib.Path, layer_map: LayerMap | None, session: 'Session') -> dict[str, np.ndarray]:
    """What the file holds, under our names."""
    if keras_file.is_keras(path) and layer_map is not None:
        return translated(keras_file.read(path, layer_map.application), layer_map, session.model_name, session.named())
    tensors = names.adapt(bundle.read(path))
    return tensors if layer_map is None else translated(by_layer(tensors), layer_map, session.model_name, session.named())
