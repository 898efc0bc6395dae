"""Weights that others wrote: what a path names, which layers theirs are, and the tensors under our names.

.h5, .weights.h5, .keras        of Keras; a mapping, such as models/import/MODEL.yaml, says which layer is which
a prefix, or its .index         a TensorFlow 1 checkpoint, whose names count as they are without a mapping
a file without suffix           the same in TensorFlow's first format, as TF-Slim has them
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mayo.checkpoint import bundle, keras_file, names
from mayo.checkpoint.mapping import LayerMap, by_layer, read_map, translated
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import SHIPPED, find, shown

_MAPS = pathlib.Path('models/import')


def source(text: str, where: str) -> pathlib.Path:
    """The file, or the prefix of the bundle, that `text` names. where: what says so. UserError: it is not there, or unknown."""
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


def mapping(path: pathlib.Path, given: str | None, model: str, key: str, origin: str) -> LayerMap | None:
    """The map that a file's layers are imported by: `given` or, for a file of Keras, models/import/MODEL.yaml; else None.

    key, origin: the setting of `given` and who set it, for messages. UserError: there is no such map, or it is wrong.
    """
    if given is None and not keras_file.is_keras(path):
        return None
    file = find(given or _MAPS / f'{model}.yaml')
    if file is not None:
        return read_map(file)
    if given is not None:
        raise UserError(f'{origin}: {key}: {given} does not exist.')
    known = ', '.join(sorted(other.stem for other in (SHIPPED / _MAPS).glob('*.yaml')))
    raise UserError(
        f'{_MAPS}/{model}.yaml does not exist, so nothing says which layers of {model} those of {shown(path)} '
        f'are; there is one for {known}. docs/checkpoints.md shows how to write one for {key}.'
    )


def tensors_of(
    path: pathlib.Path, layer_map: LayerMap | None, model: str, variables: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """What the file holds, under the names that the network's variables have in our files."""
    if keras_file.is_keras(path) and layer_map is not None:
        return translated(keras_file.read(path, layer_map.application), layer_map, model, variables)
    tensors = names.adapt(bundle.read(path))
    return tensors if layer_map is None else translated(by_layer(tensors), layer_map, model, variables)
