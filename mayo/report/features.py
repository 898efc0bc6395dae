"""What a layer makes of images: its channels as small maps, a row for each image."""

from typing import Any

import numpy as np

from mayo.report.page import Picture
from mayo.util import picture

MOST = 16  # channels of a row


def features(name: str, pixels: np.ndarray, maps: np.ndarray) -> Picture:
    """pixels: [N, H, W, channels] as the network reads them; maps: [N, H', W', C], the output of the layer."""
    shown = maps[..., :MOST].astype(np.float64)
    count, columns = len(shown), shown.shape[-1]
    figure = picture.figure(0.75 * (columns + 1) + 0.3, 0.75 * count + 0.9)
    rows = figure.subplots(count, columns + 1, squeeze=False)
    low, high = float(shown.min()), float(shown.max())
    for axes, image, own in zip(rows, pixels, shown, strict=True):
        _image(axes[0], image, float(pixels.min()), float(pixels.max()))
        for channel, place in enumerate(axes[1:]):
            _map(place, own[..., channel], low, high)
    rows[0, 0].set_title('image', fontsize='small')
    for channel, place in enumerate(rows[0, 1:]):
        place.set_title(str(channel), fontsize='small')
    more = f', the first {columns} of {maps.shape[-1]} channels' if maps.shape[-1] > columns else ''
    return Picture(
        f'features-{name.replace("/", ".")}',
        'What layers make of images',
        f'{name}: its output',
        f'{name}{more}: its output for {count} validation images, a row each, channels across. Black is {low:.4g}, white {high:.4g}.',
        figure,
    )


def _image(axes: Any, pixels: np.ndarray, low: float, high: float) -> None:
    scaled = (pixels - low) / max(high - low, 1e-9)
    axes.imshow(scaled if scaled.shape[-1] == 3 else scaled[..., 0], cmap='gray', vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


def _map(axes: Any, values: np.ndarray, low: float, high: float) -> None:
    axes.imshow(values, cmap='gray', vmin=low, vmax=max(high, low + 1e-9))
    axes.set(xticks=[], yticks=[])
