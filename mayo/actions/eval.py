"""`eval`: how good the network is on the validation images, each of which counts once.

./my MODEL.yaml DATASET.yaml system.checkpoint.load=NAME eval
"""

from mayo.actions.base import VALIDATION, Run, action
from mayo.util.schema import named, number, record, whole

MEASURED = {
    'top1': number('share of the images whose label the network finds the most probable, 0 to 1'),
    'top5': number('share of those whose label is among the five most probable'),
    'loss': number('cross entropy, mean over the images'),
    'density': number('active channels over all channels, mean over the gated layers; null without gates', null=True),
    'images': whole('that were evaluated'),
    'images_per_second': number('of this process, decoding included'),
}
GATE_USE = {
    'turnover': number('of the channels active for an image, the share that is not for another'),
    'always': number('share of the channels active for more than 95 % of the images'),
    'sometimes': number('of those between'),
    'never': number('of those active for less than 5 %'),
}
EVALUATION = record(
    'how good the network is on the validation images',
    optional=('executed',),
    **MEASURED,
    executed=record(
        'multiply-accumulates of compact execution for an image, where gates are',
        mean=whole('over the images'),
        p5=whole('5 % of the images take fewer'),
        p95=whole('95 % do'),
    ),
    layers=named(
        'of each gated layer',
        record('what its gate did', density=number('mean over the images'), optional=tuple(GATE_USE), **GATE_USE),
    ),
)


@action('eval', place=90, needs=VALIDATION, reads=('validate',), loads=True, makes=(), result=EVALUATION)
def act(run: Run) -> None:
    """Top-1, top-5, measured density and images/s."""
    session = run.session
    from mayo.session.evaluate import evaluate

    run.evaluation = evaluate(session)
    run.answer(run.evaluation.data(), run.evaluation.render())
