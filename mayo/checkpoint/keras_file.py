"""Weights that Keras wrote, read without building the model: whole models and weights alone, of Keras 1 to 3.

read('vgg16.h5')        {'block1_conv1': {'kernel': [3, 3, 3, 64], 'bias': [64]}, ...}

.h5                     HDF5 with a group for each layer, listed in the attribute `layer_names`; in a whole model inside
                        the group `model_weights`
.weights.h5, .keras     HDF5 with the variables of each layer at CLASS_NUMBER/vars/0, /1, ...; .keras is a zip around it
"""

import io
import pathlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import shown
from mayo.util.lazy import lazy

h5py = lazy('h5py')
keras = lazy('keras')
ml_dtypes = lazy('ml_dtypes')

Layers = dict[str, dict[str, np.ndarray]]  # of each layer by name, its variables by name
_HDF5, _ZIP = b'\x89HDF\r\n\x1a\n', b'PK\x03\x04'
_INSIDE = 'model.weights.h5'
_NAMES = 'depthwise_kernel|kernel|bias|gamma|beta|moving_mean|moving_variance|mean|variance|count|W|b'
_VARIABLE = re.compile(rf'(?:.*?[/_])??({_NAMES})(?:_\d+)?(?::\d+)?')
_OLD = {'W': 'kernel', 'b': 'bias'}
_CLASS = re.compile(r'(.+?)(?:_(\d+))?')
_POSITIONS = {
    ('batch_normalization', 4): ('gamma', 'beta', 'moving_mean', 'moving_variance'),
    ('batch_normalization', 3): ('beta', 'moving_mean', 'moving_variance'),  # as Inception v3 has it
    ('batch_normalization', 2): ('moving_mean', 'moving_variance'),
    ('normalization', 3): ('mean', 'variance', 'count'),
}
_OTHERWISE = ('kernel', 'bias')


def is_keras(path: pathlib.Path) -> bool:
    """Whether the file starts as HDF5 or a zip does."""
    return path.is_file() and _start(path).startswith((_HDF5, _ZIP))


def read(path: pathlib.Path, application: str | None = None) -> Layers:
    """Every layer with variables by its name.

    application: the model in keras.applications that files of an older Keras 3 are of: they number the layers of each class
    and do not say their names. UserError: the file is damaged, or holds no layers of Keras.
    """
    try:
        with _hdf5(path) as file:
            return _legacy(file) or _numbered(file, path, application)
    except (OSError, KeyError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).strip('\'"').splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f'{shown(path)}: the file is truncated or corrupt ({reason}).') from error


def _start(path: pathlib.Path) -> bytes:
    with path.open('rb') as stream:
        return stream.read(len(_HDF5))


def _hdf5(path: pathlib.Path) -> Any:
    if not _start(path).startswith(_ZIP):
        return h5py.File(path)
    with zipfile.ZipFile(path) as archive:
        if _INSIDE not in archive.namelist():
            raise UserError(f'{shown(path)}: a zip without {_INSIDE}, so not what Keras writes as .keras.')
        return h5py.File(io.BytesIO(archive.read(_INSIDE)))


def _legacy(file: Any) -> Layers:
    """The layers of a file with `layer_names`; none if it has no such list."""
    group = file.get('model_weights', file)
    layers: Layers = {}
    for layer in _listed(group, 'layer_names'):
        weights = _listed(group[layer], 'weight_names')
        owners = {weight.split('/')[-2] for weight in weights if '/' in weight}
        for index, weight in enumerate(weights):
            owner = weight.split('/')[-2] if len(owners) > 1 else layer  # several: a model inside the model
            variables = layers.setdefault(owner, {})
            variables[_variable(weight, index)] = np.asarray(group[layer][weight])
    return layers


def _listed(group: Any, attribute: str) -> list[str]:
    """An attribute that holds names; a long one is cut into `attribute0`, `attribute1`, ..."""
    parts = (
        [attribute]
        if attribute in group.attrs
        else sorted(
            (key for key in group.attrs if re.fullmatch(attribute + r'\d+', key)),
            key=lambda key: int(key.removeprefix(attribute)),
        )
    )
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _variable(name: str, index: int) -> str:
    """'kernel' of block1_conv1/kernel:0, and of block1_conv1_W_1:0, which Keras 1 wrote."""
    match = _VARIABLE.fullmatch(name)
    return _OLD.get(match[1], match[1]) if match else f'{index}'


def _numbered(file: Any, path: pathlib.Path, application: str | None) -> Layers:
    """The layers of a file that has the variables of each at CLASS_NUMBER/vars."""
    groups = dict(_variable_groups(file))
    if not groups:
        raise UserError(f'{shown(path)}: HDF5 without layers of Keras, expected the attribute `layer_names` or groups `vars`.')
    is_named = all('name' in group.attrs for group in groups.values())
    known = {} if is_named or application is None else _names_in(application)
    layers: Layers = {}
    for place, group in groups.items():
        kind, number = _place(place)
        names = known.get(kind, [])
        name = group.attrs.get('name') or (names[number] if number < len(names) else place)
        if name in layers:
            raise UserError(f'{shown(path)}: two layers are called {name}.')
        called = _POSITIONS.get((kind, len(group)), _OTHERWISE)
        layers[name] = {
            called[index] if index < len(called) else str(index): _array(group[str(index)]) for index in range(len(group))
        }
    return layers


def _variable_groups(file: Any) -> Iterator[tuple[str, Any]]:
    """(place, its group `vars`) of each layer with variables; an optimizer's are none of a layer."""
    groups: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        parts = name.split('/')
        if parts[-1] == 'vars' and len(item) and 'optimizer' not in parts[0] and len(parts) > 1:
            groups.append((name.removesuffix('/vars'), item))

    file.visititems(visit)
    return iter(groups)


def _place(place: str) -> tuple[str, int]:
    """('conv2d', 3) of layers/conv2d_3, whose class is the fourth."""
    match = _CLASS.fullmatch(place.rpartition('/')[2])
    return (match[1], int(match[2] or 0)) if match else (place, 0)


def _names_in(application: str) -> Mapping[str, list[str]]:
    """The names of the layers of keras.applications.NAME by their class in snake case, in the order of the model."""
    build = getattr(keras.applications, application, None)
    if not callable(build):
        raise UserError(
            f'keras.applications.{application} does not exist, which a mapping file says that the weights are of'
            f'{did_you_mean(application, dir(keras.applications)) or "."}'
        )
    names: dict[str, list[str]] = {}
    for layer in build(weights=None).layers:
        kind = re.sub(r'([a-z])([A-Z])', r'\1_\2', type(layer).__name__).lower()
        names.setdefault(kind, []).append(layer.name)
    return names


def _array(dataset: Any) -> np.ndarray:
    return np.array(dataset, ml_dtypes.bfloat16 if dataset.attrs.get('dtype') == 'bfloat16' else dataset.dtype)
