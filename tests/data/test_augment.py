"""Each step against its formula in NumPy, and what is told about steps that are wrong."""

import colorsys
import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mayo.data import augment
from mayo.data.augment import check_steps, steps

SEED = 7


def image(height: Any = 6, width: Any = 9, channels: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.float32)


def run(name: str, pixels: Any, shape: Any = (4, 5, 3), seed: Any = SEED, **keys: Any) -> Any:
    return steps[name].function(tf.constant(pixels), shape, tf.constant([seed, seed + 1], 'int64'), **keys).numpy()


# ---- sizes


def middle(pixels: Any, height: Any, width: Any) -> Any:
    """Pads, then crops, around the middle; what is left over of an odd number is on the far side."""
    down, right = (max(want - have, 0) for want, have in zip((height, width), pixels.shape[:2], strict=True))
    pixels = np.pad(pixels, ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)))
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


@settings(max_examples=30, deadline=None)
@given(*[st.integers(1, 9)] * 4)
def test_crop_or_pad_takes_the_middle_or_adds_zeros_all_round(
    height: Any, width: Any, have_height: Any, have_width: Any
) -> None:
    pixels = image(have_height, have_width)
    np.testing.assert_array_equal(run('crop_or_pad', pixels, (height, width, 3)), middle(pixels, height, width))


def test_crop_or_pad_takes_a_size_of_its_own() -> None:
    assert run('crop_or_pad', image(), height=3, width=11).shape == (3, 11, 3)


@pytest.mark.parametrize(
    ('fraction', 'rows', 'columns'),
    [(0.5, slice(2, 6), slice(3, 9)), (1.0, slice(0, 8), slice(0, 12)), (0.875, slice(0, 8), slice(0, 12))],
)
def test_central_crop_keeps_the_middle_fraction(fraction: float, rows: Any, columns: Any) -> None:
    pixels = image(8, 12)
    np.testing.assert_array_equal(run('central_crop', pixels, fraction=fraction), pixels[rows, columns])


def windows(pixels: Any, height: int, width: int) -> set[Any]:
    return {
        pixels[top : top + height, left : left + width].tobytes()
        for top in range(pixels.shape[0] - height + 1)
        for left in range(pixels.shape[1] - width + 1)
    }


@pytest.mark.parametrize('padding', [0, 2])
def test_random_crop_gives_every_window_of_the_padded_image(padding: int) -> None:
    pixels = image(5, 6)
    possible = windows(np.pad(pixels, ((padding,) * 2, (padding,) * 2, (0, 0))), 4, 5)
    outcomes = {run('random_crop', pixels, seed=seed, padding=padding).tobytes() for seed in range(200)}
    assert outcomes == possible


def test_random_crop_of_an_image_that_is_too_small_fails() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        run('random_crop', image(3, 3))


def bilinear(pixels: Any, height: int, width: int) -> Any:
    """Samples at pixel centres: target i looks at source (i + 0.5) have / want - 0.5, held inside the image."""
    for axis, want in enumerate((height, width)):
        have = pixels.shape[axis]
        place = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
        low = np.floor(place).astype(int)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(3)])
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(np.minimum(low + 1, have - 1), axis) * share
    return pixels


@pytest.mark.parametrize('size', [(4, 5), (6, 9), (13, 7)])
def test_resize_is_bilinear_between_pixel_centres(size: tuple[int, int]) -> None:
    pixels = image()
    np.testing.assert_allclose(run('resize', pixels, (*size, 3)), bilinear(pixels, *size), atol=1e-3)


def test_resize_takes_a_size_of_its_own_and_other_methods() -> None:
    pixels = image()
    np.testing.assert_array_equal(
        run('resize', pixels, height=12, width=18, method='nearest'), pixels.repeat(2, 0).repeat(2, 1)
    )


@pytest.mark.parametrize(('size', 'expected'), [((6, 9), (4, 6)), ((9, 6), (6, 4)), ((5, 5), (4, 4))])
def test_resize_to_a_shorter_side_keeps_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert run('resize', image(*size), shorter_side=4).shape == (*expected, 3)


