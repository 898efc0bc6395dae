"""The order of channels says which classes they serve, and the numbers in the captions are those of the data."""

from typing import Any

import numpy as np
import pytest

from mayo.estimate.liveliness import Liveliness
from mayo.report.heatmap import channel_order, channels

pytest.importorskip('matplotlib')

ACTIVE = np.array([[1.0, 0.0, 0.9, 0.1, 1.0, 0.02], [0.96, 0.0, 0.1, 0.9, 0.2, 0.05]])

LIVELY = Liveliness(turnover=0.12, always=0.3, sometimes=0.3, never=0.4)


def test_channels_that_all_or_no_classes_use_stand_apart() -> None:
    order, always, never = channel_order(ACTIVE)
    assert (always, never) == (1, 2)
    assert order[0] == 0
    assert sorted(order[-2:]) == [1, 5]


def test_channels_that_serve_the_same_class_are_neighbours_and_those_of_the_first_class_come_first() -> None:
    order, _, _ = channel_order(ACTIVE)
    assert sorted(order[1:3]) == [2, 4], 'of the first class'
    assert order[3] == 3


@pytest.mark.parametrize('active', [np.ones((3, 4)), np.zeros((3, 4)), np.full((3, 4), 0.5), np.array([[0.5]])])
def test_every_channel_is_shown_once_whatever_the_gate_does(active: Any) -> None:
    order, always, never = channel_order(active)
    assert sorted(order) == list(range(active.shape[1]))
    assert always + never <= active.shape[1]


def test_a_picture_leaves_out_classes_without_images() -> None:
    active = np.vstack([ACTIVE, np.full(6, np.nan)])
    picture = channels('conv0', active, ('cat', 'dog', 'unseen'), LIVELY)
    assert 'conv0, 6 channels across, 2 classes down' in picture.caption
    assert '1 channels serve every class (active for 95% of the images of each, or more), 2 serve none' in picture.caption
    labels = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert labels == ['cat', 'dog']
    shown = picture.figure.axes[1].images[0].get_array()
    assert shown.shape == (2, 3), 'the lower panel shows the channels that differ'


@pytest.mark.parametrize('active, panels', [([[1.0, 1.0]], 1), ([[0.5, 0.4], [0.2, 0.3]], 1), ([[1.0, 0.4], [1.0, 0.3]], 2)])
def test_channels_that_differ_are_drawn_again_where_they_are_some_of_all(active: list[list[float]], panels: int) -> None:
    heatmap = channels('conv0', np.array(active), ('cat', 'dog')[: len(active)], LIVELY)
    assert len(heatmap.figure.axes) == panels + 1  # and the scale of greys
    assert ('Below, wider' in heatmap.caption) == (panels == 2)
    assert [label.get_text() for label in heatmap.figure.axes[panels - 1].get_xticklabels()]
