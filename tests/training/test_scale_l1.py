"""The L1 on scales of batch norm, as models/override/netslim.yaml sets it for any model."""

import pathlib
from collections.abc import Callable

import pytest

from mayo.config import Config
from mayo.session.base import Session
from mayo.training.trainer import Trainer
from mayo.util.errors import UserError

OVERLAY = pathlib.Path(__file__).parents[2] / 'models/override/netslim.yaml'


def test_the_overlay_sets_the_penalty_after_a_model_or_before_it() -> None:
    for words in [(OVERLAY, 'models/cifarnet.yaml'), ('models/cifarnet.yaml', OVERLAY)]:
        config = Config.default()
        for word in words:
            config.merge_file(str(word))
        assert (config.get('train.scale_l1'), config.unknown()) == (1e-4, [])
        config.merge_word('_slim.weight=1.0e-5')
        assert config.get('train.scale_l1') == 1e-5


def test_training_adds_the_scales_of_every_batch_norm_to_the_loss(config_of: Callable[..., Config]) -> None:
    """Twice six of them start at one."""
    step = Trainer(Session(config_of('train.scale_l1=0.1'))).step
    assert float(step._scales()) == pytest.approx(0.1 * 12)


def test_a_network_whose_gates_have_taken_the_scales_is_refused(config_of: Callable[..., Config]) -> None:
    session = Session(config_of('train.scale_l1=0.1', gated=True))
    with pytest.raises(UserError, match=r'command line: train.scale_l1 is 0.1, but no batch norm with a scale trains here'):
        Trainer(session)
