"""`overriders-reset`: the states of overriders become what the YAML says, whatever the checkpoint had. docs/overriders.md"""

from mayo.actions.base import NETWORK, Run, action
from mayo.actions.overriders_update import check


@action('overriders-reset', place=230, needs=NETWORK, reads=(), loads=True, makes=(), check=check, unasked='nothing')
def act(run: Run) -> None:
    """Set the states of overriders to what the YAML says."""
    session = run.session
    from mayo.session import overriders

    run.evaluation = None
    overriders.reset(session)
