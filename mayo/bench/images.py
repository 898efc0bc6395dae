"""Random images that gates tell apart."""

from collections.abc import Sequence

import numpy as np

PATCHES = 4  # a side


def random_images(count: int, dims: Sequence[int], seed: int = 0) -> np.ndarray:
    """[count, H, W, C] float32: a colour, patches and noise for each image, normal with variance 1 each.

    Noise alone would have one mean for all images, and gates, which read means, one mask.
    """
    height, width, channels = dims
    random = np.random.default_rng(seed)
    colour = random.standard_normal((count, 1, 1, channels))
    patches = random.standard_normal((count, PATCHES, PATCHES, channels))
    rows, columns = (np.arange(size) * PATCHES // size for size in (height, width))
    noise = random.standard_normal((count, height, width, channels))
    return (colour + patches[:, rows][:, :, columns] + noise).astype(np.float32)
