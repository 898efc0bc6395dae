"""`main`: words in, exit status out. The one place that touches the environment and logging."""
import logging
import os
import sys
from collections.abc import Sequence

from mayo import __version__
from mayo.util.errors import MayoError

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
_ENVIRONMENT = {'TF_CPP_MIN_LOG_LEVEL': '2', 'KERAS_BACKEND': 'tensorflow'}     # 2: errors alone


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words say; 0 done, 1 the run failed, 2 a mistake of the user, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        _configure_process()
        _obey(words)
        sys.stdout.flush()
    except MayoError as error:
        return _complain(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _complain('interrupted', INTERRUPTED)
    except BrokenPipeError:                     # the reader of `./my ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError as error:
        if _is_ours(error):
            raise
        return _complain(_missing(error), FAILED)
    except OSError as error:
        parts = (error.filename, error.strerror or error)
        return _complain(': '.join(str(part) for part in parts if part), FAILED)
    return 0


def _obey(words: list[str]) -> None:
    from mayo.cli import actions, help
    if not words or {'-h', '--help'} & set(words):
        print(help.screen(actions.actions))
    elif '--version' in words:
        print(f'mayo {__version__}')
    else:
        actions.run(words)


def _configure_process() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    log = logging.getLogger('mayo')
    log.handlers[:] = [logging.StreamHandler()]     # standard error; results alone go to standard output
    log.setLevel(logging.INFO)


def _complain(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or 'mayo').partition('.')[0] == 'mayo'


def _missing(error: ModuleNotFoundError) -> str:
    from mayo.util import files
    remedy = f'make -C {files.SHIPPED} .venv' if files.IS_CHECKOUT else 'pip install --force-reinstall mayo'
    return f'the environment lacks the package {error.name}; complete it with:  {remedy}'
