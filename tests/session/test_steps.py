"""What an image goes through: steps of today, of the original Mayo, and one after the other. Numbers by NumPy."""

import itertools
import logging
from typing import Any

import numpy as np
import pytest

from mayo.config import Config
from mayo.session.steps import decoded_channels, step_problems, steps_of

SHAPE = '{height: 4, width: 6, channels: 3}'
OLD_MODEL = f'_x: tensorflow.nn.relu\nmodel.graph: {{}}\ndataset.task.preprocess.shape: {SHAPE}'
NEW_MODEL = f'model.graph: {{}}\ndataset.task.preprocess.shape: {SHAPE}'
OLD_DATASET = 'dataset.task.type: mayo.task.image.Classify'
FINAL = {'type': 'linear_map', 'scale': 2, 'shift': -1}
TO_ONE, TO_255 = ({'type': 'linear_map', 'scale': scale} for scale in (1 / 255, 255.0))
ENSURE = {'type': 'ensure_shape'}


def configuration(*texts: str) -> Config:
    config = Config.default()
    for number, text in enumerate(texts):
        config.merge_text(text, f'{number}.yaml')
    return config


def after(config: Config, image: Any, mode: str = 'validate') -> Any:
    import tensorflow as tf

    from mayo.data.augment import apply

    shape = tuple(config.get('dataset.task.preprocess.shape')[side] for side in ('height', 'width', 'channels'))
    return apply(tf.constant(image, tf.float32), shape, tf.zeros([2], 'int64'), steps_of(config, mode)).numpy()


def preprocess(**steps: str) -> str:
    return f'\ndataset.task.preprocess: {{{", ".join(f"{key}: {value}" for key, value in steps.items())}}}'


@pytest.mark.parametrize(
    ('texts', 'steps'),
    [
        ([OLD_MODEL + preprocess(final_cpu='{type: linear_map, scale: 2, shift: -1}')], [TO_ONE, FINAL, ENSURE]),
        ([OLD_MODEL], [TO_ONE, ENSURE]),
        ([OLD_MODEL + preprocess(validate='null', final_cpu='null', final_gpu='null')], [TO_ONE, ENSURE]),
        ([NEW_MODEL], []),
        ([NEW_MODEL + preprocess(final='[{type: random_flip}]')], [{'type': 'random_flip'}]),
        # a dataset of ours with a model of the original
        ([preprocess(validate='[{type: cutout}]'), OLD_MODEL], [{'type': 'cutout'}, TO_ONE, ENSURE]),
        # and the reverse: pixels are 0..255 again
        (
            [OLD_DATASET + preprocess(validate='[{type: random_flip}]'), NEW_MODEL],
            [TO_ONE, {'type': 'random_flip'}, TO_255, ENSURE],
        ),
        (
            [OLD_DATASET + preprocess(validate='{type: random_flip}'), NEW_MODEL + preprocess(final='[{type: cutout}]')],
            [TO_ONE, {'type': 'random_flip'}, TO_255, {'type': 'cutout'}, ENSURE],
        ),
        # an overlay of ours on a model of the original
        ([OLD_MODEL + preprocess(final_cpu='{type: a}'), preprocess(final='[{type: cutout}]')], [{'type': 'cutout'}, ENSURE]),
        # a batch is made after the CPU's part, and nothing can make images fit after that
        (
            [OLD_MODEL + preprocess(final_cpu='[{type: random_flip}]', final_gpu='[{type: permute_channels}]')],
            [TO_ONE, {'type': 'random_flip'}, ENSURE, {'type': 'permute_channels'}],
        ),
        ([OLD_MODEL + preprocess(final_gpu='{type: random_flip}')], [ENSURE, TO_ONE, {'type': 'random_flip'}]),
    ],
)
def test_steps_of_either_kind_get_the_pixels_that_they_count_on(texts: list[str], steps: list[Any]) -> None:
    assert list(steps_of(configuration(*texts), 'validate')) == steps


