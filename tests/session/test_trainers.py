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


@pytest.mark.parametrize('path', TRAINERS, ids=lambda path: path.stem)
def test_the_rate_of_every_trainer_follows_initial(path: pathlib.Path) -> None:
    """So that `train.learning_rate._initial=RATE` on the command line does what it says."""
    before, after = Config.default(), Config.default()
    for config in (before, after):
        config.merge_file(path)
    after.merge_word(f'train.learning_rate._initial={3 * before.get("train.learning_rate._initial")}')
    epochs = before.get('train.max_epochs')
    first, second = (learning_rate(config.get('train.learning_rate'), str(path), epochs) for config in (before, after))
    for share in (0, 0.3, 0.9):
        assert second(share * epochs) == pytest.approx(3 * first(share * epochs), rel=1e-6)
