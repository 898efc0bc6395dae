"""One network at many densities scores as a network built for each does."""

from collections.abc import Callable
from typing import Any

import pytest

from mayo.config import Config
from mayo.search.candidates import Candidates
from mayo.session.base import Session
from mayo.session.evaluate import evaluate
from mayo.util.errors import UserError


def test_a_choice_scores_as_a_network_of_that_density(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('eval.batch_size=20', gated=True))
    candidates = Candidates(session)
    assert (candidates.channels, candidates.configured) == ({'conv0': 6, 'conv1': 6}, {'conv0': 3, 'conv1': 3})
    score = candidates.evaluate({'conv0': 1, 'conv1': 6})
    words = ['model.layers.conv0.gate_params.density=0.1', 'model.layers.conv1.gate_params.density=1.0']
    built = evaluate(Session(config_of(*words, gated=True)), quiet=True, execution='masked')
    assert [counts.max() for counts in built.counts.values()] == [1, 6]
    assert score.top1 == pytest.approx(built.top1)
    assert score.loss == pytest.approx(built.loss, rel=1e-5)


def test_only_the_first_images_are_used(config_of: Callable[..., Config]) -> None:
    candidates = Candidates(Session(config_of('eval.batch_size=20', gated=True)), max_images=30)
    assert candidates.images == 30
    assert [len(labels) for _, labels in candidates.batches] == [20, 10]


@pytest.mark.parametrize(
    'words, gated, message',
    [
        ((), False, r'^.*: `search` needs a model with gates, e\.g\. models/gate/cifarnet\.yaml; this one has none\.$'),
        (
            ('model.layers.conv1.gate_params.threshold=local',),
            True,
            r'^gated\.yaml:4: conv1: `search` chooses how many channels are active for each image, expected gate_params\.threshold '
            r'online; here it is local\.$',
        ),
    ],
)
def test_a_network_that_nothing_can_be_chosen_for_is_told(
    config_of: Callable[..., Config], words: tuple[Any, ...], gated: bool, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Candidates(Session(config_of(*words, gated=gated)))
