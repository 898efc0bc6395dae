"""Floor 6: the verbs of the command line, one file each, in which an action says everything about itself.

A file in this folder is found by itself: it registers its action with `mayo.actions.base.action`. ORDER alone is told here.
"""

import importlib
import pathlib

from mayo.actions.base import Action, Run, action, actions

# In which `--help` lists them; those that are not named here come last.
ORDER = (
    *('ls', 'config', 'check', 'prepare', 'info', 'train', 'anneal', 'fit-gates', 'eval', 'eval-all', 'predict', 'slim'),
    *('bench', 'export', 'plot', 'import-weights', 'mean', 'quantize', 'search', 'reset-num-epochs', 'save'),
    *('overriders-update', 'overriders-reset', 'overriders-assign', 'overriders-dump'),
    *('profile', 'profile-timeline', 'interact', 'test'),
)

_NO_VERBS = ('__init__', 'base', 'checks')


def _place(module: str) -> tuple[str | int, ...]:
    name = module.replace('_', '-')
    return (*ORDER, name).index(name), name


for _module in sorted({path.stem for path in pathlib.Path(__file__).parent.glob('*.py')} - {*_NO_VERBS}, key=_place):
    importlib.import_module(f'{__name__}.{_module}')

__all__ = ['ORDER', 'Action', 'Run', 'action', 'actions']