def test_it_is_the_same_when_the_configuration_is_read_again_as_a_checkpoint_keeps_it() -> None:
    config = configuration(
        OLD_DATASET + preprocess(train='[{type: distort_color}]'), OLD_MODEL + preprocess(final_gpu='{type: random_flip}')
    )
    assert steps_of(configuration(config.to_yaml()), 'train') == steps_of(config, 'train')


@pytest.mark.parametrize(
    ('old', 'today'),
    [
        ('{type: resize, fill: true}', {'half_pixel': False, 'type': 'resize', 'fill': True}),
        ('{type: resize, half_pixel: true}', {'half_pixel': True, 'type': 'resize'}),
        ('{type: resize, method: lanczos3}', {'type': 'resize', 'method': 'lanczos3'}),
        ('{type: random_crop, height: 3}', {'type': 'random_crop'}),
        ('{type: crop_or_pad, height: 3, width: 2}', {'type': 'crop_or_pad', 'height': 3, 'width': 2}),
        (
            '{type: distort_bbox, area: [0.1, 1], aspect_ratio: [1, 2]}',
            {'half_pixel': False, 'type': 'distort_bbox', 'area_range': [0.1, 1], 'aspect_ratio_range': [1, 2]},
        ),
        ('{type: distort_color}', {'brightness': 32 / 255, 'most': 1.0, 'type': 'distort_color'}),
    ],
)
def test_a_step_of_the_original_is_written_out_as_one_of_today(old: str, today: Any) -> None:
    config = configuration(OLD_MODEL + preprocess(validate=old))
    assert steps_of(config, 'validate')[1] == today
    assert step_problems(config, 'validate') == []


def test_a_step_of_today_is_left_as_it_is() -> None:
    config = configuration(NEW_MODEL + preprocess(validate='[{type: resize}, {type: distort_color}]'))
    assert list(steps_of(config, 'validate')) == [{'type': 'resize'}, {'type': 'distort_color'}]


def test_what_is_wrong_with_a_step_is_told_with_its_place() -> None:
    config = configuration(OLD_MODEL + preprocess(validate='[{type: resize, filll: true}]', final_cpu='7'))
    lines = step_problems(config, 'validate')
    assert lines[0].startswith('0.yaml:4: dataset.task.preprocess.validate.0: resize takes no `filll`; did you mean fill?')
    assert lines[1].startswith('0.yaml:4: dataset.task.preprocess.final.cpu is 7, expected a list of steps')


def test_text_names_the_key_beside_that_has_the_steps() -> None:
    scratch = preprocess(_usual='[{type: linear_map, scale: 2.0, shift: -1.0}]', final_cpu='!arith "\'_usual\'"')
    assert steps_of(configuration(OLD_MODEL + scratch), 'validate')[1]['scale'] == 2.0


MOMENT = '\ndataset.task.moment: {mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 0.125]}'
MEAN, STD = [0.1, 0.2, 0.3], [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ('moment', 'step', 'mean', 'std'),
    [
        (MOMENT, 'normalize_channels', MEAN, STD),
        (MOMENT, 'subtract_channel_means', MEAN, 1),
        ('', 'normalize_channels', 0.5, 1),
        ('', 'subtract_channel_means', 0.5, 1),
        ('\ndataset.task.moment.mean: [0.1, 0.2, 0.3]', 'normalize_channels', MEAN, 1),
        (MOMENT, 'subtract_channel_means, means: [1, 1, 1]', 1, 1),
    ],
)
def test_the_moments_of_the_dataset_are_the_defaults_of_two_steps(moment: str, step: str, mean: Any, std: Any) -> None:
    config = configuration(OLD_MODEL + moment + preprocess(final_cpu=f'{{type: {step}}}'))
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.float32)
    expected = (image / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(after(config, image), expected, atol=1e-5)


def test_moments_that_nothing_says_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, 'mayo'):
        steps_of(configuration(OLD_MODEL + preprocess(final_cpu='{type: normalize_channels}')), 'validate')
    assert [entry.getMessage() for entry in caplog.records] == [
        'dataset.task.moment.mean is not set: the step {type: normalize_channels} takes 0.5 of each channel'
    ]


