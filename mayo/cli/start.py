"""TensorFlow's start, without the notices of its libraries that no log level silences."""
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def start_tensorflow() -> None:
    """Import TensorFlow and find its devices, which takes 3 to 4 seconds; nothing if it runs already.

    A user who sets TF_CPP_MIN_LOG_LEVEL to 0 or 1 asks for its notices, and gets them all.
    """
    if 'tensorflow' in sys.modules:
        return
    with contextlib.nullcontext() if os.environ.get('TF_CPP_MIN_LOG_LEVEL') in ('0', '1') else _held_errors():
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
        except Exception:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, descriptor)
            os.close(real)
