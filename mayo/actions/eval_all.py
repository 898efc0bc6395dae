"""`eval-all`: how good each checkpoint of the model and dataset is, a line of CSV each."""

from mayo.actions.base import VALIDATION, Run, action, put
from mayo.util.errors import RunError
from mayo.util.kinds import TEXT
from mayo.util.settings import Section, Setting

EVAL = Section('eval', 'where results go', Setting('path', TEXT, None, 'CSV file for eval-all; null: standard output'))


@action('eval-all', needs=VALIDATION, reads=('validate',), loads=False, makes=(), settings=(EVAL,))
def act(run: Run) -> None:
    """Evaluate each checkpoint of the model and dataset into a CSV."""
    session = run.session
    from mayo.session.evaluate import evaluate_all

    results = evaluate_all(session)
    put(results.text, run.config.get('eval.path'))
    if results.left_out:
        raise RunError('\n'.join(results.left_out))
