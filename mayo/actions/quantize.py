"""`quantize`: the network in eight bits: ranges measured on images, top-1 before and after, and a checkpoint that holds them.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME quantize
"""

import pathlib
from typing import TYPE_CHECKING

from mayo.actions.base import CHECKPOINTS, TRAINING_DATA, VALIDATION, Reads, Run, action
from mayo.util.errors import UserError
from mayo.util.kinds import BELOW_ONE, NAME, choice, whole
from mayo.util.settings import Section, Setting

if TYPE_CHECKING:
    from mayo.config import Config

QUANTIZE = Section(
    'quantize',
    'a network in eight bits',
    Setting('images', whole(1), 256, 'on which ranges are measured'),
    Setting('from', choice('train', 'validate'), 'train', 'whose images: train or validate'),
    Setting(
        'ranges',
        choice('minmax', 'percentile', 'mse'),
        'minmax',
        'minmax: all numbers; percentile: without the 0.05 % at either end; mse: with the least square error',
    ),
    Setting(
        'max_drop',
        BELOW_ONE,
        None,
        'of top-1, e.g. 0.003: above, the layers that lose most stay in float32; null: all are in int8',
    ),
    Setting('name', NAME, None, 'of the checkpoint that is written; null: the loaded one and -int8'),
)


def needs(config: 'Config') -> tuple[str, ...]:
    """The images that ranges are measured on, and those that judge."""
    return (*VALIDATION, *(key for key in TRAINING_DATA if key not in VALIDATION)) if _mode(config) == 'train' else VALIDATION


def reads(config: 'Config') -> tuple[Reads, ...]:
    """As `needs`."""
    return ('validate', 'train') if _mode(config) == 'train' else ('validate',)


def _mode(config: 'Config') -> str:
    try:
        return str(config.get('quantize.from', 'train'))
    except UserError:  # which the check of the setting tells
        return 'train'


@action(
    'quantize', place=180, needs=needs, reads=reads, loads=True, makes=(CHECKPOINTS,), settings=(QUANTIZE,), unasked='nothing'
)
def act(run: Run) -> None:
    """The network in int8: ranges, accuracy, a checkpoint."""
    session = run.session
    from mayo.session.quantize import quantize

    images, mode, method, max_drop, name = (
        run.config.get(f'quantize.{key}') for key in ('images', 'from', 'ranges', 'max_drop', 'name')
    )
    session.load()
    loaded = session.weights
    quantized = quantize(session, images, mode, method, max_drop)
    run.evaluation = quantized.after
    print(quantized.render())
    session.save(name or f'{pathlib.Path(loaded or "random").name}-int8')
