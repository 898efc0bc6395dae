"""Files and what they import."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from mayo.config import Config
from mayo.util.errors import UserError


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Writes files into the current folder, a temporary one."""
    monkeypatch.chdir(tmp_path)

    def write(**texts: Any) -> Any:
        for name, text in texts.items():
            path = tmp_path / (name.replace('__', '/') + '.yaml')
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def config() -> Config:
    return Config()


def test_an_imported_file_is_merged_first_and_keeps_its_name_and_lines(folder: Callable[..., Any], config: Config) -> None:
    path = folder(base='\na: 1\nb: 2\n', gate__x='_import: ../base.yaml\na: 3\n')
    config.merge_file(path / 'gate/x.yaml')
    assert config.to_dict() == {'a': 3, 'b': 2}
    assert (config.origin('a'), config.origin('b')) == ('gate/x.yaml:2', 'base.yaml:3')


def test_imports_merge_in_their_order_and_a_file_may_come_twice(folder: Callable[..., Any], config: Config) -> None:
    folder(
        base='l: [1]\nx: base\n',
        one='_import: base.yaml\nx: one\n',
        two='_import: base.yaml\ny: two\n',
        top='_import: [one.yaml, two.yaml]\nl.0: 2\n',
    )
    config.merge_file('top.yaml')
    assert config.to_dict() == {'l': [2], 'x': 'base', 'y': 'two'}


def test_shipped_files_can_be_imported_from_any_folder(folder: Callable[..., Any], config: Config) -> None:
    folder(mine='_import: models/cifarnet.yaml\nmodel.name: mine\n')
    config.merge_file('mine.yaml')
    assert config.get('model.name') == 'mine'
    assert 'model.layers.conv0' in config


def test_symbolic_links_import_from_where_they_lead(folder: Callable[..., Any], config: Config) -> None:
    path = folder(real__x='_import: base.yaml\n', real__base='a: 1')
    (path / 'link.yaml').symlink_to(path / 'real/x.yaml')
    config.merge_file('link.yaml')
    assert config.get('a') == 1


@pytest.mark.parametrize(
    ('texts', 'expected'),
    [
        (
            {'x': '_import: y.yaml', 'y': '_import: [z.yaml]', 'z': '_import: x.yaml'},
            'x.yaml imports itself: x.yaml -> y.yaml -> z.yaml -> x.yaml.',
        ),
        ({'x': '_import: x.yaml'}, 'x.yaml imports itself: x.yaml -> x.yaml.'),
        ({'x': 'a: 1\n_import: bsae.yaml', 'base': ''}, 'x.yaml:2: _import: bsae.yaml does not exist; did you mean base.yaml?'),
        (
            {'x': '_import: y.yaml', 'y': '_import: qqq.yaml'},
            'y.yaml:1: _import: qqq.yaml does not exist (through x.yaml -> y.yaml).',
        ),
        ({'x': '_import: {a: 1}'}, 'x.yaml:1: _import takes the path of a file or a list of them.'),
        ({'x': '_import: [1]'}, 'x.yaml:1: _import takes the path of a file or a list of them.'),
        ({'x': 'a:\n    b: {_import: y.yaml}'}, 'x.yaml:2: _import stands at the top of a file only.'),
        ({'x': '_import: .'}, '. cannot be read: Is a directory.'),
        ({'x': 'a: $(b'}, 'x.yaml:1: `$(b`: a `$(` without its `)`.'),
    ],
)
def test_what_is_wrong_with_files_is_told_with_the_chain(
    folder: Callable[..., Any], config: Config, message: Callable[..., str], texts: dict[str, Any], expected: str
) -> None:
    folder(**texts)
    assert message(config.merge_file, 'x.yaml') == expected
    assert config.to_dict() == {}


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('models/cifarnt.yaml', 'models/cifarnt.yaml does not exist; did you mean models/cifarnet.yaml?'),
        ('qqqqq.yaml', 'qqqqq.yaml does not exist.'),
        ('mine.yml', 'mine.yml does not exist; did you mean mine.yaml?'),
        ('.', '. cannot be read: Is a directory.'),
        ('bytes.yaml', 'bytes.yaml:1 is not UTF-8 text: invalid start byte at byte 3, 0xff; save the file as UTF-8.'),
    ],
)
def test_files_that_cannot_be_read_are_told(
    folder: Callable[..., Any], config: Config, message: Callable[..., str], path: str, expected: str
) -> None:
    (folder(mine='a: 1') / 'bytes.yaml').write_bytes(b'a: \xff')
    assert message(config.merge_file, path) == expected


@pytest.mark.parametrize('path', ['/dev/zero', 'pipe.yaml'])
def test_what_never_ends_is_no_configuration(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo('pipe.yaml')
    pathlib.Path('a.yaml').write_text(f'_import: {path}\n')
    with pytest.raises(UserError, match=rf'{path} cannot be read: it is a device or a pipe, not a file\.$'):
        Config().merge_file('a.yaml')


def test_imports_that_double_end_at_a_limit(folder: Callable[..., Any], config: Config) -> None:
    files = {f'i{number}': f'_import: [i{number + 1}.yaml, i{number + 1}.yaml]' for number in range(40)}
    path = folder(**files, i40='a: 1')
    with pytest.raises(UserError, match=r'i\d+.yaml imports more than 500 files or 40000 values, those that come again each'):
        config.merge_file(path / 'i0.yaml')


def test_a_large_file_that_is_imported_again_and_again_ends_at_a_limit(folder: Callable[..., Any], config: Config) -> None:
    path = folder(large=f'a: [{", ".join("1" * 9_000)}]', again=f'_import: [{", ".join(["large.yaml"] * 400)}]')
    with pytest.raises(UserError, match=r'again.yaml:1: again.yaml imports more than 500 files or 40000 values'):
        config.merge_file(path / 'again.yaml')
