"""`plot`: pictures of what the gates do, what the layers cost, how checkpoints compare, how trainings went, and a page of them.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME plot
"""

import typing
from collections.abc import Collection, Iterable

from mayo.actions.base import CHECKPOINTS, VALIDATION, Product, Run, action, folder_of_results
from mayo.util.kinds import FLAG, PATHS, TEXT, choice, each, whole
from mayo.util.settings import Section, Setting

if typing.TYPE_CHECKING:
    from mayo.config import Config

NAMES = 'plot.checkpoints'
PLOT = Section(
    'plot',
    'pictures of results',
    Setting(
        'pictures',
        each(choice('channels', 'saliency', 'macs', 'tradeoff', 'training', 'features', 'parameters'), lone=True),
        ['channels', 'saliency', 'macs', 'tradeoff', 'training'],
        'channels: which serve which classes; tradeoff: accuracy over MACs; features: outputs of layers; parameters: histograms',
    ),
    Setting('examples', FLAG, False, 'true: also the images that used each layer least and most'),
    Setting(
        'checkpoints',
        each(TEXT, lone=True),
        None,
        'of `tradeoff`: names; null: all of the model and dataset but epochs and bests of training',
    ),
    Setting('images', whole(1), None, 'the gates see so many validation images; null: all'),
    Setting('path', TEXT, None, 'folder that is written; null: plots/MODEL/DATASET'),
)

OLD = Section(
    'system.plot',
    'what the original Mayo draws',
    Setting('features', FLAG, False, 'true: also `features` of plot.pictures'),
    Setting('parameters', FLAG, False, 'true: also `parameters` of plot.pictures'),
    Setting('gates', FLAG, True, 'false: without `channels` and `saliency` of plot.pictures'),
)
PATH = Section('system.search_path', 'folders', Setting('plot', PATHS, None, 'of pictures, the first, where plot.path is null'))


def check(config: 'Config', products: Collection[Product]) -> Iterable[str]:
    """A checkpoint that is to be drawn does not exist."""
    from mayo.session.stored import store_of

    if CHECKPOINTS not in products:
        store_of(config).resolve_all(config.get(NAMES) or [], key=NAMES)
    return ()


@action('plot', place=150, needs=VALIDATION, reads=('validate',), loads=True, makes=(), settings=(PLOT, OLD, PATH), check=check)
def act(run: Run) -> None:
    """Pictures of gates, costs, accuracy and training, on a page."""
    session = run.session
    from mayo.report.command import plotted
    from mayo.util.files import shown

    settings = run.config.get('plot')
    page = plotted(
        session,
        pictures(run.config),
        folder_of_results(run.config, 'plot.path', 'plots', old=f'{PATH.name}.plot'),
        examples=settings['examples'],
        checkpoints=settings['checkpoints'],
        images=settings['images'],
        evaluation=run.evaluation,
    )
    print(shown(page))


def pictures(config: 'Config') -> list[str]:
    """Those of plot.pictures, as system.plot adds to them and takes from them."""
    old = config.get('system.plot')
    left_out = () if old['gates'] else ('channels', 'saliency')
    added = [name for name in ('features', 'parameters') if old[name]]
    return [name for name in dict.fromkeys([*config.get('plot.pictures'), *added]) if name not in left_out]
