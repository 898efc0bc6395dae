"""What each layer costs: multiply-accumulates of the dense network beside those that compact execution computes."""

from collections.abc import Sequence
from typing import Protocol

from mayo.report.page import Picture
from mayo.util import picture
from mayo.util.format import short

MOST = 60  # layers with room for a name each


class Cost(Protocol):
    """Of a layer for one image: mayo.estimate.Cost."""

    @property
    def name(self) -> str:
        """Of the layer."""

    @property
    def dense(self) -> int:
        """MACs without gates."""

    @property
    def executed(self) -> int:
        """MACs of compact execution, the gate's included."""


def bars(costs: Sequence[Cost], densities: str) -> Picture:
    """densities: where they are from, 'as configured' or 'measured over 10,000 images'."""
    layers = [cost for cost in costs if cost.dense]
    least = sorted(cost.dense for cost in layers)[-MOST:][0]
    which = densities if len(layers) <= MOST else f'{densities}; only layers of {short(least)} or more'
    layers = [cost for cost in layers if cost.dense >= least]
    dense, executed = (sum(getattr(cost, key) for cost in costs) for key in ('dense', 'executed'))
    figure = picture.figure(8, 1.4 + 0.42 * len(layers))
    axes = figure.subplots()
    rows = range(len(layers))
    most = max(cost.dense for cost in layers)
    axes.barh(
        [row - 0.2 for row in rows],
        [cost.dense / 1e6 for cost in layers],
        0.4,
        facecolor='white',
        edgecolor=picture.INK,
        label=f'dense, {short(dense)} in all',
    )
    axes.barh(
        [row + 0.2 for row in rows],
        [cost.executed / 1e6 for cost in layers],
        0.4,
        facecolor=picture.INK,
        edgecolor=picture.INK,
        label=f'executed, {short(executed)} in all',
    )
    for row, cost in zip(rows, layers, strict=True):
        for place, macs, text in ((-0.2, cost.dense, short(cost.dense)), (0.2, cost.executed, _told(cost))):
            axes.annotate(
                text, (macs / 1e6, row + place), xytext=(4, 0), textcoords='offset points', va='center', fontsize='small'
            )
    axes.set_yticks(rows, [cost.name for cost in layers])
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_xlim(0, most / 1e6 * 1.15)
    axes.set_xlabel('million multiply-accumulates (MACs) an image')
    title = f'MACs of each layer, densities {which}'
    axes.set_title(title, pad=10)
    figure.legend(loc='outside lower center', ncols=2)
    return Picture(
        'macs',
        'What each layer costs',
        title,
        (
            f'Multiply-accumulates of each layer for one image, densities {which}: white, with nothing skipped; black, what '
            f'compact execution computes, the gate included, and how many times fewer that is. In all {dense / executed:.2f} times '
            'fewer.'
        ),
        figure,
    )


def _told(cost: Cost) -> str:
    fewer = f', {cost.dense / cost.executed:.1f}\u00d7 fewer' if 0 < cost.executed < cost.dense else ''
    return short(cost.executed) + fewer
