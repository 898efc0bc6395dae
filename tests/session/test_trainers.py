"""The trainers that ship: each opens with its purpose and command, and says all that training needs."""

import pathlib

import pytest

from mayo.config import Config
from mayo.training.optimizer import optimizer
from mayo.training.schedule import learning_rate
from mayo.util.files import SHIPPED

TRAINERS = sorted((SHIPPED / 'trainers').glob('*.yaml'))


def test_the_trainers_of_the_original_are_there() -> None:
    assert {'exponential', 'lenet5', 'cifarnet', 'mobilenet', 'vgg16'} <= {path.stem for path in TRAINERS}


@pytest.mark.parametrize('path', TRAINERS, ids=lambda path: path.stem)
def test_a_trainer_is_complete(path: pathlib.Path) -> None:
    config = Config.default()
    config.merge_file(path)
    assert config.unknown() == []
    assert config.misfits() == []
    epochs = config.require('train.max_epochs', 'the test')
    rate = learning_rate(config.require('train.learning_rate', 'the test'), str(path), epochs)
    assert 0 < rate(0) <= 0.1
    assert rate(epochs) < rate(epochs / 2)
    assert optimizer(config.require('train.optimizer', 'the test'), str(path))
    assert f'trainers/{path.name}' in path.read_text()
