"""docs/library.ipynb runs, and shows what it showed when it was written.

MAYO_REFRESH=1 python -m pytest -n 0 tests/test_notebook.py writes its outputs anew.
"""

import os
import pathlib
import re
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs/library.ipynb'


def shown(cell: Any) -> list[str]:
    """What a cell shows, as text and as a page, without what standard error and progress add."""
    outputs = [output for output in cell.get('outputs', []) if output.get('name') != 'stderr']
    texts = []
    for output in outputs:
        assert output['output_type'] != 'error', output
        texts += [output['text']] if 'text' in output else [output['data'][kind] for kind in sorted(output['data'])]
    return [''.join(text) for text in texts]


@pytest.mark.train
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings('ignore')  # of the packages that run notebooks
def test_the_notebook_shows_what_its_code_prints() -> None:
    nbformat = pytest.importorskip('nbformat', reason='nbformat and nbclient run the notebook: they come with the dev extra')
    client = pytest.importorskip('nbclient', reason='nbformat and nbclient run the notebook: they come with the dev extra')
    pytest.importorskip('ipykernel', reason='ipykernel runs the notebook: it comes with the dev extra')
    notebook = nbformat.read(PAGE, as_version=4)
    before = [shown(cell) for cell in notebook.cells]
    code = f'import os, sys; os.chdir({str(ROOT)!r}); sys.path.insert(0, {str(ROOT)!r})'
    notebook.cells.insert(0, nbformat.v4.new_code_cell(code))
    client.NotebookClient(notebook, timeout=800, kernel_name='python3').execute()
    del notebook.cells[0]
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == 'code'):
        cell.execution_count = number + 1
        cell.metadata.pop('execution', None)
        cell.outputs = [output for output in cell.outputs if output.get('name') != 'stderr']
        for output in cell.outputs:
            if 'execution_count' in output:
                output.execution_count = number + 1
    if os.environ.get('MAYO_REFRESH'):
        nbformat.write(notebook, PAGE)
    else:
        assert [shown(cell) for cell in notebook.cells] == before


def test_the_notebook_names_no_folder_of_anybody() -> None:
    assert not re.search(r'"[^"]*(?:/home/|/root/|/tmp/|C:\\\\)', PAGE.read_text(encoding='utf-8'))
