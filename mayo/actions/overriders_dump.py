"""`overriders-dump`: overridden values and states as a file of NumPy, and their table. docs/overriders.md

./my MODEL.yaml models/override/fixed.yaml DATASET.yaml system.checkpoint.load=NAME dump.path=fixed.npz overriders-dump
"""

import logging
import pathlib

from mayo.actions.base import NETWORK, Run, action
from mayo.actions.overriders_update import check
from mayo.util.kinds import Kind, when
from mayo.util.settings import Section, Setting

_log = logging.getLogger(__name__)
NPZ: Kind = when('a path that ends in .npz', lambda value: isinstance(value, str) and value.endswith('.npz'))
DUMP = Section(
    'dump',
    'what `overriders-dump` writes',
    Setting('path', NPZ, None, 'file that is written; null: overriders/MODEL-DATASET.npz'),
)


@action(
    'overriders-dump',
    place=250,
    needs=NETWORK,
    reads=(),
    loads=True,
    makes=(),
    settings=(DUMP,),
    check=check,
    unasked='nothing',
)
def act(run: Run) -> None:
    """Write overridden values and states to a file of NumPy."""
    session = run.session
    import numpy as np

    from mayo.override import table
    from mayo.session import overriders
    from mayo.util.files import shown, whole_file

    names = [run.config.get(key) for key in ('model.name', 'dataset.name')]
    path = pathlib.Path(run.config.get('dump.path') or f'overriders/{"-".join(names)}.npz').expanduser()
    contents = overriders.contents(session)
    with whole_file(path) as temporary, temporary.open('wb') as file:
        np.savez(file, **contents)  # type: ignore[arg-type]
    print(table.render(overriders.rows(session)))
    _log.info('written: %s', shown(path))
