"""`interact`: a Python prompt with the session at hand, IPython's where it is installed.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME interact
"""

import sys
import typing
from collections.abc import Collection, Iterator

from mayo.actions.base import NETWORK, Product, Run, action
from mayo.util.extras import missing

if typing.TYPE_CHECKING:
    from mayo.config import Config

BANNER = 'session, network, graph, config, run; np, tf, keras. Ctrl-D goes on with the words that follow.'


def check(config: 'Config', products: Collection[Product]) -> Iterator[str]:
    """Nobody is there to type."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield '`interact` needs a terminal, but its input or output is a file or a pipe; python scripts can import mayo.session.'


@action('interact', place=280, needs=NETWORK, reads=(), loads=True, makes=(), check=check, unasked='nothing')
def act(run: Run) -> None:
    """Python prompt with the network at hand."""
    session = run.session
    session.load()
    names = names_of(run)
    print(BANNER)
    if missing(['IPython']):
        import code

        code.interact(banner='', local=names, exitmsg='')
    else:
        import IPython

        IPython.start_ipython(argv=['--no-banner', '--no-confirm-exit'], user_ns=names)
    run.evaluation = None  # of weights that may have changed


def names_of(run: Run) -> dict[str, typing.Any]:
    """What stands ready at the prompt."""
    import keras
    import numpy as np
    import tensorflow as tf

    session = run.session
    named = {'session': session, 'network': session.network, 'graph': session.graph, 'config': run.config, 'run': run}
    return {**named, 'np': np, 'tf': tf, 'keras': keras}
