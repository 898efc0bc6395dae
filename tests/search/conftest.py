"""A network of three layers whose accuracy is a formula: the first layer needs its channels, the last does not."""

from typing import Any

import pytest

from mayo.search import Space

NEED = {'conv0': 4.0, 'conv1': 1.0, 'conv2': 0.1}  # loss for the whole layer


class Score:
    """What an evaluation tells."""

    def __init__(self, loss: Any) -> None:
        self.loss, self.top1 = loss, 1 - loss / 10


@pytest.fixture
def space() -> Space:
    channels = {'conv0': 16, 'conv1': 32, 'conv2': 64}
    configured = {name: count // 2 for name, count in channels.items()}
    return Space(channels, configured, macs)


def macs(keeps: Any) -> Any:
    """Each layer reads the one before."""
    first, second, third = (keeps[name] for name in ('conv0', 'conv1', 'conv2'))
    return 3 * first + first * second + second * third


@pytest.fixture
def evaluate(space: Space) -> Any:
    """Scores a choice, and counts how often it is asked."""

    def score(keeps: Any) -> Score:
        score.asked.append(dict(keeps))
        return Score(sum(need * (1 - keeps[name] / space.channels[name]) ** 2 for name, need in NEED.items()))

    score.asked = []
    return score
