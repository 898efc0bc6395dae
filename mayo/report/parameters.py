"""How the numbers of a network are spread: a histogram for each variable."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mayo.report.page import Picture
from mayo.util import picture

BARS = 60  # of a panel
ACROSS = 4  # panels


def parameters(values: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]) -> Picture:
    """values: what the layers compute with, by the names of variables; before: the variables themselves, where they differ."""
    rows = math.ceil(len(values) / ACROSS)
    across = min(ACROSS, len(values))
    figure = picture.figure(2.6 * across, 1.9 * rows + 0.6)
    panels = figure.subplots(rows, across, squeeze=False).ravel()
    for axes, (name, numbers) in zip(panels, values.items(), strict=False):
        _panel(axes, name, numbers, before.get(name))
    for axes in panels[len(values) :]:
        axes.set_visible(False)
    figure.supxlabel('value')
    figure.supylabel('how many')
    overridden = (
        ' Where an overrider changes them, grey is what the layer computes with, and the line the variable itself.'
        if before
        else ''
    )
    return Picture(
        'parameters',
        'How parameters are spread',
        'Histograms of parameters',
        f'How often a value occurs among the numbers of each variable; those that are exactly 0 are counted in the title.{overridden}',
        figure,
    )


def _panel(axes: Any, name: str, values: np.ndarray, before: np.ndarray | None) -> None:
    values = np.ravel(values).astype(np.float64)
    every = values if before is None else np.concatenate([values, np.ravel(before)])
    edges = np.histogram_bin_edges(every, BARS)
    is_zero = values == 0
    axes.stairs(np.histogram(values[~is_zero], edges)[0], edges, fill=True, facecolor=picture.GREY)
    if before is not None:
        axes.stairs(np.histogram(before, edges)[0], edges, color=picture.INK, linewidth=0.8)
    zeros = f', {is_zero.mean():.0%} are 0' if is_zero.any() else ''
    axes.set_title(f'{name}{zeros}', fontsize='small')
    axes.tick_params(labelsize='small')