def test_pixels_of_the_original_are_0_to_1() -> None:
    config = configuration(OLD_MODEL + preprocess(final_cpu='{type: linear_map, scale: 2.0, shift: -1.0}'))
    image = np.arange(72).reshape(4, 6, 3) * 3.5
    np.testing.assert_allclose(after(config, image), image / 255 * 2 - 1, atol=1e-6)


def bilinear(image: Any, height: int, width: int) -> Any:
    """As TensorFlow 1 did: row i of the result is row i * h / height of the image."""
    (high, wide), result = image.shape[:2], np.zeros((height, width, image.shape[2]))
    for row, column in itertools.product(range(height), range(width)):
        y, x = row * high / height, column * wide / width
        top, left = int(y), int(x)
        bottom, right = min(top + 1, high - 1), min(left + 1, wide - 1)
        upper = image[top, left] + (image[top, right] - image[top, left]) * (x - left)
        lower = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * (x - left)
        result[row, column] = upper + (lower - upper) * (y - top)
    return result


@pytest.mark.parametrize('size', [(4, 6), (9, 9), (20, 7), (7, 20), (3, 3), (5, 6), (1, 1), (40, 61)])
def test_an_image_of_any_size_is_cut_to_the_proportions_and_resized(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).uniform(0, 255, (*size, 3)).astype(np.float32)
    high, wide = size
    part_wide = min(round(high * 6 / 4), wide)
    part_high = min(round(part_wide / (6 / 4)), high)
    top, left = (high - part_high) // 2, (wide - part_wide) // 2
    part = image[top : top + part_high, left : left + part_wide]
    expected = bilinear(part, 4, 6) / 255
    np.testing.assert_allclose(after(configuration(OLD_MODEL), image), expected, atol=1e-5)
    filled = configuration(NEW_MODEL + preprocess(final='[{type: resize, fill: true, half_pixel: false}]'))
    np.testing.assert_allclose(after(filled, image), expected * 255, atol=1e-3)


def test_channels_are_made_to_fit() -> None:
    colour = np.random.default_rng(2).uniform(0, 255, (4, 6, 3)).astype(np.float32)
    config = configuration(OLD_MODEL.replace('channels: 3', 'channels: 1') + '\ndataset.task.shape.channels: 3')
    assert decoded_channels(config, 1) == 3
    np.testing.assert_allclose(after(config, colour)[..., 0], colour @ np.array([0.2989, 0.587, 0.114]) / 255, atol=1e-5)
    config = configuration(OLD_MODEL + '\ndataset.task.shape: {height: 32, width: 32, channels: 1}')
    assert decoded_channels(config, 3) == 1
    np.testing.assert_allclose(after(config, colour[..., :1]), np.repeat(colour[..., :1], 3, -1) / 255, atol=1e-5)
    assert decoded_channels(configuration(NEW_MODEL + '\ndataset.task.shape.channels: 1'), 3) == 3


def test_colours_are_distorted_in_0_to_1_as_they_are_in_0_to_255() -> None:
    image = np.random.default_rng(3).uniform(0, 255, (4, 6, 3)).astype(np.float32)
    old = configuration(OLD_MODEL + preprocess(train='[{type: random_flip}, {type: distort_color}]'))
    new = configuration(NEW_MODEL + preprocess(train='[{type: linear_map}, {type: random_flip}, {type: distort_color}]'))
    distorted = after(old, image, 'train')
    np.testing.assert_allclose(distorted, after(new, image, 'train') / 255, atol=1e-4)
    assert np.abs(distorted - image / 255).max() > 0.05
    grey = configuration(OLD_MODEL.replace('channels: 3', 'channels: 1') + preprocess(train='[{type: distort_color}]'))
    assert after(grey, image[..., :1], 'train').shape == (4, 6, 1)