def test_distort_bbox_gives_parts_of_the_wanted_area_and_aspect_ratio() -> None:
    rows, columns = np.mgrid[0:60, 0:90].astype(np.float32)
    for seed in range(20):
        part = run(
            'distort_bbox',
            np.stack([rows, columns, rows], -1),
            (40, 40, 3),
            seed,
            area_range=[0.3, 0.5],
            aspect_ratio_range=[0.8, 1.25],
        )
        height, width = (np.ptp(part[..., axis]) + 1 for axis in (0, 1))
        assert part.shape == (40, 40, 3)
        assert 0.27 < height * width / 5400 < 0.53
        assert 0.75 < width / height < 1.33


def test_distort_bbox_of_the_whole_area_is_resize() -> None:
    pixels = image(6, 6)
    np.testing.assert_allclose(
        run('distort_bbox', pixels, area_range=[1, 1], aspect_ratio_range=[1, 1]), bilinear(pixels, 4, 5), atol=1e-3
    )


# ---- mirrors


@pytest.mark.parametrize(
    ('keys', 'possible'),
    [
        ({}, [(1, 1), (1, -1)]),
        ({'vertical': True}, [(1, 1), (1, -1), (-1, 1), (-1, -1)]),
        ({'horizontal': False, 'vertical': True}, [(1, 1), (-1, 1)]),
        ({'horizontal': False}, [(1, 1)]),
    ],
)
def test_random_flip_mirrors_by_equal_chances(keys: dict[str, Any], possible: list[tuple[int, int]]) -> None:
    pixels = image()
    results = [run('random_flip', pixels, seed=seed, **keys).tobytes() for seed in range(200)]
    counts = [results.count(pixels[::down, ::right].tobytes()) for down, right in possible]
    assert sum(counts) == 200
    assert min(counts) > 100 / len(possible)


# ---- squares


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), size=st.integers(0, 12))
def test_cutout_paints_a_square_whose_middle_is_anywhere_in_the_image(height: Any, width: Any, size: Any) -> None:
    pixels = image(height, width)
    possible = set()
    for row, column in itertools.product(range(height), range(width)):
        cut = pixels.copy()
        top, left = row - size // 2, column - size // 2
        cut[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 127.5
        possible.add(cut.tobytes())
    outcomes = {run('cutout', pixels, seed=seed, size=size).tobytes() for seed in range(20)}
    assert outcomes <= possible


def test_cutout_reaches_every_place() -> None:
    pixels = image(3, 2)
    outcomes = {run('cutout', pixels, seed=seed, size=1, value=-1.0).tobytes() for seed in range(200)}
    assert len(outcomes) == 6


# ---- colours

NEUTRAL: dict[str, Any] = {'brightness': 0.0, 'saturation': [1, 1], 'hue': 0.0, 'contrast': [1, 1]}


def test_distort_color_that_distorts_nothing_is_the_image() -> None:
    np.testing.assert_allclose(run('distort_color', image(), **NEUTRAL), image(), atol=1e-3)


def test_distort_color_shifts_brightness_by_up_to_so_many_levels() -> None:
    pixels = np.full((4, 5, 3), 128, np.float32)
    shifts = np.array(
        [run('distort_color', pixels, seed=seed, **NEUTRAL | {'brightness': 32.0})[0, 0, 0] - 128 for seed in range(50)]
    )
    assert -32 <= shifts.min() < -20 < 20 < shifts.max() <= 32


def test_distort_color_scales_contrast_about_the_mean_of_each_channel() -> None:
    pixels = image() * 0.5 + 60
    mean = pixels.mean((0, 1))
    np.testing.assert_allclose(
        run('distort_color', pixels, **NEUTRAL | {'contrast': [0.5, 0.5]}), (pixels - mean) * 0.5 + mean, atol=1e-2
    )


def by_hsv(pixels: Any, change: Any) -> Any:
    flat = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in pixels.reshape(-1, 3) / 255]
    return np.array(flat).reshape(pixels.shape) * 255


def test_distort_color_scales_saturation() -> None:
    expected = by_hsv(image(), lambda hue, saturation, value: (hue, min(saturation * 1.4, 1), value))
    np.testing.assert_allclose(run('distort_color', image(), **NEUTRAL | {'saturation': [1.4, 1.4]}), expected, atol=1e-2)


def test_distort_color_turns_the_hue() -> None:
    turned = run('distort_color', image(), **NEUTRAL | {'hue': 0.1})
    shift = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in turned.reshape(-1, 3) / 255])
    shift -= [colorsys.rgb_to_hsv(*pixel)[0] for pixel in image().reshape(-1, 3) / 255]
    shift = (shift + 0.5) % 1 - 0.5
    assert 0.001 < abs(shift.mean()) <= 0.1
    np.testing.assert_allclose(shift, shift.mean(), atol=1e-3)


