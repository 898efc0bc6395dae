"""Preprocessing in ONNX equals preprocessing in TensorFlow, step by step, for images of any size."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mayo.data import augment
from mayo.export import onnx_steps
from mayo.net.tf.compact.onnx_writer import Images, Writer
from mayo.net.tf.compact.program import Program, Value

SHAPE = (7, 6, 3)
KEYS: dict[str, Any] = {
    'crop_or_pad': [{}, {'height': 3}, {'width': 20, 'height': 9}],
    'central_crop': [{}, {'fraction': 0.5}, {'fraction': 1.0}],
    'resize': [
        {},
        {'shorter_side': 8},
        {'height': 5, 'width': 13},
        {'method': 'nearest'},
        {'method': 'nearest', 'shorter_side': 11},
        {'half_pixel': False},
        {'antialias': True},
        {'antialias': True, 'shorter_side': 3, 'method': 'gaussian'},
        {'method': 'area', 'half_pixel': False},
        {'method': 'bicubic', 'height': 5, 'width': 13},
        {'method': 'lanczos3', 'antialias': True, 'fill': True},
        {'method': 'nearest', 'half_pixel': False, 'shorter_side': 9},
        {'fill': True},
        {'fill': True, 'height': 3, 'width': 11, 'half_pixel': False},
    ],
    'ensure_shape': [{}],
    'linear_map': [{}, {'scale': 0.5, 'shift': -1}],
    'subtract_channel_means': [{'means': [123.68, 116.779, 103.939]}],
    'normalize_channels': [{'means': [1, 2, 3], 'stds': [0.5, 60, 7]}],
    'subtract_image_mean': [{}],
    'standardize_image': [{}],
    'permute_channels': [{}, {'order': [1, 2, 0]}],
}
BY_CHANCE = {'random_crop', 'random_flip', 'distort_bbox', 'cutout', 'distort_color'}


def run(steps: Any, image: Any) -> tuple[Any, Any]:
    """The image after `steps` in onnxruntime."""
    dims = tuple(image.shape)

    def prepare(writer: Any, name: str, dims: Any) -> Any:
        for step in steps:
            name, dims = onnx_steps.write(writer, name, dims, SHAPE, step)
        results.append(dims)
        return name

    results: list[Any] = []
    expected = in_tensorflow(steps, image)
    program = Program((), {'input': Value(expected.shape, expected.shape[-1])}, ('input',), ('input',))
    model = Writer(program, images=Images(dims, prepare)).model('steps', counts=False)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    assert results == [expected.shape]
    return session.run(None, {'images': image[None]})[0][0], expected


def in_tensorflow(steps: Any, image: Any) -> Any:
    return augment.apply(tf.cast(image, tf.float32), SHAPE, tf.zeros([2], tf.int64), steps).numpy()


def test_every_step_that_leaves_nothing_to_chance_can_be_written() -> None:
    assert set(onnx_steps.steps) == set(KEYS) == set(augment.steps) - BY_CHANCE


@pytest.mark.parametrize('step', [{'type': name, **keys} for name, given in KEYS.items() for keys in given], ids=str)
@given(height=st.integers(4, 15), width=st.integers(4, 15), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_a_step_equals_that_of_tensorflow(step: Any, height: Any, width: Any, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    pixels, expected = run([step], image)
    np.testing.assert_allclose(pixels, expected, rtol=1e-5, atol=1e-3)


def test_nearest_takes_the_pixel_that_tensorflow_takes_where_two_are_as_near() -> None:
    """From 14 to 32 columns, number 16 starts exactly where column 7 does."""
    image = np.random.default_rng(0).integers(0, 256, (4, 14, 3), np.uint8)
    pixels, expected = run([{'type': 'resize', 'method': 'nearest', 'half_pixel': False, 'shorter_side': 9}], image)
    np.testing.assert_array_equal(pixels, expected)


def test_steps_follow_each_other() -> None:
    image = np.random.default_rng(0).integers(0, 256, (19, 13, 3), np.uint8)
    steps = [
        {'type': 'resize', 'shorter_side': 9, '_note': 'scratch'},
        {'type': 'crop_or_pad'},
        {'type': 'permute_channels'},
        {'type': 'standardize_image'},
    ]
    pixels, expected = run(steps, image)
    np.testing.assert_allclose(pixels, expected, atol=1e-4)


@pytest.mark.parametrize('channels, wanted', [(3, 1), (1, 3)])
def test_the_last_step_of_the_original_gives_as_many_channels_as_are_read(
    monkeypatch: pytest.MonkeyPatch, channels: int, wanted: int
) -> None:
    monkeypatch.setitem(globals(), 'SHAPE', (7, 6, wanted))
    image = np.random.default_rng(0).integers(0, 256, (9, 13, channels), np.uint8)
    pixels, expected = run([{'type': 'ensure_shape'}], image)
    assert expected.shape == (7, 6, wanted)
    np.testing.assert_allclose(pixels, expected, rtol=1e-5, atol=1e-3)
