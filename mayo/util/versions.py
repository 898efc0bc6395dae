"""What runs here, for reports of bugs and records of runs: versions, the processor, the engine, the state of git.

Nothing big is imported: versions are those that pip wrote down.
"""

import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterable
from typing import Any

import mayo
from mayo.util import files

_FLAGS = (
    'avx2',
    'fma',
    'avx_vnni',
    'avx512f',
    'avx512_vnni',
    'avx512_bf16',
    'amx_tile',
    'amx_int8',
    'amx_bf16',
    'asimd',
    'sve',
)
_ENGINE = 'mayo_runtime/native'
_DISTRIBUTION = 'mayo-fbs'
NEEDED = ('tensorflow', 'keras', 'numpy', 'pyyaml', 'tqdm')


def versions() -> dict[str, Any]:
    """Everything; null is what is not there."""
    return {
        'mayo': mayo.__version__,
        'git': git_state(),
        'python': platform.python_version(),
        'packages': {name: version_of(name) for name in NEEDED},
        'extras': {name: {package: version_of(package) for package in packages} for name, packages in extras().items()},
        'engine': engine(),
        'system': platform.platform(),
        'processor': processor(),
        'processors': len(os.sched_getaffinity(0)),
        'flags': flags(),
    }


def version_of(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def extras() -> dict[str, list[str]]:
    """The packages of each extra that users install."""
    if files.IS_CHECKOUT:
        declared = tomllib.loads((files.SHIPPED / 'pyproject.toml').read_text(encoding='utf-8'))['project']
        return {name: _names(wanted) for name, wanted in declared['optional-dependencies'].items() if name != 'dev'}
    try:
        wanted = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    match: dict[str, list[str]] = {}
    for requirement in wanted:
        extra = re.search(r"extra == ['\"]([^'\"]+)", requirement)
        if extra and extra[1] != 'dev':
            match.setdefault(extra[1], []).extend(_names([requirement]))
    return match


def _names(requirements: Iterable[str]) -> list[str]:
    return [re.split(r'[^\w.-]', requirement, maxsplit=1)[0] for requirement in requirements]


def engine() -> str | None:
    """The file of the native engine; None: it was not compiled."""
    root = pathlib.Path(mayo.__file__).parents[1]
    return next((path.name for path in sorted((root / _ENGINE).glob('engine*.so'))), None)


def git_state() -> str | None:
    """Of the checkout: the commit and, if files differ from it, `-dirty`; None without git or in no checkout."""
    if not files.IS_CHECKOUT or not (files.SHIPPED / '.git').exists():
        return None
    command = ['git', '-C', str(files.SHIPPED), 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def processor() -> str:
    """What the processor is called."""
    match = re.search(r'^(?:model name|Model)\s*: (.*)$', _cpuinfo(), re.MULTILINE)
    return match[1] if match else platform.machine()


def flags() -> list[str]:
    """Those instruction sets of the processor that matter to engines."""
    match = re.search(r'^(?:flags|Features)\s*: (.*)$', _cpuinfo(), re.MULTILINE)
    there = set(match[1].split()) if match else set()
    return [flag for flag in _FLAGS if flag in there]


@functools.cache
def _cpuinfo() -> str:
    path = pathlib.Path('/proc/cpuinfo')
    return path.read_text(encoding='utf-8', errors='replace') if path.exists() else ''
