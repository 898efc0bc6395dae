"""`train`: the training of the network, with checkpoints on its way. docs: README, Train.

./my MODEL.yaml DATASET.yaml TRAINER.yaml train
"""

import typing
from collections.abc import Iterator

from mayo.actions.base import CHECKPOINTS, TRAINING_DATA, Reads, Run, action

if typing.TYPE_CHECKING:
    from mayo.config import Config


def reads(config: 'Config') -> Iterator[Reads]:
    """Images that train and, if it validates, those for that."""
    yield 'train'
    if config.get('train.validate') and config.get('dataset.path.validate'):
        yield 'validate'


@action(
    'train',
    place=60,
    needs=(*TRAINING_DATA, 'train.max_epochs', 'train.optimizer', 'train.learning_rate'),
    reads=reads,
    loads=True,
    makes=(CHECKPOINTS,),
    trains=True,
)
def act(run: Run) -> None:
    """Train the network, saving checkpoints."""
    session = run.session
    from mayo.training.trainer import train

    run.evaluation = None
    train(session)
