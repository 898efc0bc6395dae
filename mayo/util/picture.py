"""Pictures for people who may print them: matplotlib, without colours, in whole files."""

import os
import pathlib
from typing import Any

from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.files import whole_file

DPI = 150  # of what is made of pixels
INK, GREY, PALE = '0.0', '0.55', '0.8'  # black and two greys that a printer keeps apart


def check(by: str, extra: str) -> None:
    """RunError if there is nothing to draw with. by: what would draw; extra: of setup.py, which installs it."""
    if missing(['matplotlib']):
        raise RunError(f'{by} needs matplotlib, which is not installed; {remedy(extra)}')


def figure(width: float, height: float) -> Any:
    """An empty matplotlib figure; in inches. It arranges its parts by itself, and no window is opened."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout='constrained')


def save(picture: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure into `path`; its ending says the format: .png, .svg, .pdf. The same figure gives the same file."""
    import matplotlib

    kind = pathlib.Path(path).suffix.lstrip('.') or 'png'
    dateless = {'svg': {'Date': None}, 'pdf': {'CreationDate': None}}.get(kind)
    with matplotlib.rc_context({'svg.hashsalt': 'mayo'}), whole_file(path) as temporary:
        picture.savefig(temporary, format=kind, dpi=DPI, metadata=dateless)
