"""`save`: the weights as they are now, as a checkpoint."""

from mayo.actions.base import CHECKPOINTS, NETWORK, Run, action


@action('save', place=210, needs=NETWORK, reads=(), loads=True, makes=(CHECKPOINTS,))
def act(run: Run) -> None:
    """Write the weights as checkpoint system.checkpoint.save."""
    run.session.save()
