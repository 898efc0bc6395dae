"""`profile`: the magnitudes of weights, activations and gradients, and the arguments of quantizers that suit them, as an overlay.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME profile
"""

import pathlib
import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import CHECKPOINTS, NETWORK, TRAINING_DATA, Product, Run, action
from mayo.util.kinds import ABOVE_ZERO, AMOUNT, FLAG, MAPPING, YAML_FILE, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.training.profiled import Plan

START, END = 'profile.parameters.profile.start', 'profile.parameters.profile.end'
PROFILE = Section(
    'profile',
    'arguments of quantizers from the values of the network',
    Setting(
        'parameters.profile.start', AMOUNT, 0.0, 'epochs of training, without overriders, before the first batch is looked at'
    ),
    Setting('parameters.profile.end', AMOUNT, 0.0, 'epochs until the last one is; 0: no training, and no trainer is needed'),
    Setting('parameters.samples', whole(1), 10, 'batches of training images that are looked at'),
    Setting(
        'parameters.overriders',
        MAPPING,
        {},
        'CLASS: {targets: [...], percentile: 99, width: 8}, docs/overriders.md; {}: of every class that the model has',
    ),
    Setting('num_epochs', ABOVE_ZERO, None, 'epochs at which training ends, if that is before parameters.profile.end'),
    Setting('export_ckpt', FLAG, False, 'true: the weights that training leaves become the checkpoint MODEL_profiled'),
    Setting('path', YAML_FILE, None, 'overlay that is written; null: MODEL-DATASET-profile.yaml'),
)


def trains(config: 'Config') -> bool:
    """Whether it trains between the batches that it looks at."""
    return bool(config.get(END))


def needs(config: 'Config') -> tuple[str, ...]:
    """A trainer, if it trains."""
    if trains(config):
        return (*TRAINING_DATA, 'train.optimizer', 'train.learning_rate')
    return (*NETWORK, 'dataset.path.train')


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """Epochs that end before they start, quantizers that have nothing to find, and a file in the way."""
    from mayo.training.profiled import MARK
    from mayo.util.files import require_ours

    wanted = plan(config)
    if wanted.start > wanted.end or (wanted.end and wanted.start == wanted.end):
        yield f'{config.origin(START)}: {START} is {wanted.start:g}, expected less than the end of the profile, {wanted.end:g}.'
    require_ours(wanted.path, MARK, 'profile', 'profile.path')


@action(
    'profile',
    place=260,
    needs=needs,
    reads=('train',),
    loads=True,
    makes=(CHECKPOINTS,),
    settings=(PROFILE,),
    check=check,
    trains=trains,
    unasked='nothing',
)
def act(run: Run) -> None:
    """Arguments of quantizers from what values are, as YAML."""
    session = run.session
    from mayo.training.profile import profile

    run.evaluation = None
    print(profile(session, plan(run.config)))


def plan(config: 'Config') -> 'Plan':
    """What profile.* asks for. Errors: UserError."""
    from mayo.session.spec import model_graph
    from mayo.training.profiled import Plan, asked_of

    start, end, limit = (config.get(key) for key in (START, END, 'profile.num_epochs'))
    path = config.get('profile.path') or f'{config.get("model.name")}-{config.get("dataset.name")}-profile.yaml'
    return Plan(
        start,
        end if limit is None else min(end, limit),
        config.get('profile.parameters.samples'),
        asked_of(config, model_graph(config)),
        pathlib.Path(path).expanduser(),
        config.get('profile.export_ckpt'),
    )
