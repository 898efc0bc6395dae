"""Time over density: where compact execution overtakes the best dense engine. Needs matplotlib; readable without colours."""

import os
from collections.abc import Sequence
from typing import Any

from mayo.bench.modes import densities_of
from mayo.bench.record import Bench, Group, crossover
from mayo.net.graph import Graph
from mayo.net.tf.engines import engines
from mayo.util import picture
from mayo.util.errors import RunError

# network: grey of the line, its dashes; the marker is that of the engine
LINES = {'dense': ('0.0', '--'), 'masked': ('0.6', '-.'), 'compact': ('0.0', '-'), 'static': ('0.55', ':')}
PANEL, LEGEND = (5.0, 4.2), 2.2  # inches: width and height; width


def check(graph: Graph) -> None:
    """RunError if there is nothing to draw, or nothing to draw with."""
    if not densities_of(graph):
        raise RunError('bench.plot draws time over density, but the network has no gates.')
    picture.check('bench.plot', 'bench')


def plot(bench: Bench, path: str | os.PathLike[str]) -> None:
    """Draw a panel for each batch size into `path`; its ending says the format: .png, .svg, .pdf."""
    sizes = list(dict.fromkeys(group.batch_size for group in bench.groups))
    figure = picture.figure(PANEL[0] * len(sizes) + LEGEND, PANEL[1])
    panels = figure.subplots(1, len(sizes), squeeze=False)[0]
    for axes, batch_size in zip(panels, sizes, strict=True):
        groups = [group for group in bench.groups if group.batch_size == batch_size and group.density is not None]
        _panel(axes, sorted(groups, key=lambda group: group.density or 0))
        axes.set(title=f'{bench.model}, batch {batch_size}, {bench.threads} threads', xlabel='density', ylabel='ms')
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside right center')
    picture.save(figure, path)


def _panel(axes: Any, groups: Sequence[Group]) -> None:
    """The best dense and static engine, every engine of the others, and where the best compact one overtakes dense."""
    dense = _curve(groups, 'dense', None)
    _draw(axes, dense, 'dense', 'dense, best engine', 'x')
    for network in ('masked', 'compact'):
        for name in engines:
            _draw(axes, _curve(groups, network, name), network, f'{network} {name}', engines[name].marker)
    _draw(axes, _curve(groups, 'static', None), 'static', 'static, best engine', '+')
    compact = _curve(groups, 'compact', None)
    both = sorted(dense.keys() & compact.keys())
    where = crossover(both, [compact[density] for density in both], [dense[density] for density in both]) if both else None
    if where is not None:
        axes.axvline(where, color='0.8', zorder=0)
        axes.annotate(f'compact wins below {where:.2f}', (where, 0), xytext=(3, 3), textcoords='offset points')
    axes.set_ylim(bottom=0)


def _curve(groups: Sequence[Group], network: str, engine: str | None) -> dict[float, float]:
    """Milliseconds by density, of one engine or of the best."""
    milliseconds = {}
    for group in groups:
        mine = [
            timed.seconds.median for timed in group.measurements if timed.network == network and engine in (None, timed.engine)
        ]
        if mine and group.density is not None:
            milliseconds[group.density] = 1000 * min(mine)
    return milliseconds


def _draw(axes: Any, curve: dict[float, float], network: str, label: str, marker: str) -> None:
    if curve:
        color, dashes = LINES[network]
        axes.plot(
            list(curve),
            list(curve.values()),
            label=label,
            color=color,
            linestyle=dashes,
            marker=marker,
            markerfacecolor='white',
        )
