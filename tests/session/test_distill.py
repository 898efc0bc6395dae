"""A dense teacher in training: which network it is, and what is said of a checkpoint that is none."""
import numpy as np
import pytest

from mayo.session.base import Session
from mayo.session.distill import distillation
from mayo.session.train import Trainer
from mayo.util.errors import UserError

IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)


@pytest.fixture
def dense(config_of):
    session = Session(config_of('system.checkpoint.save=dense'))
    for name, variable in session.named().items():
        if name.endswith('gamma'):
            variable.assign(np.linspace(-0.5, 1.5, variable.shape[0]))
    session.load(fresh=True)
    session.save()
    return session


def test_the_teacher_of_a_gated_network_is_the_dense_one(config_of, dense):
    session = Session(config_of('train.distill.checkpoint=dense', gated=True))
    np.testing.assert_allclose(distillation(session).teacher(IMAGES), dense.network(IMAGES)[0], rtol=1e-5, atol=1e-6)


def test_without_a_checkpoint_nobody_teaches(config_of):
    assert distillation(Session(config_of(gated=True))) is None


def test_training_listens_to_the_teacher_and_teaches_it_nothing(config_of, dense):
    session = Session(config_of('train.distill={checkpoint: dense, weight: 0.3, temperature: 4.0}', gated=True))
    session.load(fresh=True)
    step = Trainer(session).step
    taught = step.rules.distillation
    assert (taught.weight, taught.temperature) == (0.3, 4.0)
    before = taught.teacher(IMAGES).numpy()
    step(IMAGES, np.arange(4, dtype=np.int32) % 3, 0.1)
    assert np.isfinite(step.read_totals().loss)
    np.testing.assert_array_equal(taught.teacher(IMAGES), before)


def test_a_gated_checkpoint_cannot_teach(config_of):
    session = Session(config_of('train.distill.checkpoint=gated', gated=True))
    session.load(fresh=True)
    session.save('gated')
    with pytest.raises(UserError) as error:
        distillation(session)
    assert str(error.value).startswith('command line: train.distill.checkpoint has to be of the dense network.\n')
    assert 'missing in the file: tiny/conv0/BatchNorm/gamma' in str(error.value)
