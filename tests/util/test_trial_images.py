"""Random images that gates tell apart, and the one place that makes them."""

import ast
import pathlib

import numpy as np
import pytest

from mayo.util.trial_images import as_bytes, choices, random_images

MAYO = pathlib.Path(__file__).parents[2] / 'mayo'


def test_images_differ_in_what_gates_read() -> None:
    images = random_images(64, (16, 12, 3))
    assert images.shape == (64, 16, 12, 3)
    assert images.dtype == np.float32
    means = images.mean((1, 2))
    assert means.std(0).min() > 0.5
    assert np.array_equal(images, random_images(64, (16, 12, 3)))
    assert images.var() == pytest.approx(3, abs=0.5)


def test_images_of_bytes_use_the_range_of_a_byte() -> None:
    pixels = as_bytes(random_images(2, (4, 4, 1)))
    assert pixels.dtype == np.uint8
    assert pixels.min() < 100
    assert pixels.max() > 150


def test_choices_are_equal_only_if_every_gate_chose_the_same() -> None:
    first = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    second = np.array([[[0.0], [2.0]], [[0.0], [2.0]], [[0.0], [2.0]]])
    of_image = choices([first, second])
    assert of_image[0] == of_image[1] != of_image[2]
    assert choices([second]) == choices([second])[:1] * 3


def test_no_other_module_draws_random_images() -> None:
    drawing = [
        path.relative_to(MAYO).as_posix()
        for path in sorted(MAYO.rglob('*.py'))
        if any(isinstance(node, ast.Attribute) and node.attr == 'default_rng' for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert drawing == ['util/trial_images.py']
