"""Each format against masked execution: alone, in batches, with preprocessing inside; and what it refuses."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from mayo.actions.export import EXPORT
from mayo.config import Config
from mayo.data.picture import png
from mayo.export import compare, formats
from mayo.net.tf.compact import program as ops
from mayo.session.predict import image_of
from mayo.util.errors import RunError

from .conftest import STEPS, Exported

every = pytest.mark.parametrize('name', list(formats))


def test_the_formats_are_those_that_the_settings_name() -> None:
    assert EXPORT.settings['export.formats'].kind.expected.endswith(f'one of {", ".join(formats)}')
    assert set(Config.default().get('export.formats')) <= set(formats)


def loaded(subject: Any, name: str, folder: pathlib.Path) -> Any:
    """The subject written in a format and read back."""
    path = folder / formats[name].file
    formats[name].write(subject, path)
    return formats[name].load(path)


@every
def test_an_artifact_computes_what_masked_execution_does_for_images_with_different_masks(
    tiny: Exported, name: str, tmp_path: pathlib.Path
) -> None:
    subject = tiny.subject()
    inputs = compare.inputs(subject, tiny.reference(subject), 16)
    assert inputs.masks > 8
    assert compare.check(name, loaded(subject, name, tmp_path), inputs, formats[name].any_batch) < 1e-5


@every
@pytest.mark.parametrize('size', [(8, 8), (5, 11), (12, 9)])
def test_preprocessing_inside_takes_bytes_of_a_fixed_size(
    tiny: Exported, name: str, size: tuple[int, int], tmp_path: pathlib.Path
) -> None:
    subject = tiny.subject(inside=True, size=size)
    inputs = compare.inputs(subject, tiny.reference(subject), 16)
    assert inputs.images.dtype == np.uint8
    assert inputs.images.shape == (16, *size, 3)
    assert inputs.masks >= 4
    assert compare.check(name, loaded(subject, name, tmp_path), inputs, formats[name].any_batch) < 1e-5


def test_a_saved_model_takes_images_of_any_size(tiny: Exported, tmp_path: pathlib.Path) -> None:
    subject = tiny.subject(inside=True)
    classify = loaded(subject, 'saved_model', tmp_path)
    for size in ((6, 6), (20, 10)):
        sized = tiny.subject(inside=True, size=size)
        inputs = compare.inputs(sized, tiny.reference(sized), 4)
        assert compare.difference(classify, inputs, any_batch=True) < 1e-5


def photograph(height: int, width: int, seed: int) -> np.ndarray:
    """Stripes of all widths and noise, which shrinking without a filter makes another picture of."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows * a + columns * b) for a, b in random.uniform(-2, 2, (6, 2))]
    colours = np.einsum('nhw,nc->hwc', waves, random.normal(size=(6, 3)))
    return np.clip(128 + 30 * colours + random.normal(0, 20, colours.shape), 0, 255).astype(np.uint8)


