"""Which channels serve which classes: the probability that a channel is active, classes down, channels across.

Channels come in groups: those that every class uses, those that classes use differently, those that no class uses. The middle
group is drawn again below, wider, in the order of its first principal component, so that channels which serve the same
classes stand together. White is never, black is always.
"""

from typing import Any

import numpy as np

from mayo.estimate.liveliness import ALWAYS, NEVER, Liveliness
from mayo.report.page import Picture
from mayo.util import picture

NAMED_CLASSES, NAMED_CHANNELS = 40, 64  # most that have room for a name each
MANY = 4.0  # inches for more classes than that


def channel_order(active: np.ndarray) -> tuple[np.ndarray, int, int]:
    """(the order of channels, how many of them every class uses, how many none). active: [K, C].

    >>> order, always, never = channel_order(np.array([[0., .2, 1., .9, .8], [0., .8, 1., .1, .3]]))
    >>> order.tolist(), always, never
    ([2, 3, 4, 1, 0], 1, 1)
    """
    least, most = active.min(0), active.max(0)
    group = np.where(least >= ALWAYS, 0, np.where(most <= NEVER, 2, 1))
    place = -active.mean(0)  # the more an always or never used one is used, the further left
    differing = active[:, group == 1]
    if differing.size:
        centred = differing - differing.mean(1, keepdims=True)
        component = np.linalg.svd(centred, full_matrices=False)[2][0]
        first = np.corrcoef(component, differing[0])[0, 1] if np.ptp(differing[0]) and np.ptp(component) else 1.0
        place[group == 1] = -component if first > 0 else component  # its sign means nothing: the first class left
    return np.lexsort((place, group)), int((group == 0).sum()), int((group == 2).sum())


def channels(name: str, active: np.ndarray, classes: tuple[str, ...], liveliness: Liveliness) -> Picture:
    """active: [K, C], NaN for a class without images; liveliness: of the layer's gate."""
    seen = ~np.isnan(active).all(1)
    active, names = active[seen], [name for name, is_seen in zip(classes, seen, strict=True) if is_seen]
    order, always, never = channel_order(active)
    width = active.shape[1]
    middle = order[always : width - never]
    rows = 2 if 0 < len(middle) < width else 1
    figure = picture.figure(10, 0.9 + rows * (0.9 + (0.24 * len(active) if len(active) <= NAMED_CLASSES else MANY)))
    panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
    image = _map(panels[0], active[:, order], names)
    for edge in (always, width - never):
        if 0 < edge < width:
            panels[0].axvline(edge - 0.5, color=picture.INK, linewidth=2.5)
            panels[0].axvline(edge - 0.5, color='white', linewidth=1, linestyle='--')
    panels[0].set_title(
        f'{name}, all {width} channels: {always} that every class uses, {len(middle)} that differ, {never} that none uses',
        fontsize='medium',
    )
    if rows == 2:
        _map(panels[1], active[:, middle], names)
        panels[1].set_title(f'the {len(middle)} that differ', fontsize='medium')
    last = middle if rows == 2 else order
    panels[-1].set_xlabel('channel')
    if len(last) <= NAMED_CHANNELS:
        panels[-1].set_xticks(range(len(last)), [str(channel) for channel in last], rotation=90, fontsize='small')
    figure.colorbar(
        image, ax=panels, label='probability that the channel is active', ticks=[0, 0.5, 1], fraction=0.03, pad=0.01
    )
    return Picture(
        f'channels-{name}',
        'Which channels serve which classes',
        f'{name}: which channels serve which classes',
        (
            f'{name}, {width} channels across, {len(active)} classes down; white: never active for an image of the class, black: '
            f'always. {always} channels serve every class (active for {ALWAYS:.0%} of the images of each, or more), {never} '
            f'serve none ({NEVER:.0%} or less of each), set apart by lines. Two images differ in {liveliness.turnover:.1%} of their '
            f'active channels in the mean (turnover). Always, sometimes and never active: {liveliness.shares} of the channels.'
            + (f' Below, wider: the other {len(middle)}, those that serve the same classes side by side.' if rows == 2 else '')
        ),
        figure,
    )


def _map(axes: Any, active: np.ndarray, names: list[str]) -> Any:
    image = axes.imshow(active, cmap='Greys', vmin=0, vmax=1, aspect='auto', interpolation='nearest')
    if len(names) <= NAMED_CLASSES:
        axes.set_yticks(range(len(names)), names)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f'{len(names)} classes')
    axes.set_xticks([])
    return image
