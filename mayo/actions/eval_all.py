"""`eval-all`: how good each checkpoint of the model and dataset is, a line of CSV each."""

from mayo.actions.base import VALIDATION, Run, action
from mayo.actions.eval import MEASURED
from mayo.util.errors import RunError
from mayo.util.kinds import TEXT, whole
from mayo.util.schema import listed, number, record, text
from mayo.util.settings import Section, Setting

EVAL = Section(
    'eval',
    'which checkpoints, and where results go',
    Setting('path', TEXT, None, 'CSV file for eval-all; null: standard output'),
    Setting('range.from', whole(0), 0, 'the first epoch of the checkpoints'),
    Setting('range.to', whole(-1), -1, 'the last one; -1: all, and then those without a number, too'),
    Setting('range.step', whole(1), 1, 'every so many epochs'),
)

RESULT = record(
    'how good each checkpoint is',
    checkpoints=listed(
        'in the order of their numbers',
        record('of one', checkpoint=text('its name'), epochs=number('of training images that it has seen'), **MEASURED),
    ),
    left_out=listed('why a checkpoint is not among them', text('a sentence')),
)


@action('eval-all', place=100, needs=VALIDATION, reads=('validate',), loads=False, makes=(), settings=(EVAL,), result=RESULT)
def act(run: Run) -> None:
    """Evaluate each checkpoint of the model and dataset into a CSV."""
    session = run.session
    from mayo.session.evaluate import Epochs, evaluate_all

    between = run.config.get('eval.range')
    chosen = Epochs(between['from'], between['to'], between['step'])
    results = evaluate_all(session, chosen)
    run.answer(results.data(), results.text, run.config.get('eval.path'))
    if results.left_out:
        raise RunError('\n'.join(results.left_out))
