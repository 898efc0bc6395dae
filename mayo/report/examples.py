"""Pictures of the images that used a layer least and most."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mayo.report.page import Picture
from mayo.util import picture

NAME = 14  # letters of a class name with room below an image


class Example(Protocol):
    """mayo.session.gate_use.Example."""

    @property
    def pixels(self) -> np.ndarray:
        """[H, W, channels]."""

    @property
    def label(self) -> int:
        """The class."""

    @property
    def active(self) -> float:
        """Channels."""

    @property
    def strength(self) -> float:
        """Sum of the saliencies of the active channels."""


def examples(name: str, channels: int, fewest: Sequence[Example], most: Sequence[Example], classes: Sequence[str]) -> Picture:
    """A row of either, the extremes first."""
    count = max(len(fewest), len(most))
    figure = picture.figure(1.25 * count + 0.4, 4.5)
    rows = figure.subplots(2, count, squeeze=False)
    low, high = _range([*fewest, *most])
    for axes, chosen, extreme in zip(rows, (fewest, most), ('used least', 'used most'), strict=True):
        for place in axes[len(chosen) :]:
            place.set_axis_off()
        for place, example in zip(axes, chosen, strict=False):
            _show(place, example, low, high)
            place.set_xlabel(_caption_of(example, classes), fontsize='small')
        axes[0].set_title(f'{name} {extreme}', loc='left')
    varies = len({example.active for example in [*fewest, *most]}) > 1
    ordered = (
        'by how many of its channels are active'
        if varies
        else (
            'by the sum of the saliencies of the active channels, as every one of them used '
            f'{most[0].active:g} of {channels} channels'
        )
    )
    return Picture(
        f'examples-{name}',
        'Which images use a layer least and most',
        f'Images that use {name} least and most',
        (
            f'The validation images that used {name} least (above, the least first) and most (below, the most first), ordered '
            f'{ordered}. Below each: its class, its active channels, and the sum of their saliencies.'
        ),
        figure,
    )


def _show(axes: Any, example: Example, low: float, high: float) -> None:
    pixels = np.clip((example.pixels - low) / max(high - low, 1e-9), 0, 1)
    if pixels.shape[-1] == 3:
        axes.imshow(pixels)
    else:
        axes.imshow(pixels[..., 0], cmap='gray', vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


def _caption_of(example: Example, classes: Sequence[str]) -> str:
    name = classes[example.label]
    name = name if len(name) <= NAME else f'{name[: NAME - 3]}...'
    return f'{name}\n{example.active:.4g} active\nsum {example.strength:#.4g}'


def _range(shown: Sequence[Example]) -> tuple[float, float]:
    """The lowest and highest pixel of all, which become black and white: the network reads shifted and scaled images."""
    return min(float(example.pixels.min()) for example in shown), max(float(example.pixels.max()) for example in shown)
