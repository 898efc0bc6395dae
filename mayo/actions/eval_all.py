"""`eval-all`: how good each checkpoint of the model and dataset is, a line of CSV each."""

from mayo.actions.base import VALIDATION, Run, action, put
from mayo.util.errors import RunError
from mayo.util.kinds import TEXT, whole
from mayo.util.settings import Section, Setting

EVAL = Section(
    'eval',
    'which checkpoints, and where results go',
    Setting('path', TEXT, None, 'CSV file for eval-all; null: standard output'),
    Setting('range.from', whole(0), 0, 'the first epoch of the checkpoints'),
    Setting('range.to', whole(-1), -1, 'the last one; -1: all, and then those without a number, too'),
    Setting('range.step', whole(1), 1, 'every so many epochs'),
)


@action('eval-all', place=100, needs=VALIDATION, reads=('validate',), loads=False, makes=(), settings=(EVAL,))
def act(run: Run) -> None:
    """Evaluate each checkpoint of the model and dataset into a CSV."""
    session = run.session
    from mayo.session.evaluate import Epochs, evaluate_all

    between = run.config.get('eval.range')
    chosen = Epochs(between['from'], between['to'], between['step'])
    results = evaluate_all(session, chosen)
    put(results.text, run.config.get('eval.path'))
    if results.left_out:
        raise RunError('\n'.join(results.left_out))
