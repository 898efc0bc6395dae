"""`fit-gates`: gates that start from a dense network learn, without training, which channels matter for which image.

./my models/gate/cifarnet.yaml datasets/cifar10_holdout.yaml _gate.policy=select _gate.density=0.5 \
    system.checkpoint.load=pretrained fit-gates eval
"""

from mayo.actions.base import TRAINING_DATA, Run, action
from mayo.util.errors import UserError
from mayo.util.format import table
from mayo.util.kinds import whole
from mayo.util.settings import Section, Setting

FIT = Section(
    'fit', 'what `fit-gates` learns from', Setting('images', whole(1), 2048, 'training images, seen as in evaluation')
)


@action(
    'fit-gates',
    place=80,
    needs=TRAINING_DATA,
    reads=('train',),
    loads=True,
    makes=(),
    settings=(FIT,),
    gated=True,
    unasked='nothing',
)
def act(run: Run) -> None:
    """Fit new gates to what matters in images, without training."""
    session = run.session
    from mayo.training.fit import fit_gates

    session.load()
    run.evaluation = None
    fitted = fit_gates(session, run.config.get('fit.images'))
    if not fitted:
        raise UserError(
            '`fit-gates` found no gate to fit, for the reasons above. Gates that have learned stay as they are: '
            'load a checkpoint without gates, such as system.checkpoint.load=pretrained.'
        )
    rows = [
        [name, str(gate.channels), str(gate.picked), f'{gate.agreement:.3f}', f'{gate.fixed:.3f}']
        for name, gate in fitted.items()
    ]
    print(table(['layer', 'channels', 'picked', 'agreement', 'of fixed channels'], rows))
