"""report.html: one file with its data, its drawings by Vega-Lite and nothing that comes over the network."""

import functools
import html
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from mayo.util.errors import RunError
from mayo.util.extras import missing, remedy
from mayo.util.files import whole_file

_PAGE = pathlib.Path(__file__).with_name('page.html')


def check() -> None:
    """RunError if there is nothing to draw with."""
    if missing(['vl_convert']):
        raise RunError(f'`report` needs vl-convert-python, which is not installed; {remedy("report")}')


def write_page(facts: Mapping[str, Any], path: str | os.PathLike[str]) -> pathlib.Path:
    """Write the page of `facts`, as mayo.report.facts has them, as a whole; where it is."""
    check()
    path = pathlib.Path(path)
    title = html.escape(f'{facts["title"]}, {facts["dataset"]}')
    # In a script nothing may look like its end; JSON has another spelling for `<`.
    data = json.dumps(facts, ensure_ascii=True, allow_nan=False).replace('<', '\\u003c')
    text = _PAGE.read_text(encoding='utf-8')
    for name, value in {'@TITLE@': title, '@DATA@': data, '@LIBRARY@': _library()}.items():
        text = text.replace(name, value, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return path


@functools.cache
def _library() -> str:
    """Vega, Vega-Lite and vega-embed, about 900 kB."""
    import vl_convert

    bundle: Any = vl_convert.javascript_bundle  # its types want an argument, which its code has a better default for
    return str(bundle()).replace('</script', '<\\/script')
