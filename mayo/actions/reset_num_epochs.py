"""`reset-num-epochs`: the weights stay, and a training that follows begins."""

from mayo.actions.base import NETWORK, Run, action


@action('reset-num-epochs', place=200, needs=NETWORK, reads=(), loads=True, makes=())
def act(run: Run) -> None:
    """Count training epochs from zero again, keeping the weights."""
    run.session.reset_num_epochs()
