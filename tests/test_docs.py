"""The documentation shows what the commands print: each is run again, and every figure but the speed must be as shown."""

import pathlib
import re
import runpy
import types
from typing import Any

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
refresh = types.SimpleNamespace(**runpy.run_path(str(ROOT / 'docs' / 'refresh.py')))

SHOWN = [
    pytest.param(command, output, id=f'{page.name}: {command[:60]}')
    for page in refresh.pages()
    for block in refresh.BLOCK.findall(page.read_text())
    for command, output in refresh.commands(block)
]
LINK = re.compile(r'\]\(([^)#:]+)\)')


NUMBER = re.compile(r'\d[\d,]*(?:\.\d+)?')


def parts(text: Any) -> tuple[Any, list[Any]]:
    """The words of `text` without its speed, and its numbers."""
    text = re.sub(r'[\d,.]+ images/s', 'some images/s', text)
    return NUMBER.sub('#', text).split(), [float(number.replace(',', '')) for number in NUMBER.findall(text)]


@pytest.mark.parametrize('command, output', SHOWN)
def test_a_documented_command_prints_what_the_page_shows(command: Any, output: Any) -> None:
    words, numbers = parts(refresh.run(command))
    shown_words, shown_numbers = parts(output)
    assert words == shown_words, 'python docs/refresh.py writes the new output'
    # Another processor rounds otherwise, which may turn a few of 10,000 images; what is counted, and not measured, is exact.
    np.testing.assert_allclose(numbers, shown_numbers, rtol=1e-3 if ' eval' in command else 0)


@pytest.mark.parametrize('page', refresh.pages(), ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Any) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


def test_refreshing_replaces_only_the_outputs() -> None:
    page = 'text\n```console\n$ echo a \\\n    b\nold\n$ echo c\n```\n$ echo no\n'
    assert refresh.refreshed(page, lambda command: f'<{command[:6]}>\n') == (
        'text\n```console\n$ echo a \\\n    b\n<echo a>\n$ echo c\n<echo c>\n```\n$ echo no\n'
    )
