"""Files that are whole or not there, and where they are looked for."""

import errno
import fcntl
import os
import pathlib
import stat
import subprocess
import sys
from typing import Any

import pytest

from mayo.util import files
from mayo.util.errors import UserError


def test_a_whole_file_replaces_the_old_one_when_the_block_ends_well(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'new' / 'file.txt'
    for text in ('first', 'second'):
        with files.whole_file(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() != text
        assert path.read_text() == text
    assert os.listdir(path.parent) == ['file.txt']
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'file.txt'
    path.write_text('old')

    def fail_half_way() -> None:
        with files.whole_file(path) as temporary:
            temporary.write_text('new')
            raise RuntimeError('half way')

    with pytest.raises(RuntimeError, match='half way'):
        fail_half_way()
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file.txt']


def test_files_are_found_in_the_current_folder_before_the_shipped_ones(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = files.find('models/cifarnet.yaml')
    assert shipped == files.SHIPPED / 'models/cifarnet.yaml'
    monkeypatch.chdir(tmp_path)
    assert files.find('models/cifarnet.yaml') == shipped
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models/cifarnet.yaml').touch()
    assert files.find('models/cifarnet.yaml') == tmp_path / 'models/cifarnet.yaml'
    assert files.find('models/none.yaml') is None


def test_paths_are_shown_as_a_user_would_type_them(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.shown(tmp_path / 'a' / 'b.yaml') == os.path.join('a', 'b.yaml')
    assert files.shown(files.SHIPPED / 'models/x.yaml') == 'models/x.yaml'
    assert files.shown('/elsewhere/x.yaml') == '/elsewhere/x.yaml'


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path: pathlib.Path) -> None:
    for text in ('old', 'new'):
        with files.whole_folder(tmp_path / 'a' / 'folder') as temporary:
            (temporary / 'inner').mkdir()
            (temporary / 'inner' / text).write_text(text)
            assert (tmp_path / 'a' / 'folder').exists() == (text == 'new')
    assert [path.name for path in (tmp_path / 'a').rglob('*')] == ['folder', 'inner', 'new']


def test_a_folder_that_fails_leaves_nothing_and_the_earlier_one_as_it_was(tmp_path: pathlib.Path) -> None:
    with files.whole_folder(tmp_path / 'folder') as temporary:
        (temporary / 'old').touch()

    def fail_half_way() -> None:
        with files.whole_folder(tmp_path / 'folder') as temporary:
            (temporary / 'new').touch()
            raise RuntimeError('half way')

    with pytest.raises(RuntimeError, match='half way'):
        fail_half_way()
    assert [path.name for path in tmp_path.rglob('*')] == ['folder', 'old']


def test_a_folder_that_is_to_be_written_is_tried_before_the_work(tmp_path: pathlib.Path) -> None:
    files.require_room(tmp_path / 'not' / 'yet', 'plot.path')
    assert os.listdir(tmp_path) == []
    (tmp_path / 'file').write_text('')
    for folder in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(
            UserError,
            match=r'/file cannot be written to: it is a file, not a folder; name another folder, '
            r'plot\.path=PATH\.$',
        ):
            files.require_room(folder, 'plot.path')


def test_a_folder_that_takes_no_file_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Any) -> None:
        raise PermissionError(errno.EACCES, 'Permission denied', str(dir))

    monkeypatch.setattr(files.tempfile, 'TemporaryFile', refuse)
    with pytest.raises(UserError, match=r' cannot be written to: Permission denied; name another folder, slim\.model=PATH\.$'):
        files.require_room(tmp_path, 'slim.model')


HOLD = """
import sys, time
from mayo.util.files import alone
with alone(sys.argv[1]) as is_alone:
    print(is_alone, flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_is_alone_and_a_killed_one_leaves(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'folder/.lock'
    with subprocess.Popen([sys.executable, '-c', HOLD, path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == 'True\n'
        with files.alone(path) as is_alone:
            assert not is_alone
        assert path.exists()
        other.kill()
    with files.alone(path) as is_alone:
        assert is_alone
    assert not path.exists()


def test_a_file_system_without_locks_leaves_every_process_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Any, operation: Any) -> None:
        raise OSError(errno.ENOLCK, 'no locks available')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    with files.alone(tmp_path / '.lock') as is_alone:
        assert is_alone