@every
@pytest.mark.parametrize('size', [(211, 97), (33, 9)])
def test_a_file_makes_of_a_large_photograph_what_predict_does(
    tiny: Exported, name: str, size: tuple[int, int], tmp_path: pathlib.Path
) -> None:
    pixels = photograph(*size, seed=size[0])
    (tmp_path / 'photo.png').write_bytes(png(pixels))
    image = image_of(str(tmp_path / 'photo.png'), (8, 8, 3), STEPS)
    expected = tiny.network(image[None])[0].numpy()
    subject = tiny.subject(inside=True, size=None if name == 'saved_model' else size)
    outputs = loaded(subject, name, tmp_path)(pixels[None])
    np.testing.assert_allclose(outputs, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize('name', ['tflite', 'onnx'])
def test_other_formats_refuse_images_of_any_size(tiny: Exported, name: str) -> None:
    assert formats[name].reasons(tiny.subject(inside=True)) == [
        'preprocesses images of one size only; set export.image_size=[HEIGHT, WIDTH], or export.preprocess=false.'
    ]


def test_onnx_refuses_steps_that_it_has_no_operation_for(tiny: Exported) -> None:
    steps = ({'type': 'resize', 'method': 'area'}, {'type': 'distort_color'})
    assert formats['onnx'].refuse(tiny.subject(inside=True, size=(9, 9), steps=steps)) == [
        'has no preprocessing step `distort_color`.'
    ]


def test_onnx_refuses_more_weights_than_a_file_holds(tiny: Exported) -> None:
    weights = np.broadcast_to(np.float32(0), (1 << 15, 1 << 15))
    dense = ops.Dense(output='fc', source='input', weights=weights, bias=np.zeros(1 << 15, np.float32))
    program = dataclasses.replace(tiny.program, operations=(dense,))
    subject = dataclasses.replace(tiny.subject(), program=program)
    assert formats['onnx'].refuse(subject) == ['holds 2 GiB, but the weights are 4.0 GiB.']


@every
def test_a_file_that_kept_the_channels_of_one_image_is_found_out(tiny: Exported, name: str, tmp_path: pathlib.Path) -> None:
    subject = tiny.subject()
    inputs = compare.inputs(subject, tiny.reference(subject), 16)
    frozen = dataclasses.replace(tiny.program, operations=tuple(map(without_saliency, tiny.program.operations)))
    classify = loaded(dataclasses.replace(subject, program=frozen), name, tmp_path)
    with pytest.raises(RunError, match=rf'^{name} does not compute what masked execution does: outputs differ by .* of the'):
        compare.check(name, classify, inputs, any_batch=False)


def without_saliency(operation: Any) -> Any:
    """A gate that does not look at its image."""
    if not isinstance(operation, ops.Conv) or operation.gate is None:
        return operation
    layers = tuple(dataclasses.replace(layer, weights=np.zeros_like(layer.weights)) for layer in operation.gate.layers)
    spread = tuple(dataclasses.replace(layer, bias=1 + np.arange(layer.bias.size, dtype=np.float32)) for layer in layers)
    return dataclasses.replace(operation, gate=dataclasses.replace(operation.gate, layers=spread))


@every
def test_a_relu_after_a_product_without_bias_is_kept(tiny: Exported, name: str, tmp_path: pathlib.Path) -> None:
    """The converter to TFLite loses it where weights are gathered: in fully connected layers and hidden ones of gates."""
    layers: dict[str, Any] = {
        'conv': {**tiny.conv, 'gate_params': {'density': 0.5, 'factor': 2.0}},
        'second': tiny.conv,
        'flatten': {'type': 'flatten'},
        'fc': {'type': 'fully_connected', 'num_outputs': 4},
    }
    masked = type(tiny)(layers, 0.5)
    subject = masked.subject()
    inputs = compare.inputs(subject, masked.reference(subject), 16)
    assert (inputs.expected == 0).any()
    assert (inputs.expected > 0).any()
    assert compare.check(name, loaded(subject, name, tmp_path), inputs, formats[name].any_batch) < 1e-5


def test_a_network_that_gives_no_numbers_is_told(tiny: Exported) -> None:
    subject = tiny.subject()
    with pytest.raises(RunError, match='masked execution gives outputs that are not finite for random images'):
        compare.inputs(subject, lambda images: (np.full((len(images), 4), np.inf), []), 16)


def test_outputs_that_are_no_numbers_are_found_out(tiny: Exported) -> None:
    subject = tiny.subject()
    inputs = compare.inputs(subject, tiny.reference(subject), 4)
    with pytest.raises(RunError, match='differ by nan of the largest'):
        compare.check('onnx', lambda images: np.full((len(images), 4), np.nan), inputs, any_batch=False)


def test_images_with_clear_winners_and_masks_of_their_own_are_taken() -> None:
    """Four images: two share a mask, one of them by a hair; the last has another mask by less than a hair."""
    saliency = np.array([[3.0, 1], [2, 1.9], [1, 3], [2, 2.00001]])
    gate = compare.Gated(saliency, (saliency == saliency.max(1, keepdims=True)).astype(float))
    order = {count: compare._clear_and_different([gate], count) for count in (2, 3, 4)}
    assert order == {2: [0, 2], 3: [0, 2, 1], 4: [0, 2, 1, 3]}


def test_the_margin_is_what_winners_have_over_losers() -> None:
    gate = compare.Gated(np.array([[4.0, 1, 3, 2], [0, 0, 0, 0]]), np.array([[1.0, 0, 1, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(compare.margin(gate), [0.25, np.inf])
