"""`profile-timeline`: what each layer's time is, and a trace that Chrome and TensorBoard open.

./my MODEL.yaml DATASET.yaml TRAINER.yaml profile-timeline
./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME profile-timeline          of evaluation
"""

import typing

from mayo.actions.base import TRAINING_DATA, VALIDATION, Reads, Run, action, folder_of_results
from mayo.util.kinds import PATHS, TEXT, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

TIMELINE = Section(
    'timeline',
    'the trace of `profile-timeline`',
    Setting('steps', whole(1), 20, 'that are traced, of training if a trainer is named, else of evaluation'),
    Setting('path', TEXT, None, 'folder that is written; null: profiles/MODEL/DATASET'),
)
OLD = Section(
    'system.search_path', 'folders', Setting('profile', PATHS, None, 'of traces, the first, where timeline.path is null')
)


def trains(config: 'Config') -> bool:
    """Whether a trainer is named."""
    return config.get('train.optimizer') is not None


def reads(config: 'Config') -> tuple[Reads, ...]:
    """The images of the steps."""
    return ('train',) if trains(config) else ('validate',)


def needs(config: 'Config') -> tuple[str, ...]:
    """What training needs, or what evaluation does."""
    return (*TRAINING_DATA, 'train.max_epochs', 'train.optimizer', 'train.learning_rate') if trains(config) else VALIDATION


@action(
    'profile-timeline',
    place=270,
    needs=needs,
    reads=reads,
    loads=True,
    makes=(),
    settings=(TIMELINE, OLD),
    trains=trains,
    unasked='nothing',
)
def act(run: Run) -> None:
    """Time of each layer, and a trace for Chrome and TensorBoard."""
    session = run.session
    from mayo.training.timeline import timeline

    folder = folder_of_results(run.config, 'timeline.path', 'profiles', old=f'{OLD.name}.profile')
    print(timeline(session, run.config.get('timeline.steps'), folder, trains(run.config)))
