"""Files of Keras: every layout gives the same layers, and what is damaged or something else is said."""

import pathlib
import re
import zipfile
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

from mayo.checkpoint import keras_file
from mayo.util.errors import UserError

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')  # of h5py in Keras
KERNEL, BIAS = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2), np.array([1, 2], np.float32)


@pytest.fixture(scope='module')
def model() -> Any:
    """Each kind of layer with variables, a batch norm without scale, and an optimizer that has slots."""
    keras.utils.set_random_seed(1)
    images = keras.Input((4, 4, 3))
    values = keras.layers.Conv2D(2, 2, name='first')(images)
    values = keras.layers.BatchNormalization(scale=False, name='first_bn')(values)
    values = keras.layers.DepthwiseConv2D(2, use_bias=False, name='deep')(values)
    values = keras.layers.BatchNormalization(name='deep_bn')(keras.layers.Conv2D(2, 1, name='a_conv')(values))
    model = keras.Model(images, keras.layers.Dense(3, name='logits')(keras.layers.Flatten()(values)))
    model.compile('adam', 'mse')
    model.optimizer.build(model.trainable_variables)
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.path)).uniform(0.5, 1, weight.shape))
    return model


def written(model: Any, path: pathlib.Path) -> Any:
    model.save_weights(path) if 'weights' in path.name else model.save(path)
    return path


@pytest.mark.parametrize('name', ['whole.h5', 'alone.weights.h5', 'whole.keras'])
def test_every_layout_gives_the_variables_of_the_model(model: Any, tmp_path: pathlib.Path, name: str) -> None:
    layers = keras_file.read(written(model, tmp_path / name))
    assert {layer: list(variables) for layer, variables in layers.items()} == {
        'first': ['kernel', 'bias'],
        'first_bn': ['beta', 'moving_mean', 'moving_variance'],
        'deep': ['kernel'],
        'a_conv': ['kernel', 'bias'],
        'deep_bn': ['gamma', 'beta', 'moving_mean', 'moving_variance'],
        'logits': ['kernel', 'bias'],
    }
    for layer in model.layers:
        for weight in layer.weights:
            np.testing.assert_array_equal(layers[layer.name][weight.name], weight)


def legacy(path: pathlib.Path, groups: dict[str, Any], cut: bool = False, inside: str = '') -> Any:
    """An .h5 file of {layer: {variable's name: value}}; cut: the names of layers in two attributes, as when there are many."""
    with h5py.File(path, 'w') as file:
        group = file.create_group(inside) if inside else file
        names = [name.encode() for name in groups]
        parts = {'layer_names': names} if not cut else {'layer_names0': names[:1], 'layer_names1': names[1:]}
        for name, part in parts.items():
            group.attrs[name] = part
        for layer, variables in groups.items():
            created = group.create_group(layer)
            created.attrs['weight_names'] = [name.encode() for name in variables]
            for name, value in variables.items():
                created[name] = value
    return path


@pytest.mark.parametrize(
    'kernel, bias',
    [
        ('conv/kernel:0', 'conv/bias:0'),
        ('conv_W_1:0', 'conv_b_1:0'),
        ('conv_3/kernel:0', 'conv_3/bias:0'),
        ('kernel', 'bias'),
        ('conv/depthwise_kernel:0', 'conv/bias:0'),
        ('depthwise_kernel', 'bias'),
    ],
)
@pytest.mark.parametrize('cut', [False, True])
def test_names_of_older_keras_are_understood(tmp_path: pathlib.Path, kernel: str, bias: str, cut: bool) -> None:
    path = legacy(tmp_path / 'old.h5', {'conv': {kernel: KERNEL, bias: BIAS}, 'pool': {}, 'fc': {'fc_W:0': BIAS}}, cut)
    layers = keras_file.read(path)
    assert {layer: list(variables) for layer, variables in layers.items()} == {
        'conv': ['depthwise_kernel' if 'depthwise' in kernel else 'kernel', 'bias'],
        'fc': ['kernel'],
    }
    np.testing.assert_array_equal(next(iter(layers['conv'].values())), KERNEL)


def test_a_model_inside_a_model_gives_its_layers(tmp_path: pathlib.Path) -> None:
    path = legacy(
        tmp_path / 'inner.h5',
        {'vgg16': {'a/kernel:0': KERNEL, 'a/bias:0': BIAS, 'b/kernel:0': KERNEL}, 'head': {'head/kernel:0': BIAS}},
        inside='model_weights',
    )
    assert {layer: list(variables) for layer, variables in keras_file.read(path).items()} == {
        'a': ['kernel', 'bias'],
        'b': ['kernel'],
        'head': ['kernel'],
    }


def numbered(path: pathlib.Path, groups: Any, names: bool = True) -> Any:
    """A .weights.h5 file of {place: variables}; names: also what the layer is called."""
    with h5py.File(path, 'w') as file:
        for place, (name, variables) in groups.items():
            created = file.create_group(f'{place}/vars')
            created.attrs.update({'name': name} if names else {})
            for index, value in enumerate(variables):
                created[str(index)] = value
    return path


