"""Accuracy over cost, and training over epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayo.estimate import Spread
from mayo.report.page import Picture
from mayo.util import picture
from mayo.util.format import percent, short


@dataclass(frozen=True)
class Point:
    """A network and what it reaches. macs: for one image; published: by others, in the accounting of the paper.

    turnover: share of its active channels in which two images differ; None for a network without gates. spread: of the MACs over
    images, which is drawn as a line from p5 to p95.
    """

    name: str
    macs: float
    top1: float
    published: bool = False
    turnover: float | None = None
    spread: Spread | None = None


MARKED = 60  # epochs with room for a mark each

# Where a name may stand, in points from its own, and which side of it is there; the last in any case
_BESIDE = (
    (0, -8, 'center', 'top'),
    (0, 8, 'center', 'bottom'),
    (9, 0, 'left', 'center'),
    (-9, 0, 'right', 'center'),
    (0, -36, 'center', 'top'),
    (0, 36, 'center', 'bottom'),
)

# What the paper reports, by model and dataset: table 4 and figure 5 of https://openreview.net/forum?id=BJxh2j0qYm
PUBLISHED: Mapping[tuple[str, str], tuple[Point, ...]] = {
    ('cifarnet', 'cifar10'): (Point('dense', 174e6, 0.9137, True), Point('FBS 0.5', 57e6, 0.9054, True))
}


def tradeoff(points: Sequence[Point], images: int, published: Sequence[Point] = ()) -> Picture:
    """Top-1 over executed MACs of checkpoints, with the published points."""
    figure = picture.figure(7.5, 5)
    axes = figure.subplots()
    ours = sorted(points, key=lambda point: point.macs)
    for chosen, marker, face, label in (
        (ours, 'o', picture.INK, f'evaluated here, on {images:,} images'),
        (list(published), 's', 'white', 'published, MACs as published'),
    ):
        if chosen:
            axes.plot(
                [point.macs / 1e6 for point in chosen],
                [100 * point.top1 for point in chosen],
                linestyle='',
                marker=marker,
                markerfacecolor=face,
                markeredgecolor=picture.INK,
                markersize=7,
                label=label,
            )
    for point in ours:
        if point.spread and point.spread.is_wide:
            axes.hlines(100 * point.top1, point.spread.p5 / 1e6, point.spread.p95 / 1e6, color=picture.INK, linewidth=1)
    axes.margins(x=0.12, y=0.25)
    axes.set_xlim(left=0)
    axes.set_axisbelow(True)
    axes.grid(color=picture.PALE, linewidth=0.5)
    axes.set(title='Accuracy over cost', xlabel='million executed multiply-accumulates (MACs) an image', ylabel='top-1, %')
    figure.legend(loc='outside lower center', ncols=2)
    _name(figure, axes, [*ours, *published])
    figures = '; '.join(
        f'{point.name} {percent(point.top1)} at {short(point.macs)}{_range(point)}{_turnover(point)}' for point in ours
    )
    beside = (
        ' The published points, hollow, are in the accounting of the paper, in which only a layer directly after a gated '
        'one sees its sparsity.'
        if published
        else ''
    )
    return Picture(
        'tradeoff',
        'Accuracy over cost',
        'Accuracy over executed MACs',
        (
            f'Top-1 on {images:,} images over the multiply-accumulates that compact execution computes for one, with measured '
            f'densities, of each checkpoint: {figures}.{beside}'
        ),
        figure,
    )


def _range(point: Point) -> str:
    spread = point.spread
    return f' (p5 {short(spread.p5)}, p95 {short(spread.p95)})' if spread and spread.is_wide else ''


def _turnover(point: Point) -> str:
    return '' if point.turnover is None else f', turnover {point.turnover:.3f}'


def _name(figure: Any, axes: Any, points: Sequence[Point]) -> None:
    """Write the name of each point beside it, at the first place that is free of other names and points."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # lays out the axes, after which a place in them is a place on the page
    places = [axes.transData.transform((point.macs / 1e6, 100 * point.top1)) for point in points]
    taken = [Bbox.from_bounds(x - 8, y - 8, 16, 16) for x, y in places]
    for index, point in enumerate(points):
        for x, y, across, up in _BESIDE:
            label = axes.annotate(
                f'{point.name}\n{percent(point.top1)}',
                (point.macs / 1e6, 100 * point.top1),
                xytext=(x, y),
                textcoords='offset points',
                ha=across,
                va=up,
                fontsize='small',
                in_layout=False,
                bbox={'facecolor': 'white', 'edgecolor': 'none', 'pad': 0.5},
            )
            box = label.get_window_extent()
            others = taken[:index] + taken[index + 1 :]
            if not any(box.overlaps(other) for other in others) and axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1):
                break
            if (x, y) != _BESIDE[-1][:2]:
                label.remove()
        taken.append(box)


def training(run: str, lines: Sequence[Mapping[str, float]]) -> Picture:
    """Top-1, loss and learning rate over epochs. lines: of a record, by mayo.checkpoint.history."""
    is_gated = any('turnover' in line for line in lines)
    labels = ['top-1, %', 'loss', *(['turnover'] if is_gated else []), 'learning rate']
    figure = picture.figure(7.5, 7 + is_gated)
    panels = figure.subplots(len(labels), 1, sharex=True, height_ratios=[3, 2, *[1] * (len(labels) - 2)])
    _draw(panels[0], lines, {'validation_top1': 'validation', 'top1': 'training'}, 100)
    _draw(panels[1], lines, {'validation_loss': 'validation', 'loss': 'training'})
    if is_gated:
        _draw(panels[2], lines, {'turnover': 'turnover'})
        panels[2].set_ylim(bottom=0)
    _draw(panels[-1], lines, {'rate': 'learning rate'})
    for axes, label in zip(panels, labels, strict=True):
        axes.set_ylabel(label)
        axes.grid(color=picture.PALE, linewidth=0.5)
    panels[0].set_title(f'Training {run}' if run else 'Training')
    panels[-1].set_xlabel('epoch')
    panels[-1].set_xlim(0, 1.03 * max(line['epoch'] for line in lines) or 1)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_ylim(bottom=0)
    panels[0].legend()
    title = f'Training of {run or "the run without a name"}'
    return Picture(
        f'training-{run}' if run else 'training', 'Training', title, f'{title}, from its record. {_ending(lines)}', figure
    )


def _draw(axes: Any, lines: Sequence[Mapping[str, float]], names: Mapping[str, str], times: float = 1) -> None:
    """A line for each of `names` that the record has; validation in black, others in grey."""
    for name, label in names.items():
        points = [(line['epoch'], times * line[name]) for line in lines if name in line]
        if points:
            is_main = name.startswith('validation') or len(names) == 1
            axes.plot(
                *zip(*points, strict=True),
                label=label,
                color=picture.INK if is_main else picture.GREY,
                linestyle='-' if is_main else '--',
                markersize=4,
                marker='' if len(points) > MARKED else 'o' if is_main else 'x',
            )


def _ending(lines: Sequence[Mapping[str, float]]) -> str:
    """What the last epoch reached."""
    last = lines[-1]
    labels = {
        'loss': 'training loss {:.4f}',
        'top1': 'training top-1 {:.2%}',
        'validation_top1': 'validation top-1 {:.2%}',
        'density': 'mean density {:.3f}',
        'turnover': 'turnover {:.3f}',
    }
    figures = ', '.join(label.format(last[name]) for name, label in labels.items() if name in last)
    return f'After epoch {last["epoch"]:g}: {figures}.'.replace('%', ' %')
