"""`report`: one page to look at: accuracy, times and costs, the network, training, which channels serve which classes, images.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME report
"""

import logging
import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import CHECKPOINTS, VALIDATION, Product, Run, action, folder_of_results
from mayo.util.kinds import FLAG, TEXT, each, whole
from mayo.util.schema import record, text
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

_log = logging.getLogger(__name__)
NAMES = 'report.checkpoints'
REPORT = Section(
    'report',
    'one page with all results',
    Setting(
        'checkpoints',
        each(TEXT, lone=True),
        None,
        'to compare with: names; null: all of the model and dataset but epochs and bests of training',
    ),
    Setting('images', whole(1), None, 'the gates see so many validation images for the map of channels and classes; null: all'),
    Setting('examples', whole(0), 24, 'images to choose from, with the channels that each woke'),
    Setting('time', FLAG, True, 'true: dense, static and compact are timed in the native engine, as `bench` does'),
    Setting('path', TEXT, None, 'file that is written; null: reports/MODEL/DATASET/report.html'),
)


RESULT = record('what was written', page=text('the page'))


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """A checkpoint to compare with does not exist."""
    from mayo.session.stored import store_of

    if CHECKPOINTS not in products:
        store_of(config).resolve_all(config.get(NAMES) or [], key=NAMES)
    return ()


@action(
    'report',
    place=155,
    needs=VALIDATION,
    reads=('validate',),
    loads=True,
    makes=(),
    settings=(REPORT,),
    check=check,
    result=RESULT,
)
def act(run: Run) -> None:
    """One page: accuracy, times, network, training, classes."""
    from mayo.report import single

    single.check()
    session = run.session
    import pathlib

    from mayo.report import facts
    from mayo.session.evaluate import evaluate
    from mayo.util.files import shown

    settings = run.config.get('report')
    path = pathlib.Path(
        settings['path'] or folder_of_results(run.config, 'report.path', 'reports') / 'report.html'
    ).expanduser()
    session.load()
    result = run.evaluation = run.evaluation or evaluate(session)
    values = facts.facts(
        session,
        result,
        compared(session, settings['checkpoints']),
        timed(session) if settings['time'] else (),
        settings['images'],
        settings['examples'],
    )
    page = shown(single.write_page(values, path))
    run.answer({'page': page}, page)


def compared(session: 'Session', names: list[str] | None) -> 'dict[str, tuple[Session, Evaluation]]':
    """Each checkpoint with the network of its own configuration, evaluated. UserError: one that is named cannot be."""
    from mayo.checkpoint.store import is_passing
    from mayo.session.evaluate import evaluate
    from mayo.util.errors import UserError

    others = {}
    for name in names if names is not None else [name for name in session.store.names() if not is_passing(name)]:
        if name == session.weights:
            continue
        try:
            other = session.of_checkpoint(name, NAMES)
            others[name] = (other, evaluate(other))
        except UserError as error:
            if names is not None:
                raise
            _log.warning('not compared: %s', error)
    return others


def timed(session: 'Session') -> list[dict[str, typing.Any]]:
    """Dense, static and compact in the native engine, one image at a time; nothing, and a line, where they cannot be."""
    from mayo.bench import Plan
    from mayo.bench.command import measured
    from mayo.report import facts
    from mayo.util.errors import MayoError

    try:
        bench = measured(session, Plan(networks=('dense', 'static', 'compact'), engines=('native',), rounds=10))
    except MayoError as error:
        _log.warning('not timed: %s', error)
        return []
    return facts.times_of(bench.groups[0].measurements)
