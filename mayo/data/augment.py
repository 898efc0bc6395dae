"""Preprocessing: one decoded image in, one image out, one function for each `type` in `dataset.task.preprocess`

    @step('NAME')
    def name(image [H, W, C] float32, shape, seed [2] int64, *, keys) -> image

`shape` is (height, width, channels) of what the network reads. The keyword-only arguments of a step are the keys that
it takes in YAML; their annotations say what they may hold, their defaults what they hold if nothing is said. Pixels are
0..255 until a step says otherwise. All randomness comes from `seed`: the same seed gives the same image, on any machine
and in any thread.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from mayo.util.errors import Problems, UserError, did_you_mean
from mayo.util.kinds import (
    ABOVE_ZERO,
    AMOUNT,
    FLAG,
    FRACTION,
    NUMBER,
    Kind,
    choice,
    each,
    is_number,
    or_null,
    shown,
    when,
    whole,
)
from mayo.util.lazy import lazy
from mayo.util.registry import Registry

tf = lazy('tensorflow')

Shape = tuple[int, int, int]
Function = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of preprocessing: its function, and whether it takes an image of any size to one that fits the network."""

    function: Function
    takes_any_size: bool = False

    @functools.cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """What each key may hold."""
        return {name: typing.get_args(parameter.annotation)[1] for name, parameter in self._keys.items()}

    @functools.cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The values of the keys that need not be given."""
        return {name: key.default for name, key in self._keys.items() if key.default is not key.empty}

    @functools.cached_property
    def _keys(self) -> Mapping[str, inspect.Parameter]:
        parameters = inspect.signature(self.function).parameters
        return {name: parameter for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}


steps: Registry[Step] = Registry('preprocessing step')


def step(name: str, takes_any_size: bool = False) -> Callable[[Function], Function]:
    """Decorator: enters a function as the step `name`.

    TypeError: an argument that is a key in YAML does not say of what `Kind` it is.
    """

    def enter(function: Function) -> Function:
        entry = Step(function, takes_any_size)
        for key, parameter in entry._keys.items():
            if not any(isinstance(argument, Kind) for argument in typing.get_args(parameter.annotation)):
                raise TypeError(f'the step {name} does not say what its key {key} may hold')
        steps.register(name)(entry)
        return function

    return enter


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and 0 <= value[0] <= value[1]


def _is_order(value: Any) -> bool:
    return isinstance(value, list) and all(map(whole(0).fits, value)) and sorted(value) == list(range(len(value)))


# What a key may hold
METHODS = ('area', 'bicubic', 'bilinear', 'gaussian', 'lanczos3', 'lanczos5', 'mitchellcubic', 'nearest')
METHODS_1 = ('area', 'bicubic', 'bilinear', 'nearest')  # of TensorFlow 1
Number = Annotated[float, NUMBER]
Fraction = Annotated[float, FRACTION]
Amount = Annotated[float, AMOUNT]
Above = Annotated[float, ABOVE_ZERO]
Whole = Annotated[int, whole(0)]
Size = Annotated[int | None, or_null(whole(1))]
Flag = Annotated[bool, FLAG]
Numbers = Annotated[Sequence[float], Kind('a list with a number for each channel', each(NUMBER).read)]
Range = Annotated[Sequence[float], when('a list of two numbers [least, most] from 0 up', _is_range)]
Order = Annotated[Sequence[int], when('a list of channel numbers, each once', _is_order)]
Method = Annotated[str, choice(*METHODS)]


def apply(image: Any, shape: Shape, seed: Any, actions: Sequence[Mapping[str, Any]]) -> Any:
    """`image` after all `actions`, mappings with `type` and its keys; each draws numbers of its own from `seed`."""
    for index, action in enumerate(actions):
        own_seed = seed + tf.constant([0, index << 40], 'int64')
        image = steps[action['type']].function(image, shape, own_seed, **keys_of(action))
    return image


def keys_of(action: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a step with its defaults: what its function takes. `check_steps` has found nothing wrong with it."""
    entry = steps[action['type']]
    given = {key: entry.kinds[key].read(value) for key, value in _given(action).items()}
    return {**entry.defaults, **given}


