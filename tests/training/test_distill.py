"""A teacher in training: which network it is, and what is said of one that cannot teach."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.session.base import Session
from mayo.training.distill import distillation
from mayo.training.trainer import Trainer
from mayo.util.errors import UserError

IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)
STEP = tf.constant(0)


@pytest.fixture
def dense(config_of: Callable[..., Config]) -> Session:
    session = Session(config_of('system.checkpoint.save=dense'))
    for name, variable in session.named().items():
        if name.endswith('gamma'):
            variable.assign(np.linspace(-0.5, 1.5, variable.shape[0]))
    session.load(fresh=True)
    session.save()
    return session


def test_the_teacher_of_a_gated_network_is_the_dense_one(config_of: Callable[..., Config], dense: Session) -> None:
    session = Session(config_of('train.distill.checkpoint=dense', gated=True))
    np.testing.assert_allclose(distillation(session).teacher(IMAGES, STEP), dense.network(IMAGES)[0], rtol=1e-5, atol=1e-6)


def test_several_teachers_take_turns_and_so_do_their_views_of_the_images(
    config_of: Callable[..., Config], dense: Session
) -> None:
    other = Session(config_of('system.seed=1', gated=True))
    other.load(fresh=True)
    other.save('other')
    session = Session(config_of('train.distill={checkpoint: [dense, other], mirror: true}'))
    teacher = tf.function(distillation(session).teacher)
    expected = [network(images)[0] for images in (IMAGES, IMAGES[:, :, ::-1]) for network in (dense.network, other.network)]
    for step in range(9):
        np.testing.assert_allclose(teacher(IMAGES, tf.constant(step)), expected[step % 4], rtol=1e-5, atol=1e-6)


def test_every_teacher_that_does_not_exist_is_named(config_of: Callable[..., Config], dense: Session) -> None:
    with pytest.raises(UserError) as error:
        distillation(Session(config_of('train.distill.checkpoint=[dens, dense, gone]')))
    assert [line.partition(':')[0] for line in str(error.value).splitlines()] == [
        'train.distill.checkpoint=dens',
        'train.distill.checkpoint=gone',
    ]


def test_without_a_checkpoint_nobody_teaches(config_of: Callable[..., Config]) -> None:
    assert distillation(Session(config_of(gated=True))) is None


def test_training_listens_to_the_teacher_and_teaches_it_nothing(config_of: Callable[..., Config], dense: Session) -> None:
    session = Session(config_of('train.distill={checkpoint: dense, weight: 0.3, temperature: 4.0}', gated=True))
    session.load(fresh=True)
    step = Trainer(session).step
    taught = step.rules.distillation
    assert (taught.weight, taught.temperature) == (0.3, 4.0)
    before = taught.teacher(IMAGES, STEP).numpy()
    step(IMAGES, np.arange(4, dtype=np.int32) % 3, 0.1)
    assert np.isfinite(step.read_totals().loss)
    np.testing.assert_array_equal(taught.teacher(IMAGES, STEP), before)


def test_a_checkpoint_teaches_with_the_network_that_its_configuration_describes(config_of: Callable[..., Config]) -> None:
    wider = Session(config_of('model.layers.conv1.num_outputs=9', gated=True))
    wider.load(fresh=True)
    wider.save('wider')
    session = Session(config_of('train.distill.checkpoint=wider'))
    np.testing.assert_allclose(distillation(session).teacher(IMAGES, STEP), wider.network(IMAGES)[0], rtol=1e-5, atol=1e-6)


def test_a_checkpoint_without_a_configuration_is_of_the_dense_network(config_of: Callable[..., Config], dense: Session) -> None:
    tensors = dense.tensors()
    del tensors[names.CONFIG]
    prefix = dense.store.folder / 'bare'
    bundle.write(prefix, tensors)
    session = Session(config_of('train.distill.checkpoint=bare', gated=True))
    np.testing.assert_allclose(distillation(session).teacher(IMAGES, STEP), dense.network(IMAGES)[0], rtol=1e-5, atol=1e-6)


def test_who_reads_other_images_or_knows_other_classes_cannot_teach(config_of: Callable[..., Config]) -> None:
    other = Session(
        config_of('dataset.task.num_classes=4', 'dataset.task.preprocess.shape.height=9', 'dataset.task.preprocess.final=[]')
    )
    other.load(fresh=True)
    other.save('other')
    with pytest.raises(UserError) as error:
        distillation(Session(config_of('train.distill.checkpoint=other')))
    first, *others = str(error.value).splitlines()
    assert first.startswith('command line: train.distill.checkpoint: the network of ')
    assert first.endswith('other cannot teach this one:')
    assert others == [
        'it has images of 9x8x1, the one in training 8x8x1',
        'it has outputs of 4, the one in training 3',
        "it has dataset.task.preprocess.final: [], the one in training [{'type': 'linear_map', "
        "'scale': 0.0078431373, 'shift': -1.0}]",
    ]


@pytest.mark.parametrize('pupil_ends_in_softmax', [True, False])
def test_a_teacher_speaks_of_logits_or_probabilities_as_its_pupil_does(
    config_of: Callable[..., Config], dense: Session, pupil_ends_in_softmax: bool
) -> None:
    words = ['model.layers.softmax.type=softmax', 'model.graph.with=[conv0, drop, conv1, pool, logits, softmax]']
    other = Session(config_of('system.checkpoint.load=dense', *words))
    other.load()
    other.save('probabilities')
    pupil, teacher = (words, 'dense') if pupil_ends_in_softmax else ([], 'probabilities')
    taught = distillation(Session(config_of(f'train.distill.checkpoint={teacher}', *pupil))).teacher(IMAGES, STEP)
    logits = dense.network(IMAGES)[0].numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(taught, probabilities if pupil_ends_in_softmax else np.log(probabilities), rtol=1e-4, atol=1e-6)
