"""Weights that others wrote: what a path names, which layers theirs are, and the tensors under our names.

.h5, .weights.h5, .keras        of Keras; a mapping, such as models/import/MODEL.yaml, says which layer is which
.pth, .pt, .bin                 of PyTorch, with a mapping
.safetensors                    with PyTorch's names and layout, with a mapping
a prefix, or its .index         a TensorFlow 1 checkpoint, whose names count as they are without a mapping
a file without suffix           the same in TensorFlow's first format, as TF-Slim has them
"""

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mayo.checkpoint import bundle, keras_file, names, safetensors_file, torch_file, torch_layers
from mayo.checkpoint.keras_file import Layers
from mayo.checkpoint.mapping import LayerMap, by_layer, read_map, translated
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import SHIPPED, find, shown

_MAPS = pathlib.Path('models/import')


@dataclass(frozen=True)
class _Kind:
    """A kind of file: what it is called, whether one is of it, told by its content, and its layers, given a map and a part."""

    name: str
    fits: Callable[[pathlib.Path], bool]
    layers: Callable[[pathlib.Path, LayerMap, str | None], Layers]


_KINDS = (  # the first that fits holds: both PyTorch and Keras write zips
    _Kind(
        'PyTorch (.pth, .pt)',
        torch_file.is_torch,
        lambda path, _, part: torch_layers.layers(torch_file.read(path, part), shown(path)),
    ),
    _Kind(
        'safetensors',
        safetensors_file.is_safetensors,
        lambda path, _, __: torch_layers.layers(safetensors_file.read(path), shown(path)),
    ),
    _Kind(
        'Keras (.h5, .weights.h5, .keras)',
        keras_file.is_keras,
        lambda path, layer_map, _: keras_file.read(path, layer_map.application),
    ),
)


def is_importable(path: pathlib.Path) -> bool:
    """Whether a file holds weights that `import-weights` makes a checkpoint of, and nothing else reads."""
    return _kind_of(path) is not None or bundle.is_first_format(path)


def _kind_of(path: pathlib.Path) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.fits(path)), None)


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
    if not is_importable(path):
        what = 'a folder' if path.is_dir() else 'of no kind known here'
        raise UserError(
            f'{where}: {text} is {what}, expected weights of {", ".join(kind.name for kind in _KINDS)} or a TensorFlow 1 '
            'checkpoint (NAME of NAME.index and NAME.data-*).'
        )
    return path


def mapping(path: pathlib.Path, given: str | None, model: str, key: str, origin: str) -> LayerMap | None:
    """The map that a file's layers are imported by: `given` or, for a file of layers, models/import/MODEL.yaml; else None.

    key, origin: the setting of `given` and who set it, for messages. UserError: there is no such map, or it is wrong.
    """
    if given is None and _kind_of(path) is None:
        return None
    file = find(given or _MAPS / f'{model}.yaml')
    if file is not None:
        return read_map(file)
    if given is not None:
        raise UserError(f'{origin}: {key}: {given} does not exist.')
    known = ', '.join(file.stem for file in _shipped_maps())
    raise UserError(
        f'{_MAPS}/{model}.yaml does not exist, so nothing says which layers of {model} those of {shown(path)} '
        f'are; there is one for {known}{_of_torchvision(model)}. docs/weights.md shows how to write one for {key}.'
    )


def tensors_of(
    path: pathlib.Path, layer_map: LayerMap | None, model: str, variables: Mapping[str, Any], part: str | None = None
) -> dict[str, np.ndarray]:
    """What the file holds, under the names that the network's variables have in our files.

    part: of a file of PyTorch, which of its dictionaries; None: the likeliest. UserError: the file cannot be read, its
    numbers are not finite, or the map knows none of its layers.
    """
    kind = _kind_of(path)
    if kind is None or layer_map is None:
        tensors = names.adapt(bundle.read(path))
        return tensors if layer_map is None else translated(by_layer(tensors), layer_map, model, variables)
    layers = kind.layers(path, layer_map, part)
    if layers and not layer_map.renamed(layers):
        raise UserError(_strange(path, layers, layer_map, model))
    return names.adapt(translated(layers, layer_map, model, variables), shown(path))


def _strange(path: pathlib.Path, layers: Layers, layer_map: LayerMap, model: str) -> str:
    """That the map knows none of the layers, and which map does."""
    examples = ', '.join(list(layers)[:3])
    fitting = [file.stem for file in _shipped_maps() if set(layers) == set(read_map(file).renamed(layers))]
    hint = f'models/import knows all of them for {", ".join(fitting)}' if fitting else 'import.mapping=FILE names another map'
    return f'{shown(path)}: {layer_map.where} knows none of its {len(layers)} layers ({examples}, ...); {hint}{_of_torchvision(model)}.'


def _of_torchvision(model: str) -> str:
    """How a model becomes what torchvision has, as the end of a sentence; '' if there is no such overlay."""
    overlay = f'models/torchvision/{model}.yaml'
    return f'; {overlay} after the model, as {model}_torch, is as torchvision has it' if (SHIPPED / overlay).is_file() else ''


def _shipped_maps() -> list[pathlib.Path]:
    return sorted((SHIPPED / _MAPS).glob('*.yaml'))
