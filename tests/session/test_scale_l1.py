"""The L1 on scales of batch norm, as models/override/netslim.yaml sets it for any model."""
import pathlib

import pytest

from mayo.config import Config
from mayo.session.base import Session
from mayo.session.train import Trainer, train
from mayo.util.errors import UserError

OVERLAY = pathlib.Path(__file__).parents[2] / 'models/override/netslim.yaml'


def test_the_overlay_sets_the_penalty_after_a_model_or_before_it():
    for words in [(OVERLAY, 'models/cifarnet.yaml'), ('models/cifarnet.yaml', OVERLAY)]:
        config = Config.default()
        for word in words:
            config.merge_file(word)
        assert (config.get('train.scale_l1'), config.unknown()) == (1e-4, [])
        config.merge_word('_slim.weight=1.0e-5')
        assert config.get('train.scale_l1') == 1e-5


def test_training_with_it_makes_the_scales_of_every_batch_norm_smaller(config_of):
    sums = {}
    for weight in (0.0, 0.1):
        session = Session(config_of(f'train.scale_l1={weight}', 'train.max_epochs=1', 'train.validate=false'))
        train(session)
        gammas = {name: abs(value.numpy()).sum() for name, value in session.network.named_variables().items() if 'gamma' in name}
        sums[weight] = gammas
    assert set(sums[0.1]) == {'conv0/BatchNorm/gamma', 'conv1/BatchNorm/gamma'}
    assert all(sums[0.1][name] < 0.95 * sums[0.0][name] for name in sums[0.1])


def test_a_network_whose_gates_have_taken_the_scales_is_refused(config_of):
    session = Session(config_of('train.scale_l1=0.1', gated=True))
    with pytest.raises(UserError, match=r'command line: train.scale_l1 is 0.1, but no batch norm with a scale trains here'):
        Trainer(session)