def test_distort_color_stays_within_0_and_255() -> None:
    for seed in range(10):
        outcomes = run('distort_color', image(), seed=seed)
        assert outcomes.min() >= 0
        assert outcomes.max() <= 255


# ---- values

MEANS, STDS = [123.68, 116.78, 103.94], [58.4, 57.1, 57.4]


@pytest.mark.parametrize(
    ('name', 'keys', 'expected'),
    [
        ('linear_map', {'scale': 1 / 128, 'shift': -1.0}, lambda x: x / 128 - 1),
        ('linear_map', {}, lambda x: x),
        ('subtract_channel_means', {'means': MEANS}, lambda x: x - np.array(MEANS)),
        ('normalize_channels', {'means': MEANS, 'stds': STDS}, lambda x: (x - np.array(MEANS)) / np.array(STDS)),
        ('subtract_image_mean', {}, lambda x: x - x.mean()),
        ('standardize_image', {}, lambda x: (x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size))),
        ('permute_channels', {}, lambda x: x[..., ::-1]),
        ('permute_channels', {'order': [1, 2, 0]}, lambda x: x[..., [1, 2, 0]]),
    ],
)
def test_values_follow_the_formula(name: str, keys: dict[str, Any], expected: Any) -> None:
    np.testing.assert_allclose(run(name, image(), **keys), expected(image().astype(np.float64)), rtol=1e-4, atol=1e-4)


def test_standardizing_an_image_of_one_colour_gives_zeros() -> None:
    np.testing.assert_array_equal(run('standardize_image', np.full((4, 5, 3), 9, np.float32)), 0)


# ---- every step

EXAMPLES: dict[str, Any] = {
    'linear_map': {'scale': 0.5},
    'subtract_channel_means': {'means': MEANS},
    'normalize_channels': {'means': MEANS, 'stds': STDS},
}


@pytest.mark.parametrize('name', steps)
def test_every_step_is_deterministic_under_a_seed(name: str) -> None:
    keys = EXAMPLES.get(name, {})
    results = [run(name, image(), seed=seed, **keys).tobytes() for seed in [1, *range(1, 30)]]
    assert results[0] == results[1]
    is_random = name.startswith(('random', 'distort', 'cutout'))
    assert (len(set(results)) > 1) == is_random


@pytest.mark.parametrize('name', steps)
def test_every_step_says_what_it_does_and_its_defaults_are_what_its_keys_may_hold(name: str) -> None:
    assert inspect.getdoc(steps[name].function)
    for key, default in steps[name].defaults.items():
        steps[name].kinds[key].checked(list(default) if isinstance(default, tuple) else default, key)


def test_a_step_that_does_not_say_what_its_key_may_hold_is_refused_when_it_is_defined() -> None:
    def blur(image: object, shape: object, seed: object, *, radius: float = 1.0) -> object:
        return image

    with pytest.raises(TypeError, match=r'^the step blur does not say what its key radius may hold$'):
        augment.step('blur')(blur)
    assert 'blur' not in steps


def test_a_step_is_one_function_that_checks_itself_and_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, '_items', dict(steps._items))

    @augment.step('brighten', takes_any_size=True)
    def brighten(image: tf.Tensor, shape: augment.Shape, seed: tf.Tensor, *, levels: augment.Whole = 8) -> tf.Tensor:
        """image + levels"""
        return image + levels

    actions = [{'type': 'brighten', 'levels': 3.0}]
    assert check_steps(actions, 'here') == []
    assert augment.takes_any_size(actions)
    np.testing.assert_array_equal(augment.apply(tf.zeros([2]), (4, 5, 3), tf.zeros([2], 'int64'), actions), [3, 3])
    assert check_steps([{'type': 'brighten', 'levels': -1}], 'here') == [
        'here.0: brighten.levels is -1, expected a whole number from 0 up.'
    ]


def test_whole_numbers_written_with_a_point_are_whole_numbers() -> None:
    assert augment.keys_of({'type': 'random_crop', 'padding': 2.0}) == {'padding': 2, 'height': None, 'width': None}
    assert isinstance(augment.keys_of({'type': 'random_crop', 'padding': 2.0})['padding'], int)


