"""`train`: the training of the network, with checkpoints on its way. docs: README, Train.

./my MODEL.yaml DATASET.yaml TRAINER.yaml train
"""

import typing
from collections.abc import Iterator

from mayo.actions.base import CHECKPOINTS, TRAINING_DATA, Reads, Run, action
from mayo.util.schema import listed, named, number, record, text, whole

if typing.TYPE_CHECKING:
    from mayo.config import Config

RESULT = record(
    'where the training ended',
    epochs=number('passes over the training images so far'),
    images_seen=whole('in them'),
    checkpoint=text('the last one; null: nothing was trained', null=True),
    history=listed(
        'what each epoch came to',
        named(
            'epoch, step, rate, loss, top1 and, where there are any, density, seconds, images_per_second, validation_loss, '
            'validation_top1, validation_top5, turnover, always, sometimes, never, means over the images',
            number('a figure'),
        ),
    ),
)


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
    result=RESULT,
)
def act(run: Run) -> None:
    """Train the network, saving checkpoints."""
    session = run.session
    from mayo.training.trainer import train

    run.evaluation = None
    history = train(session)
    epochs, images = session.epochs_seen(), session.images_seen
    run.answer({'epochs': epochs, 'images_seen': images, 'checkpoint': session.weights, 'history': history})
