"""How salient channels are, for those that win and those that lose: a panel for each gated layer."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mayo.report.page import Picture
from mayo.util import picture

BARS = 40  # of a panel
ACROSS = 3  # panels
SHOWN = 0.999  # share of the values in the panel; the few at either end are left out


def saliency(layers: Sequence[tuple[str, np.ndarray, float, int]]) -> Picture:
    """layers: (name, counts [2, bins] of values that lose and win, upper end of the last bin, how many values are 0)."""
    rows = math.ceil(len(layers) / ACROSS)
    across = min(ACROSS, len(layers))
    figure = picture.figure(3.3 * across, 2.3 * rows + 0.6)
    panels = figure.subplots(rows, across, squeeze=False).ravel()
    for axes, layer in zip(panels, layers, strict=False):
        _panel(axes, *layer)
    for axes in panels[len(layers) :]:
        axes.set_visible(False)
    figure.supxlabel('saliency')
    figure.supylabel('share of all pairs of a channel and an image')
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside upper center', ncols=2)
    return Picture(
        'saliency',
        'How salient channels are',
        'Saliency of suppressed and active channels',
        (
            'For each gated layer, how often a saliency occurs among the channels that lose and are suppressed, and among those '
            'that win and are computed, over all images. The more the two overlap, the more the saliencies of an image, and not a '
            'fixed threshold, decide.'
        ),
        figure,
    )


def _panel(axes: Any, name: str, counts: np.ndarray, top: float, zeros: int) -> None:
    total = max(int(counts.sum()), 1)
    first, last = _shown_bins(counts)
    step = math.ceil((last - first) / BARS)
    last = first + step * math.ceil((last - first) / step)
    shown = np.pad(counts, ((0, 0), (0, max(0, last - counts.shape[1]))))[:, first:last]
    lose, win = shown.reshape(2, -1, step).sum(2) / total
    edges = (first + step * np.arange(len(lose) + 1)) * (top or 1.0) / counts.shape[1]
    axes.stairs(lose, edges, fill=True, facecolor=picture.PALE, edgecolor=picture.GREY, label='suppressed')
    axes.stairs(win, edges, color=picture.INK, linewidth=1.4, label='active')
    axes.set_title(f'{name}, {zeros / total:.0%} are 0' if zeros else name)
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])


def _shown_bins(counts: np.ndarray) -> tuple[int, int]:
    """[first, last) of the bins that hold SHOWN of the values."""
    cumulative = counts.sum(0).cumsum()
    beyond = (1 - SHOWN) / 2 * cumulative[-1]
    return int(np.searchsorted(cumulative, beyond, 'right')), int(np.searchsorted(cumulative, cumulative[-1] - beyond)) + 1
