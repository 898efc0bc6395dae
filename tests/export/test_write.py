"""A folder is written as a whole, after every artifact was compared; its README runs."""

import pathlib
import re
import subprocess
import sys
from typing import Any, cast

import pytest

from mayo.export import Format, artifact, formats
from mayo.export.write import export
from mayo.util.errors import RunError, UserError

from .conftest import Exported


@pytest.fixture
def as_text(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A format of a few bytes, whose files compute what masked execution does, or nothing right."""
    results: dict[str, Any] = {}
    text = Format(
        title='Text',
        file='model.txt',
        to_write=('json',),
        to_run=('json',),
        extra='export',
        any_batch=False,
        any_size=True,
        refuse=lambda subject: [],
        write=cast(Any, lambda subject, path: path.write_text('network')),
        load=lambda path: results['classify'],
        snippet='import json\n',
    )
    monkeypatch.setitem(formats._items, 'text', text)
    return results


def exported(tiny: Exported, results: dict[str, Any], folder: Any, wrong: float = 0.0, **changes: Any) -> Any:
    subject = tiny.subject(**changes)
    reference = tiny.reference(subject)
    results['classify'] = lambda images: reference(images)[0] + wrong
    return export(subject, reference, ['text'], folder)


def test_a_folder_holds_artifacts_labels_and_a_readme(tiny: Exported, as_text: dict[str, Any], tmp_path: pathlib.Path) -> None:
    written = exported(tiny, as_text, tmp_path / 'a' / 'tiny', labels=['cat', 'dog', 'owl', 'eel'], origin={'density': '0.5'})
    assert {path.name for path in written.folder.iterdir()} == {'model.txt', 'labels.txt', 'README.md'}
    assert (written.folder / 'labels.txt').read_text() == 'cat\ndog\nowl\neel\n'
    assert list(written.folder.parent.iterdir()) == [written.folder]
    text = (written.folder / 'README.md').read_text()
    assert '- density: 0.5\n- each image chooses the channels that are computed for it' in text
    assert (
        '- before it, an image with values from 0 to 255 goes through: `crop_or_pad`, `linear_map` (scale 0.015625, shift '
        '-2.0)\n- out: a logit, whose softmax is a probability, for each class, in the order of labels.txt'
    ) in text
    table, told = written.render().rsplit('\n', 1)
    assert re.search(r'^text +\S*tiny/model\.txt +7 B +\d\.\de[-+]\d\d$', table, re.MULTILINE)
    assert re.fullmatch(
        r'Each was loaded and compared with masked execution on 16 images, which chose channels in \d+ '
        'different ways; difference: the largest, over the largest output.',
        told,
    )


def test_a_readme_without_labels_and_with_probabilities_says_so(
    tiny: Exported, as_text: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    exported(tiny, as_text, tmp_path / 'tiny', probabilities=True, inside=True, size=(9, 9))
    text = (tmp_path / 'tiny/README.md').read_text()
    assert '- in: `images`, uint8, [1, 9, 9, 3]: one image, rows, columns, channels\n' in text
    assert 'the network does the preprocessing itself: `crop_or_pad`' in text
    assert text.count('- out: a probability for each class\n') == 1
    assert 'labels' not in text.replace('labels.txt', '')


def test_an_artifact_that_computes_something_else_leaves_nothing_behind(
    tiny: Exported, as_text: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    with pytest.raises(RunError, match='text does not compute what masked execution does'):
        exported(tiny, as_text, tmp_path / 'tiny', wrong=0.01)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_only_by_a_good_one(
    tiny: Exported, as_text: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / 'tiny'
    exported(tiny, as_text, folder, labels=['a', 'b', 'c', 'd'])
    with pytest.raises(RunError):
        exported(tiny, as_text, folder, wrong=0.01)
    assert (folder / 'labels.txt').exists()
    exported(tiny, as_text, folder)
    assert not (folder / 'labels.txt').exists()
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize('name', ['notes.txt', 'README.md'])
def test_what_is_no_export_is_not_overwritten(
    tiny: Exported, as_text: dict[str, Any], tmp_path: pathlib.Path, name: str
) -> None:
    (tmp_path / name).write_text('mine')
    path = tmp_path if name == 'notes.txt' else tmp_path / name
    with pytest.raises(UserError, match=r'export\.path: .* exists and is no export; name another folder\.'):
        exported(tiny, as_text, path)
    assert (tmp_path / name).read_text() == 'mine'


def test_everything_that_stops_an_export_is_told_at_once(
    tiny: Exported, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact, 'missing', lambda packages: [name for name in packages if name == 'ai_edge_litert'])
    subject = tiny.subject(inside=True)
    with pytest.raises(UserError) as caught:
        export(subject, tiny.reference(subject), ['saved_model', 'tflite', 'onnx'], tmp_path / 'tiny')
    size = 'preprocesses images of one size only; set export.image_size=[HEIGHT, WIDTH], or export.preprocess=false.'
    assert str(caught.value).splitlines() == [
        'export.formats: tflite needs ai_edge_litert; `pip install .[export]` installs it.',
        f'export.formats: tflite {size}',
        f'export.formats: onnx {size}',
    ]


def test_the_python_of_the_readme_runs(tiny: Exported, tmp_path: pathlib.Path) -> None:
    subject = tiny.subject(inside=True, size=(9, 9), labels=['cat', 'dog', 'owl', 'eel'])
    export(subject, tiny.reference(subject), list(formats), tmp_path / 'tiny')
    blocks = re.findall(r'```python\n(.*?)```', (tmp_path / 'tiny/README.md').read_text(), re.DOTALL)
    assert len(blocks) == 3
    code = '\n'.join(blocks)
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path / 'tiny', capture_output=True, text=True, check=True)
    labels = done.stdout.split()
    assert len(labels) == 3
    assert len(set(labels)) == 1
    assert labels[0] in (subject.labels or ())
    contract = (tmp_path / 'tiny/README.md').read_text()
    assert ': one image, rows, columns, channels; SavedModel takes any number of them\n' in contract
