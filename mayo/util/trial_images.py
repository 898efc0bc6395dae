"""Random images on which networks are compared and timed, and how many different channels gates chose for them."""

from collections.abc import Sequence

import numpy as np

PATCHES = 4  # a side
MIDDLE, SPREAD = 128, 40  # of a byte: what 0 and 1 become


def random_images(count: int, dims: Sequence[int], seed: int = 0) -> np.ndarray:
    """[count, H, W, C] float32: a colour, patches and noise for each image, normal with variance 1 each.

    Noise alone would have the same mean in all images, and gates, which read means, would choose the same channels for all.
    """
    height, width, channels = dims
    random = np.random.default_rng(seed)
    colour = random.standard_normal((count, 1, 1, channels))
    patches = random.standard_normal((count, PATCHES, PATCHES, channels))
    rows, columns = (np.arange(size) * PATCHES // size for size in (height, width))
    noise = random.standard_normal((count, height, width, channels))
    return (colour + patches[:, rows][:, :, columns] + noise).astype(np.float32)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Random images as pictures hold them, uint8.

    >>> as_bytes(np.array([0, 1, -2.5, 9]))
    array([128, 168,  28, 255], dtype=uint8)
    """
    return np.clip(MIDDLE + SPREAD * images, 0, 255).astype(np.uint8)


def choices(masks: Sequence[np.ndarray]) -> list[bytes]:
    """What the gates chose for each image: equal for two images if every gate chose the same channels for both.

    masks: of each gate, [N, ..., C]; above 0 is active. At least one gate.

    >>> first, second, third = choices([np.array([[1, 0], [0, 1], [1, 0]])])
    >>> first == third, first == second
    (True, False)
    """
    active = np.concatenate([mask.reshape(len(mask), -1) > 0 for mask in masks], axis=1)
    return [image.tobytes() for image in active]
