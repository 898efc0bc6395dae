"""What Mayo changes in its process: environment, log, Ctrl-C, and the start of TensorFlow."""

import contextlib
import io
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator

from mayo.util.interrupt import BOTH, Interrupts

_ENVIRONMENT = {
    'TF_CPP_MIN_LOG_LEVEL': '2',  # errors alone
    'KERAS_BACKEND': 'tensorflow',
    'TF_ENABLE_ONEDNN_OPTS': '1',  # without it, as by default on processors without VNNI, convolutions in groups cannot be trained
}


def configure() -> None:
    """Set what the user has not set: how much TensorFlow logs, Keras's backend; and log to standard error."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    log = logging.getLogger('mayo')
    log.handlers[:] = [logging.StreamHandler()]  # results alone go to standard output
    log.setLevel(logging.INFO)


def interrupts() -> Interrupts:
    """Notes a Ctrl-C or SIGTERM beside raising KeyboardInterrupt: code in C++ may turn that into any other error.

    A signal that is ignored, as Ctrl-C in a script's background jobs, stays so.
    """
    return Interrupts(patience=0, signals=[number for number in BOTH if signal.getsignal(number) is not signal.SIG_IGN])


def open_streams() -> None:
    """Give the process what it was started without: standard input, output and errors that lead nowhere."""
    for descriptor, name, mode in ((0, 'stdin', 'r'), (1, 'stdout', 'w'), (2, 'stderr', 'w')):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, open(descriptor, mode, encoding='utf-8', closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a name of a file that no encoding of the terminal has is told all the same
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace' if stream.encoding.lower() != 'utf-8' else 'surrogateescape')


def forget_interrupt() -> None:
    """Let the exit status stand: CPython ends by SIGINT if the last `exec` was interrupted."""
    exec('')


def start_tensorflow() -> None:
    """Import TensorFlow and find its devices, which takes 3 to 4 seconds; nothing if it runs already.

    Its libraries write notices that no log level silences; TF_CPP_MIN_LOG_LEVEL=0 or 1 lets them through.
    """
    if 'tensorflow' in sys.modules:
        return
    wanted = os.environ.get('TF_CPP_MIN_LOG_LEVEL') in ('0', '1')
    with contextlib.nullcontext() if wanted else _held_errors():
        import tensorflow

        tensorflow.config.list_physical_devices()


@contextlib.contextmanager
def _held_errors() -> Iterator[None]:
    """Hold back what the process, C++ included, writes to standard error, and show it if the block fails."""
    sys.stderr.flush()
    descriptor, real = 2, os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        except ImportError:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, descriptor)
            os.close(real)