def _given(action: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in action.items() if key != 'type' and not key.startswith('_')}


def takes_any_size(actions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether `actions` are for photographs of any size: without a step that resizes they are for images that fit."""
    return any(steps[action['type']].takes_any_size for action in actions if action.get('type') in steps)


@step('crop_or_pad')
def crop_or_pad(image: Any, shape: Shape, seed: Any, *, height: Size = None, width: Size = None) -> Any:
    """The middle of the image, or the image amid zeros: `height` x `width`, by default what the network reads."""
    return tf.image.resize_with_crop_or_pad(image, height or shape[0], width or shape[1])


@step('central_crop')
def central_crop(image: Any, shape: Shape, seed: Any, *, fraction: Fraction = 0.875) -> Any:
    """The middle `fraction` of the height and of the width."""
    return tf.image.central_crop(image, fraction)


@step('random_crop')
def random_crop(image: Any, shape: Shape, seed: Any, *, padding: Whole = 0, height: Size = None, width: Size = None) -> Any:
    """Any part of the image padded with zeros all round: `height` x `width`, by default what the network reads."""
    size = height or shape[0], width or shape[1]
    if padding:
        image = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    return tf.image.stateless_random_crop(image, [*size, image.shape[-1]], seed)


@step('resize', takes_any_size=True)
def resize(
    image: Any,
    shape: Shape,
    seed: Any,
    *,
    height: Size = None,
    width: Size = None,
    shorter_side: Size = None,
    method: Method = 'bilinear',
    antialias: Flag = False,
    half_pixel: Flag = True,
    fill: Flag = False,
) -> Any:
    """The image stretched to `height` x `width`, by default what the network reads, or in proportion to `shorter_side`.

    Row i of the result is row (i + 1/2) scale - 1/2 of the image; without `half_pixel`, as in TensorFlow 1, row i scale.
    fill: the largest middle part of the image that has the proportions of the result is stretched, so that nothing is distorted.
    """
    size: Any = height or shape[0], width or shape[1]
    if fill:
        image = _in_proportion(image, *size)
    if shorter_side:
        now = tf.shape(image)[:2]
        size = tf.cast(tf.math.round(now * shorter_side / tf.reduce_min(now)), 'int32')
    return _resized(image, size, method, half_pixel, antialias)


def fitted(steps: Sequence[Mapping[str, Any]], shape: Shape, size: tuple[int, int]) -> tuple[Mapping[str, Any], ...]:
    """`steps` for an image of `size`, (height, width), that nobody made fit: photographs, where the steps are for images that fit.

    One that is larger than what the network reads is shrunk first, in proportion, unless the steps take images of any size.
    """
    side = max(shape[:2])
    if min(size) <= side or takes_any_size(steps):
        return tuple(steps)
    return ({'type': 'resize', 'shorter_side': side, 'antialias': True}, *steps)


def resized_size(now: tuple[int, int], shape: Shape, keys: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) to which `resize` with these keys, `fill` aside, takes an image of such a size."""
    if keys['shorter_side']:
        high, wide = (round(side * keys['shorter_side'] / min(now)) for side in now)
        return high, wide
    return keys['height'] or shape[0], keys['width'] or shape[1]


def resizing(before: int, after: int, method: str, half_pixel: bool = True, antialias: bool = False) -> Any:
    """[after, before] float32: the matrix that makes `after` rows of `before`, since every method is linear in each direction.

    resized[..., c] = resizing(rows) @ image[..., c] @ resizing(columns)^T
    """
    with tf.init_scope():  # a constant, also while a function is traced
        # Image n is black but for row n. It is two pixels wide: where neither side changed, TensorFlow would leave it as it is.
        rows = tf.tile(tf.reshape(tf.eye(before), [before, before, 1, 1]), [1, 1, 2, 1])
        return tf.transpose(_resized(rows, (after, 1), method, half_pixel, antialias)[:, :, 0, 0]).numpy()


def _in_proportion(image: Any, height: int, width: int) -> Any:
    """The middle of an image [h, w, C] that is as high for its width as `height` is for `width`.

    w' = min(round(h width / height), w),  h' = min(round(w' height / width), h)
    """
    high, wide = tf.unstack(tf.cast(tf.shape(image)[:2], 'float64'))
    part_wide = tf.minimum(tf.round(high * (width / height)), wide)
    part_high = tf.minimum(tf.round(part_wide / (width / height)), high)
    return tf.image.resize_with_crop_or_pad(image, tf.cast(part_high, 'int32'), tf.cast(part_wide, 'int32'))


@step('ensure_shape', takes_any_size=True)
def ensure_shape(image: Any, shape: Shape, seed: Any) -> Any:
    """What the network reads, of any image: the last step of the original Mayo, which nobody had to write down.

    Three channels become one, 0.2989 R + 0.587 G + 0.114 B, and one becomes as many as are wanted; then an image of another
    size is resized as `resize` with `fill` does, without `half_pixel`.
    """
    channels = image.shape[-1]
    if channels != shape[2]:
        if shape[2] == 1 and channels == 3:
            image = tf.image.rgb_to_grayscale(image)
        elif channels == 1:
            image = tf.repeat(image, shape[2], -1)
        else:
            raise UserError(f'an image of {channels} channels, but the network reads {shape[2]}.')
    return resize(image, shape, seed, half_pixel=False, fill=True)


def _resized(image: Any, size: Any, method: str, half_pixel: bool, antialias: bool = False) -> Any:
    if half_pixel:
        return tf.image.resize(image, size, method, antialias=antialias)
    if method not in METHODS_1 or antialias:
        raise UserError(f'half_pixel: false goes with the methods {", ".join(METHODS_1)}, and not with antialias.')
    return tf.compat.v1.image.resize(image, size, method, align_corners=False)


@step('distort_bbox', takes_any_size=True)
def distort_bbox(
    image: Any,
    shape: Shape,
    seed: Any,
    *,
    area_range: Range = (0.05, 1.0),
    aspect_ratio_range: Range = (0.75, 1.33),
    max_attempts: Whole = 100,
    method: Method = 'bilinear',
    half_pixel: Flag = True,
) -> Any:
    """A part with a random share of the area and a random aspect ratio, resized to what the network reads."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros([1, 0, 4]),
        seed,
        min_object_covered=0.1,
        area_range=area_range,
        aspect_ratio_range=aspect_ratio_range,
        max_attempts=max_attempts,
        use_image_if_no_bounding_boxes=True,
    )
    part = tf.ensure_shape(tf.slice(image, begin, size), [None, None, image.shape[-1]])
    return _resized(part, shape[:2], method, half_pixel)


@step('random_flip')
def random_flip(image: Any, shape: Shape, seed: Any, *, horizontal: Flag = True, vertical: Flag = False) -> Any:
    """The image or, half of the time, its mirror image: left to right, upside down, or each by its own chance."""
    if horizontal:
        image = tf.image.stateless_random_flip_left_right(image, seed)
    if vertical:
        image = tf.image.stateless_random_flip_up_down(image, seed + tf.constant([0, 1 << 39], 'int64'))
    return image


@step('cutout')
def cutout(image: Any, shape: Shape, seed: Any, *, size: Whole = 16, value: Number = 127.5) -> Any:
    """The image with a square of `size` x `size` pixels painted over with `value`, its middle anywhere in the image.

    Near the border a part of the square falls outside. https://arxiv.org/abs/1708.04552, section 3.2
    """
    extent = tf.shape(image)[:2]
    corner = tf.cast(tf.random.stateless_uniform([2], seed) * tf.cast(extent, 'float32'), 'int32') - size // 2
    rows, columns = tf.range(extent[0]) - corner[0], tf.range(extent[1]) - corner[1]
    inside = ((rows >= 0) & (rows < size))[:, None] & ((columns >= 0) & (columns < size))
    return tf.where(inside[..., None], value, image)


@step('distort_color')
def distort_color(
    image: Any,
    shape: Shape,
    seed: Any,
    *,
    brightness: Amount = 32.0,
    saturation: Range = (0.5, 1.5),
    hue: Amount = 0.2,
    contrast: Range = (0.5, 1.5),
    most: Above = 255.0,
) -> Any:
    """Shift brightness and hue by up to so much either way, scale saturation and contrast; then clip to 0..`most`.

    brightness is in pixel levels, hue in turns of the colour circle; in the order of the arguments. An image of one channel
    has neither saturation nor hue.
    """
    shift, saturate, turn, contrasted = tf.unstack(tf.random.stateless_uniform([4], seed))
    image = image + brightness * (2 * shift - 1)
    if image.shape[-1] == 3:
        image = tf.image.adjust_saturation(image, _between(saturation, saturate))
        image = tf.image.adjust_hue(image, hue * (2 * turn - 1))
    image = tf.image.adjust_contrast(image, _between(contrast, contrasted))
    return tf.clip_by_value(image, 0.0, most)


def _between(limits: Sequence[float], share: Any) -> Any:
    return limits[0] + (limits[1] - limits[0]) * share


@step('linear_map')
def linear_map(image: Any, shape: Shape, seed: Any, *, scale: Number = 1.0, shift: Number = 0.0) -> Any:
    """image * scale + shift"""
    return image * scale + shift


@step('subtract_channel_means')
def subtract_channel_means(image: Any, shape: Shape, seed: Any, *, means: Numbers) -> Any:
    """image - means, a number for each channel."""
    return image - means


@step('normalize_channels')
def normalize_channels(image: Any, shape: Shape, seed: Any, *, means: Numbers, stds: Numbers) -> Any:
    """(image - means) / stds, a number for each channel."""
    return (image - means) / stds


@step('subtract_image_mean')
def subtract_image_mean(image: Any, shape: Shape, seed: Any) -> Any:
    """image - the mean of all its values."""
    return image - tf.reduce_mean(image)


@step('standardize_image')
def standardize_image(image: Any, shape: Shape, seed: Any) -> Any:
    """(image - mean) / max(deviation, 1 / sqrt(number of values)), both over all values of the image."""
    return tf.image.per_image_standardization(image)


@step('permute_channels')
def permute_channels(image: Any, shape: Shape, seed: Any, *, order: Order = (2, 1, 0)) -> Any:
    """Channel n of the result is channel order[n] of the image; the default turns RGB into BGR."""
    return tf.gather(image, order, axis=-1)


def check_steps(actions: object, where: str) -> list[str]:
    """Everything wrong with a list of steps, a line each; empty if nothing is. Needs no TensorFlow."""
    if not isinstance(actions, list):
        return [f'{where} is {shown(actions)}, expected a list of steps such as {{type: random_flip}}.']
    problems = Problems()
    for index, action in enumerate(actions):
        with problems.collecting():
            _check_step(action, f'{where}.{index}')
    return [line for problem in problems for line in problem.splitlines()]


def _check_step(action: object, where: str) -> None:
    if not isinstance(action, Mapping) or not isinstance(action.get('type'), str):
        raise UserError(f'{where} is {shown(action)}, expected a mapping such as {{type: random_flip}}.')
    name = action['type']
    try:
        entry = steps[name]
    except UserError as error:
        raise UserError(f'{where}: {error}') from None
    given = _given(action)
    problems = Problems(
        f'{where}: {name} takes no `{key}`{did_you_mean(key, entry.kinds)} (it takes {", ".join(entry.kinds) or "no keys"}).'
        for key in given
        if key not in entry.kinds
    )
    problems += [f'{where}: {name} needs `{key}`.' for key in entry.kinds if key not in entry.defaults and key not in given]
    for key, kind in entry.kinds.items():
        if key in given:
            with problems.collecting():
                kind.checked(given[key], f'{where}: {name}.{key}')
    problems.raise_any()
