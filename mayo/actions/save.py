"""`save`: the weights as they are now, as a checkpoint."""

from mayo.actions.base import CHECKPOINTS, NETWORK, SAVED, Run, action


@action('save', place=210, needs=NETWORK, reads=(), loads=True, makes=(CHECKPOINTS,), result=SAVED)
def act(run: Run) -> None:
    """Write the weights as checkpoint system.checkpoint.save."""
    run.answer({'checkpoint': run.session.save()})
