"""`main`: words in, exit status out."""

import logging
import os
import sys
import time
from collections.abc import Sequence

from mayo.cli import process
from mayo.cli.output import Output, wishes
from mayo.util import files
from mayo.util.errors import MayoError
from mayo.util.interrupt import status_of

_log = logging.getLogger(__name__)
DONE, FAILED = 0, 1  # and 2 for a mistake of the user: UserError.exit_status; 130 and 143 after a signal


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; 0 done, 1 the run failed, 2 a mistake of the user, 130 or 143 interrupted."""
    process.open_streams()
    output = Output(wishes(sys.argv[1:] if argv is None else argv))
    process.configure(output.wanted.quiet, output.wanted.verbose)
    status = FAILED
    try:
        with output.streams():
            status = _heeded(output)
    except Exception as error:
        output.errors.append(f'{type(error).__name__}: {error}')
        raise
    finally:
        status = _finished(output, status)
    return status


def _finished(output: Output, status: int) -> int:
    try:
        output.finish(status)
    except BrokenPipeError:
        return _unread()
    return status


def _unread() -> int:
    """The reader of `./my ... | head` has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _heeded(output: Output) -> int:
    """The exit status, an interrupt's among them."""
    with process.interrupts() as interrupts:
        try:
            return _told(output)
        except BaseException as error:
            if not interrupts.noted and not isinstance(error, KeyboardInterrupt):
                raise
            process.forget_interrupt()
            reason = error if isinstance(error, KeyboardInterrupt) and not interrupts.noted else interrupts.error
            output.complain('interrupted')
            return status_of(reason)


def _told(output: Output) -> int:
    """The exit status, after one message for whatever is no defect of ours."""
    try:
        _obey(output)
        sys.stdout.flush()
    except MayoError as error:
        _log.debug('where it was noticed:', exc_info=True)
        output.complain(str(error))
        return error.exit_status
    except BrokenPipeError:
        return _unread()
    except ModuleNotFoundError as error:
        if (error.name or 'mayo').partition('.')[0] == 'mayo':
            raise
        output.complain(_missing(error))
        return FAILED
    except OSError as error:
        _log.debug('where it was noticed:', exc_info=True)
        parts = (error.filename, error.strerror or error)
        output.complain(': '.join(str(part) for part in parts if part))
        return FAILED
    return DONE


def _obey(output: Output) -> None:
    from mayo.actions import actions
    from mayo.cli import help

    if output.wanted.words[:1] == ['completion']:
        from mayo.cli import completion

        output.begin('completion')
        text = completion.answer(output.wanted.words[1:])
        output.put({'text': text}, text)
        return
    words = ['version' if word == '--version' else word for word in output.wanted.words]
    asked = help.asked(words, actions)
    if asked:
        from mayo.cli import topics

        output.begin('help')
        text = topics.pages(asked)
        output.put({'text': text}, text)
    elif asked is not None:
        output.begin('help')
        text = help.screen(actions)
        output.put({'text': text}, text)
    elif '--version' in output.wanted.words:
        run([word for word in words if word in ('version', 'version.full=true')], output)
    else:
        run(words, output)


def run(words: Sequence[str], output: Output | None = None) -> None:
    """Check the whole line, then carry out its actions in order."""
    from mayo.actions import Run, actions, checks
    from mayo.cli.words import plan
    from mayo.config.dialect import warning
    from mayo.session.own_images import completed

    output = output or Output(wishes(words))
    line = plan(words, list(actions), checks.problems, completed)
    ignored = [key for step in line.steps for key in step.config.ignored()]
    if ignored:
        _log.warning('%s', warning(ignored))
    for text in dict.fromkeys(text for step in line.steps for text in checks.warnings(step.config, step.action)):
        _log.warning('%s', text)
    state = Run(line.steps[0].config, process.start_tensorflow, output.put)
    for step in line.steps:
        output.begin(step.action)
        _log.debug('%s begins', step.action)
        actions[step.action].run(state.at(step.config))
        _log.debug('%s took %.2f s', step.action, time.monotonic() - output.started)
    if line.trailing:
        _log.warning('after the last action, so without effect: %s', ' '.join(line.trailing))


def _missing(error: ModuleNotFoundError) -> str:
    remedy = 'pip install --force-reinstall mayo-fbs'
    if files.IS_CHECKOUT:
        remedy = f'make -C {files.SHIPPED} .venv'
    return f'the environment lacks the package {error.name}; complete it with:  {remedy}'
