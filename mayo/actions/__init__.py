"""Floor 6: the verbs of the command line, one file each, in which an action says everything about itself.

A file in this folder is found by itself: it registers its action with `mayo.actions.base.action`.
"""

import importlib
import pathlib

from mayo.actions.base import Action, Run, action, actions

_NO_VERBS = ('__init__', 'base', 'checks', 'originals')

for _module in sorted({path.stem for path in pathlib.Path(__file__).parent.glob('*.py')} - {*_NO_VERBS}):
    importlib.import_module(f'{__name__}.{_module}')
actions.sort(lambda entered: (entered.place, entered.name))

__all__ = ['Action', 'Run', 'action', 'actions']