def test_the_variables_of_an_optimizer_are_of_no_layer(tmp_path: pathlib.Path) -> None:
    path = numbered(
        tmp_path / 'x.weights.h5',
        {
            'layers/conv2d': ('conv', [KERNEL, BIAS]),
            'optimizer': ('adam', [BIAS]),
            'layers/functional/layers/conv2d': ('inner', [KERNEL]),
        },
    )
    assert sorted(keras_file.read(path)) == ['conv', 'inner']


def test_layers_that_a_file_only_numbers_are_named_by_the_application(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Conv2D:
        def __init__(self, name: Any) -> None:
            self.name = name

    class BatchNormalization(Conv2D):
        pass

    class Model:
        layers = (Conv2D('stem'), BatchNormalization('stem_bn'), Conv2D('block'))

    monkeypatch.setattr(keras.applications, 'Tiny', lambda weights: Model, raising=False)
    groups = {
        'layers/conv2d_1': ('', [KERNEL]),
        'layers/conv2d': ('', [KERNEL, BIAS]),
        'layers/batch_normalization': ('', [BIAS] * 4),
        'layers/dense': ('', [BIAS]),
    }
    path = numbered(tmp_path / 'x.weights.h5', groups, names=False)
    assert {layer: list(variables) for layer, variables in keras_file.read(path, 'Tiny').items()} == {
        'block': ['kernel'],
        'stem': ['kernel', 'bias'],
        'stem_bn': ['gamma', 'beta', 'moving_mean', 'moving_variance'],
        'layers/dense': ['kernel'],
    }
    assert sorted(keras_file.read(path)) == ['layers/batch_normalization', 'layers/conv2d', 'layers/conv2d_1', 'layers/dense']


def test_an_application_that_keras_has_not_is_said(tmp_path: pathlib.Path) -> None:
    path = numbered(tmp_path / 'x.weights.h5', {'layers/conv2d': ('', [KERNEL])}, names=False)
    with pytest.raises(UserError, match=r'keras\.applications\.ResNet5 does not exist, .*; did you mean ResNet50\?'):
        keras_file.read(path, 'ResNet5')


def test_sixteen_bit_weights_are_numbers(tmp_path: pathlib.Path) -> None:
    dense = keras.layers.Dense(2, dtype='bfloat16')
    model = keras.Sequential([keras.Input((3,)), dense])
    model.save_weights(tmp_path / 'half.weights.h5')
    kernel = keras_file.read(tmp_path / 'half.weights.h5')[dense.name]['kernel']
    assert kernel.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(kernel.astype(np.float32), keras.ops.cast(dense.kernel, 'float32'))


def refused(path: Any) -> Any:
    with pytest.raises(UserError) as error:
        keras_file.read(path)
    return str(error.value).removeprefix(str(path))


def test_two_layers_of_one_name_are_said(tmp_path: pathlib.Path) -> None:
    path = numbered(tmp_path / 'x.weights.h5', {'layers/conv2d': ('conv', [KERNEL]), 'layers/dense': ('conv', [BIAS])})
    assert refused(path) == ': two layers are called conv.'


def test_hdf5_of_something_else_is_said(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['weights'] = KERNEL
    assert refused(tmp_path / 'x.h5') == (
        ': HDF5 without layers of Keras, expected the attribute `layer_names` or groups `vars`.'
    )


def test_a_zip_of_something_else_is_said(tmp_path: pathlib.Path) -> None:
    with zipfile.ZipFile(tmp_path / 'x.pth', 'w') as archive:
        archive.writestr('archive/data.pkl', b'')
    assert refused(tmp_path / 'x.pth') == ': a zip without model.weights.h5, so not what Keras writes as .keras.'


@pytest.mark.parametrize('name', ['alone.weights.h5', 'whole.keras'])
@pytest.mark.parametrize('kept', [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_is_said(model: Any, tmp_path: pathlib.Path, name: str, kept: float) -> None:
    path = written(model, tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert re.fullmatch(r': the file is truncated or corrupt \(.+\)\.', refused(path))


def test_a_listed_layer_that_is_not_there_is_said(tmp_path: pathlib.Path) -> None:
    path = legacy(tmp_path / 'x.h5', {'conv': {'conv/kernel:0': KERNEL}, 'fc': {}})
    with h5py.File(path, 'a') as file:
        del file['conv/conv']
    assert 'the file is truncated or corrupt' in refused(path)


def test_what_starts_as_keras_files_do_is_one(model: Any, tmp_path: pathlib.Path) -> None:
    assert keras_file.is_keras(written(model, tmp_path / 'a.weights.h5'))
    assert keras_file.is_keras(written(model, tmp_path / 'a.keras'))
    (tmp_path / 'page.h5').write_text('<html>')
    assert not any(map(keras_file.is_keras, (tmp_path / 'page.h5', tmp_path / 'none.h5', tmp_path)))
