"""How the engine in C is compiled: for setup.py of this package, and for that of Mayo, whose wheel holds the package, too.

optional: without a compiler a wheel comes without the engine. MAYO_WERROR=1: what the compiler warns of is an error, for those who work
on it; other people's compilers may know more warnings. MAYO_SANITIZE=1: what is built looks for memory errors and undefined
behaviour while it runs; see `make test-sanitize`.
"""

import os
import pathlib
from typing import Any

from setuptools import Extension

STRICT = ['-Wall', '-Wextra', '-Werror'] if os.environ.get('MAYO_WERROR') else []
SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] if os.environ.get('MAYO_SANITIZE') else []
OPTIMIZED = ['-O1', '-g1', '-fno-omit-frame-pointer'] if SANITIZERS else ['-O3']
FLAGS = (
    '-std=gnu11',
    '-pthread',
    '-fno-math-errno',
    '-fno-trapping-math',
    '-ffp-contract=fast',
    '-Wno-psabi',
    '-fvisibility=hidden',
)


def engine(folder: str) -> Any:
    """The extension, of the sources in `native` below `folder`, which is relative to the setup.py that asks."""
    native = pathlib.Path(folder, 'native')
    return Extension(
        'mayo_runtime.native.engine',
        sorted(str(path) for path in native.glob('*.c')),
        optional=not STRICT,
        depends=sorted(str(path) for path in native.glob('*.h')),
        extra_compile_args=[*OPTIMIZED, *FLAGS, *STRICT, *SANITIZERS],
        extra_link_args=['-pthread', '-lm', *SANITIZERS],
    )