def test_steps_of_one_image_draw_different_numbers() -> None:
    actions = [{'type': 'random_flip'}] * 2
    pixels = image()
    results = {
        augment.apply(tf.constant(pixels), (4, 5, 3), tf.constant([0, n], 'int64'), actions).numpy().tobytes()
        for n in range(20)
    }
    assert len(results) == 2  # the second mirror does not always undo the first


def test_apply_leaves_out_scratch_keys() -> None:
    outcomes = augment.apply(tf.constant(image()), (4, 5, 3), tf.zeros([2], 'int64'), [{'type': 'linear_map', '_note': 1}])
    np.testing.assert_array_equal(outcomes, image())


@pytest.mark.parametrize(
    ('actions', 'problem'),
    [
        ({'type': 'resize'}, 'here is {type: resize}, expected a list of steps such as {type: random_flip}.'),
        (['resize'], 'here.0 is resize, expected a mapping such as {type: random_flip}.'),
        ([{'scale': 1}], 'here.0 is {scale: 1}, expected a mapping such as {type: random_flip}.'),
        ([{'type': 'random_flop'}], 'here.0: unknown preprocessing step `random_flop`; did you mean random_flip? Known: '),
        (
            [{'type': 'linear_map', 'scle': 1}],
            'here.0: linear_map takes no `scle`; did you mean scale? (it takes scale, shift).',
        ),
        ([{'type': 'subtract_image_mean', 'x': 1}], 'here.0: subtract_image_mean takes no `x` (it takes no keys).'),
        ([{'type': 'subtract_channel_means'}], 'here.0: subtract_channel_means needs `means`.'),
        ([{'type': 'linear_map', 'scale': 'x'}], 'here.0: linear_map.scale is x, expected a number.'),
        ([{'type': 'linear_map', 'scale': math.nan}], 'here.0: linear_map.scale is .nan, expected a number.'),
        ([{'type': 'linear_map', 'shift': -math.inf}], 'here.0: linear_map.shift is -.inf, expected a number.'),
        ([{'type': 'permute_channels', 'order': [math.nan]}], 'here.0: permute_channels.order is [.nan], expected a list of'),
        ([{'type': 'linear_map', 'scale': True}], 'here.0: linear_map.scale is true, expected a number.'),
        ([{'type': 'central_crop', 'fraction': 1.5}], 'here.0: central_crop.fraction is 1.5, expected a number in (0, 1].'),
        ([{'type': 'random_crop', 'padding': -1}], 'here.0: random_crop.padding is -1, expected a whole number from 0 up.'),
        ([{'type': 'resize', 'height': 0}], 'here.0: resize.height is 0, expected a whole number from 1 up, or null.'),
        (
            [{'type': 'resize', 'method': 'cubic'}],
            'here.0: resize.method is cubic, expected one of area, bicubic, bilinear, gaussian, lanczos3, lanczos5, '
            'mitchellcubic, nearest; did you mean bicubic?',
        ),
        ([{'type': 'random_flip', 'vertical': 1}], 'here.0: random_flip.vertical is 1, expected true or false.'),
        ([{'type': 'distort_color', 'contrast': [2, 1]}], 'here.0: distort_color.contrast is [2, 1], expected a list of two '),
        (
            [{'type': 'permute_channels', 'order': [0, 0]}],
            'here.0: permute_channels.order is [0, 0], expected a list of channel',
        ),
        ([{'type': 'subtract_channel_means', 'means': 3}], 'here.0: subtract_channel_means.means is 3, expected a list '),
    ],
)
def test_wrong_steps_are_told(actions: Any, problem: str) -> None:
    outcomes = check_steps(actions, 'here')
    assert len(outcomes) == 1
    assert outcomes[0].startswith(problem)


def test_all_problems_of_all_steps_are_told_together() -> None:
    outcomes = check_steps([{'type': 'x'}, {'type': 'random_flip'}, {'type': 'normalize_channels', 'mean': [1]}], 'here')
    assert outcomes[0].startswith('here.0: unknown preprocessing step `x`')
    assert outcomes[1:] == [
        'here.2: normalize_channels takes no `mean`; did you mean means? (it takes means, stds).',
        'here.2: normalize_channels needs `means`.',
        'here.2: normalize_channels needs `stds`.',
    ]


def test_right_steps_have_no_problem() -> None:
    assert check_steps([{'type': name, '_scratch': 1} | EXAMPLES.get(name, {}) for name in steps], 'here') == []
