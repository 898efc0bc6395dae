"""`eval`: how good the network is on the validation images, each of which counts once.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME eval
"""

from mayo.actions.base import VALIDATION, Run, action


@action('eval', place=90, needs=VALIDATION, reads=('validate',), loads=True, makes=())
def act(run: Run) -> None:
    """Top-1, top-5, measured density and images/s."""
    session = run.session
    from mayo.session.evaluate import evaluate

    run.evaluation = evaluate(session)
    print(run.evaluation.render())
