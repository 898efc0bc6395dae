"""`main`: words in, exit status out."""

import logging
import os
import sys
from collections.abc import Sequence

from mayo import __version__
from mayo.cli import process
from mayo.util import files
from mayo.util.errors import MayoError
from mayo.util.interrupt import status_of

_log = logging.getLogger(__name__)
DONE, FAILED = 0, 1  # and 2 for a mistake of the user: UserError.exit_status; 130 and 143 after a signal


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; 0 done, 1 the run failed, 2 a mistake of the user, 130 or 143 interrupted."""
    process.open_streams()
    process.configure()
    with process.interrupts() as interrupts:
        try:
            return _told(list(sys.argv[1:] if argv is None else argv))
        except BaseException as error:
            if not interrupts.noted and not isinstance(error, KeyboardInterrupt):
                raise
            process.forget_interrupt()
            reason = error if isinstance(error, KeyboardInterrupt) and not interrupts.noted else interrupts.error
            return _complain('interrupted', status_of(reason))


def _told(words: list[str]) -> int:
    """The exit status, after one message for whatever is no defect of ours."""
    try:
        _obey(words)
        sys.stdout.flush()
    except MayoError as error:
        return _complain(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of `./my ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError as error:
        if (error.name or 'mayo').partition('.')[0] == 'mayo':
            raise
        return _complain(_missing(error), FAILED)
    except OSError as error:
        parts = (error.filename, error.strerror or error)
        return _complain(': '.join(str(part) for part in parts if part), FAILED)
    return DONE


def _obey(words: list[str]) -> None:
    from mayo.actions import actions
    from mayo.cli import help

    asked = help.asked(words, actions)
    if asked:
        from mayo.cli import topics

        print(topics.pages(asked))
    elif asked is not None:
        print(help.screen(actions))
    elif '--version' in words:
        print(f'mayo {__version__}')
    else:
        run(words)


def run(words: Sequence[str]) -> None:
    """Check the whole line, then carry out its actions in order."""
    from mayo.actions import Run, actions, checks
    from mayo.cli.words import plan
    from mayo.config.dialect import warning
    from mayo.session.own_images import completed

    line = plan(words, list(actions), checks.problems, completed)
    ignored = [key for step in line.steps for key in step.config.ignored()]
    if ignored:
        _log.warning('%s', warning(ignored))
    for text in dict.fromkeys(text for step in line.steps for text in checks.warnings(step.config, step.action)):
        _log.warning('%s', text)
    state = Run(line.steps[0].config, process.start_tensorflow)
    for step in line.steps:
        actions[step.action].run(state.at(step.config))
    if line.trailing:
        _log.warning('after the last action, so without effect: %s', ' '.join(line.trailing))


def _complain(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _missing(error: ModuleNotFoundError) -> str:
    remedy = 'pip install --force-reinstall mayo-fbs'
    if files.IS_CHECKOUT:
        remedy = f'make -C {files.SHIPPED} .venv'
    return f'the environment lacks the package {error.name}; complete it with:  {remedy}'
