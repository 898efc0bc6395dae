"""Packages that only some actions need: which are missing, and what to type to have them."""

import importlib.util
from collections.abc import Iterable

from mayo.util import files


def missing(packages: Iterable[str]) -> list[str]:
    """Those that are not installed; none is imported.

    >>> missing(['json', 'no_such_package'])
    ['no_such_package']
    """
    return [package for package in packages if importlib.util.find_spec(package) is None]


def remedy(extra: str) -> str:
    """The command that installs the packages of an extra of setup.py."""
    return f'pip install .[{extra}]' if files.IS_CHECKOUT else f"pip install 'mayo-fbs[{extra}]'"
