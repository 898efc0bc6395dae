"""`anneal`: the density falls stage by stage, and at each the network trains through a cycle of its own.

./my models/gate/cifarnet.yaml datasets/cifar10.yaml trainers/anneal.yaml system.checkpoint.load=pretrained anneal
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import CHECKPOINTS, TRAINING_DATA, Product, Run, action, width
from mayo.util.kinds import ABOVE_ZERO, AMOUNT, FLAG, FRACTION, Kind, each, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

LENGTHS = Kind(
    'a number above 0, or a list of them',
    lambda value: (each(ABOVE_ZERO) if isinstance(value, list) else ABOVE_ZERO).read(value),
)
STAGES = Section(
    'train.anneal',
    'the stages of `anneal`, each with its own cycle of the learning rate',
    Setting('from', FRACTION, 1.0, 'the first density'),
    Setting('to', FRACTION, 0.3, 'the last'),
    Setting('step', FRACTION, 0.1, 'from one to the next'),
    Setting('densities', each(FRACTION, lone=True), None, 'a list instead: [0.7, 0.5, 0.3]'),
    Setting('epochs', LENGTHS, None, 'of each stage, or a list with a number for each'),
    Setting('final_epochs', ABOVE_ZERO, None, 'of the last stage, where epochs is one number; null: as the others'),
    Setting('gate_epochs', AMOUNT, 0, 'before them, of each stage, in which the gates train alone'),
    Setting(
        'fit_images', whole(0), 0, 'training images to which gates that start from a dense network are fitted first; 0: none'
    ),
    remedy='name a trainer before it, e.g. trainers/anneal.yaml',
)
ANNEAL = Section(
    'anneal',
    'when it ends and how it begins',
    Setting('until_top1', FRACTION, None, 'stop after the first stage below this top-1: 0.905'),
    Setting('restart', FLAG, False, 'true: begin again rather than go on'),
)


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Stages that cannot be."""
    from mayo.training.stages import stages_of

    stages_of(config)
    return ()


@action(
    'anneal',
    place=70,
    needs=(*TRAINING_DATA, 'dataset.path.validate', 'train.optimizer', 'train.learning_rate', 'train.anneal.epochs'),
    reads=('train', 'validate'),
    loads=True,
    makes=(CHECKPOINTS,),
    settings=(STAGES, ANNEAL),
    check=check,
    trains=True,
    gated=True,
)
def act(run: Run) -> None:
    """Lower the density stage by stage, training and saving each."""
    session = run.session
    from mayo.training.anneal import anneal

    run.evaluation = None
    record, last = anneal(session)
    run.take(last)
    print(record.render(run.config.get('anneal.until_top1'), width()))
