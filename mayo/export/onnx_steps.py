"""Preprocessing steps in ONNX: those of mayo.data.augment that need no chance, on an image of known size.

    step(writer, image, dims, shape, *, keys of the step) -> image, dims

image: the name of [1, H, W, C] float32; dims: its (H, W, C); shape: of what the network reads.
"""

import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mayo.data.augment import keys_of, resizing
from mayo.util.registry import Registry

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact.onnx_writer import Writer

Dims = tuple[int, int, int]
Step = Callable[..., tuple[str, Dims]]
steps: Registry[Step] = Registry('preprocessing step in ONNX')
GREY = (0.2989, 0.587, 0.114)  # of red, green and blue, as tf.image.rgb_to_grayscale weighs them


def refuse(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """The steps that cannot be written, a line each."""
    return [f'has no preprocessing step `{step["type"]}`.' for step in given if step['type'] not in steps]


def write(writer: 'Writer', image: str, dims: Dims, shape: Dims, step: Mapping[str, Any]) -> tuple[str, Dims]:
    """The image after one step, and its dims."""
    return steps[step['type']](writer, image, dims, shape, **keys_of(step))


@steps.register('crop_or_pad')
def crop_or_pad(
    writer: 'Writer', image: str, dims: Dims, shape: Dims, *, height: int | None, width: int | None
) -> tuple[str, Dims]:
    """First cropped, then padded, each in the middle."""
    wanted = height or shape[0], width or shape[1]
    starts = [max((now - then) // 2, 0) for now, then in zip(dims[:2], wanted, strict=True)]
    kept = [min(now, then) for now, then in zip(dims[:2], wanted, strict=True)]
    image = _slice(writer, image, dims, starts, kept)
    missing = [then - now for now, then in zip(kept, wanted, strict=True)]
    if any(missing):
        before = [side // 2 for side in missing]
        after = [side - first for side, first in zip(missing, before, strict=True)]
        image = writer.add('Pad', image, writer.integers(0, *before, 0, 0, *after, 0))
    return image, (*wanted, dims[2])


@steps.register('central_crop')
def central_crop(writer: 'Writer', image: str, dims: Dims, shape: Dims, *, fraction: float) -> tuple[str, Dims]:
    """The borders are whole numbers, rounded down."""
    starts = [int((side - side * fraction) / 2) for side in dims[:2]]
    height, width = (side - 2 * start for side, start in zip(dims[:2], starts, strict=True))
    return _slice(writer, image, dims, starts, [height, width]), (height, width, dims[2])


@steps.register('resize')
def resize(
    writer: 'Writer',
    image: str,
    dims: Dims,
    shape: Dims,
    *,
    height: int | None,
    width: int | None,
    shorter_side: int | None,
    method: str,
    antialias: bool,
    half_pixel: bool,
    fill: bool,
) -> tuple[str, Dims]:
    """Pixels are squares, whose middles count, or with `half_pixel` false their upper left corners.

    ONNX's own `Resize` serves where it is TensorFlow's; elsewhere products with constant matrices are exact.
    """
    wanted = height or shape[0], width or shape[1]
    if fill:
        ratio = wanted[1] / wanted[0]
        part_wide = min(round(dims[0] * ratio), dims[1])
        part_high = min(round(part_wide / ratio), dims[0])
        image, dims = crop_or_pad(writer, image, dims, shape, height=part_high, width=part_wide)
    if shorter_side:
        wanted = round(dims[0] * shorter_side / min(dims[:2])), round(dims[1] * shorter_side / min(dims[:2]))
    if wanted != dims[:2] and method == 'nearest':
        for axis, (before, after) in enumerate(zip(dims[:2], wanted, strict=True), 1):
            index = writer.constant(_nearest(before, after, half_pixel), np.int64)
            image = writer.add('Gather', image, index, axis=axis)
    elif wanted != dims[:2] and (method != 'bilinear' or antialias):
        rows, columns = (
            writer.constant(resizing(before, after, method, half_pixel, antialias))
            for before, after in zip(dims[:2], wanted, strict=True)
        )
        flat = writer.add('Reshape', image, writer.integers(dims[0], dims[1] * dims[2]))
        shrunk = writer.add('Reshape', writer.add('MatMul', rows, flat), writer.integers(wanted[0], *dims[1:]))
        image = writer.add('Reshape', writer.add('MatMul', columns, shrunk), writer.integers(1, *wanted, dims[2]))
    elif wanted != dims[:2]:
        coordinates = 'half_pixel' if half_pixel else 'asymmetric'
        sizes = writer.integers(1, *wanted, dims[2])
        image = writer.add('Resize', image, '', '', sizes, mode='linear', coordinate_transformation_mode=coordinates)
    return image, (*wanted, dims[2])


@steps.register('ensure_shape')
def ensure_shape(writer: 'Writer', image: str, dims: Dims, shape: Dims) -> tuple[str, Dims]:
    """Grey of colours, or as many channels as the network reads of a grey one; then resized without distortion."""
    if dims[2] == 3 and shape[2] == 1:
        weights = writer.constant(np.reshape(GREY, (3, 1)))
        image, dims = writer.add('MatMul', image, weights), (*dims[:2], 1)
    elif dims[2] == 1 and shape[2] != 1:
        image = writer.add('Concat', *[image] * shape[2], axis=3)
        dims = (*dims[:2], shape[2])
    return resize(
        writer,
        image,
        dims,
        shape,
        height=None,
        width=None,
        shorter_side=None,
        method='bilinear',
        antialias=False,
        half_pixel=False,
        fill=True,
    )


def _nearest(before: int, after: int, half_pixel: bool) -> np.ndarray:
    """Which of `before` rows each of `after` rows is, in the single precision that TensorFlow computes it in.

    ONNX's own `Resize` divides where TensorFlow multiplies, which for some sizes gives the row beside it.
    """
    scale = np.float32(before) / np.float32(after)
    middle = np.arange(after, dtype=np.float32) + np.float32(0.5 if half_pixel else 0)
    return np.minimum(np.floor(middle * scale), before - 1).astype(np.int64)


@steps.register('linear_map')
def linear_map(writer: 'Writer', image: str, dims: Dims, shape: Dims, *, scale: float, shift: float) -> tuple[str, Dims]:
    """image * scale + shift"""
    return writer.add('Add', writer.add('Mul', image, writer.constant(scale)), writer.constant(shift)), dims


@steps.register('subtract_channel_means')
def subtract_channel_means(
    writer: 'Writer', image: str, dims: Dims, shape: Dims, *, means: Sequence[float]
) -> tuple[str, Dims]:
    """image - means"""
    return writer.add('Sub', image, writer.constant(means)), dims


@steps.register('normalize_channels')
def normalize_channels(
    writer: 'Writer', image: str, dims: Dims, shape: Dims, *, means: Sequence[float], stds: Sequence[float]
) -> tuple[str, Dims]:
    """(image - means) / stds"""
    return writer.add('Div', writer.add('Sub', image, writer.constant(means)), writer.constant(stds)), dims


@steps.register('subtract_image_mean')
def subtract_image_mean(writer: 'Writer', image: str, dims: Dims, shape: Dims) -> tuple[str, Dims]:
    """image - its mean"""
    return writer.add('Sub', image, writer.add('ReduceMean', image, axes=[1, 2, 3])), dims


@steps.register('standardize_image')
def standardize_image(writer: 'Writer', image: str, dims: Dims, shape: Dims) -> tuple[str, Dims]:
    """(image - mean) / max(deviation, 1 / sqrt(number of values))"""
    centred, _ = subtract_image_mean(writer, image, dims, shape)
    variance = writer.add('ReduceMean', writer.add('Mul', centred, centred), axes=[1, 2, 3])
    deviation = writer.add('Max', writer.add('Sqrt', variance), writer.constant(1 / np.sqrt(np.prod(dims))))
    return writer.add('Div', centred, deviation), dims


@steps.register('permute_channels')
def permute_channels(writer: 'Writer', image: str, dims: Dims, shape: Dims, *, order: Sequence[int]) -> tuple[str, Dims]:
    """Channel n of the result is channel order[n]."""
    return writer.add('Gather', image, writer.integers(*order), axis=3), dims


def _slice(writer: 'Writer', image: str, dims: Dims, starts: Sequence[int], sizes: Sequence[int]) -> str:
    """From `starts` on, so many rows and columns."""
    if tuple(sizes) == dims[:2]:
        return image
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    return writer.add('Slice', image, writer.integers(*starts), writer.integers(*ends), writer.integers(1, 2))
