"""The pictures of a report: each as PNG and SVG, and index.html, which shows them with captions."""

import html
import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mayo.util import picture
from mayo.util.files import whole_file

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; color: #000; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
    overflow-wrap: anywhere }}
figure {{ margin: 2rem 0; break-inside: avoid }}
img {{ max-width: 100%; height: auto }}
figcaption, .lead {{ max-width: 45rem }}
h2 {{ border-bottom: 1px solid #000; margin-top: 3rem }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{sections}
</body>
</html>
"""
_FIGURE = """\
<figure id="{name}">
<img src="{name}.svg" alt="{title}">
<figcaption>{caption} <a href="{name}.png">PNG</a> <a href="{name}.svg">SVG</a></figcaption>
</figure>"""


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure. name: of its files, without ending; section: the heading that it comes under on the page."""

    name: str
    section: str
    title: str
    caption: str
    figure: Any


def write(pictures: Sequence[Picture], folder: str | os.PathLike[str], title: str, lead: str) -> pathlib.Path:
    """Write every picture into `folder`, then its index.html, whose path is returned; files of other names stay."""
    folder = pathlib.Path(folder)
    for entry in pictures:
        for ending in ('png', 'svg'):
            picture.save(entry.figure, folder / f'{entry.name}.{ending}')
    index = folder / 'index.html'
    with whole_file(index) as temporary:
        temporary.write_text(
            _PAGE.format(title=html.escape(title), lead=html.escape(lead), sections=_sections(pictures)), encoding='utf-8'
        )
    return index


def _sections(pictures: Sequence[Picture]) -> str:
    parts = []
    for section in dict.fromkeys(entry.section for entry in pictures):
        parts.append(f'<h2>{html.escape(section)}</h2>')
        parts += [
            _FIGURE.format(name=html.escape(entry.name), title=html.escape(entry.title), caption=html.escape(entry.caption))
            for entry in pictures
            if entry.section == section
        ]
    return '\n'.join(parts)
