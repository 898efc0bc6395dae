"""The gates of the weights that ship choose different channels for the random images on which networks are compared and timed."""

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mayo.bench import worker
from mayo.config import Config
from mayo.export import Subject, compare
from mayo.net.tf.compact import lower
from mayo.session.base import Session
from mayo.slim import verify
from mayo.util.trial_images import choices

ROOT = pathlib.Path(__file__).parents[2]
COUNT = 8


@pytest.fixture(scope='module')
def gate50() -> Session:
    config = Config.default()
    for file in ('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml'):
        config.merge_file(ROOT / file)
    config.merge_word('_gate.density=0.5')
    config.merge_word('system.checkpoint.load=gate50')
    session = Session(config)
    session.load()
    return session


def of_bench(session: Session) -> np.ndarray:
    return worker.random_images(COUNT, session.input_shape.dims)


def of_export(session: Session) -> np.ndarray:
    return compare.trial_images(Subject('cifarnet', lower(session.network, session.input_shape)), COUNT)


def of_slim(session: Session) -> np.ndarray:
    return verify.random_images(COUNT, session.input_shape.dims)


def different(masks: Sequence[np.ndarray]) -> int:
    return len(set(choices(masks)))


@pytest.mark.parametrize('images_of', [of_bench, of_export, of_slim])
def test_every_gate_tells_random_images_apart(gate50: Session, images_of: Callable[[Session], np.ndarray]) -> None:
    _, stats = gate50.network(images_of(gate50), training=False)
    assert {name: different([stat.mask.numpy()]) for name, stat in stats.items() if different([stat.mask.numpy()]) < 3} == {}
    assert different([stat.mask.numpy() for stat in stats.values()]) == COUNT
