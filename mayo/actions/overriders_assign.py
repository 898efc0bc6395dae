"""`overriders-assign`: weights become what the network computes with, saved as `assigned`. docs/overriders.md"""

from mayo.actions.base import CHECKPOINTS, NETWORK, Run, action
from mayo.actions.overriders_update import check


@action(
    'overriders-assign', place=240, needs=NETWORK, reads=(), loads=True, makes=(CHECKPOINTS,), check=check, unasked='nothing'
)
def act(run: Run) -> None:
    """Make weights what overriders make of them."""
    session = run.session
    from mayo.session import overriders

    run.evaluation = None
    overriders.assign(session)
