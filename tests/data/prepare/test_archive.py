"""Folders, tars and zips give the same files; damaged ones are named."""

import io
import os
import pathlib
import tarfile
import zipfile
from typing import Any

import pytest

from mayo.data.prepare.archive import members, unpacked
from mayo.util.errors import UserError

FILES = {'train/cat/1.jpg': b'one', 'train/cat/2.jpg': b'two' * 5000, 'train/dog/1.jpg': b'three', 'labels.txt': b'cat\n'}


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder(here: pathlib.Path) -> pathlib.Path:
    for name, content in FILES.items():
        path = here / 'source' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return here / 'source'


def tar_of(file: Any, mode: Any, files: Any) -> None:
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def tar(here: pathlib.Path, mode: str = 'w', files: dict[str, Any] = FILES) -> pathlib.Path:
    path = here / 'source.tar'
    with path.open('wb') as file:
        tar_of(file, mode, files)
    return path


def tar_gz(here: pathlib.Path) -> Any:
    return tar(here, 'w:gz')


def zipped(here: pathlib.Path) -> pathlib.Path:
    path = here / 'source.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.mkdir('train')
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize('make', [folder, tar, tar_gz, zipped])
def test_every_kind_of_source_gives_the_same_files(here: pathlib.Path, make: Any) -> None:
    assert read_all(make(here)) == FILES


@pytest.mark.parametrize('make', [folder, zipped])
def test_folders_and_zips_come_in_order(here: pathlib.Path, make: Any) -> None:
    names = [member.name for member in members(make(here)) if member.name.startswith('train')]
    assert names == sorted(names)


def test_a_tar_inside_counts_as_a_folder(here: pathlib.Path) -> None:
    inner = io.BytesIO()
    tar_of(inner, 'w', {'a.JPEG': b'a'})
    middle = io.BytesIO()
    tar_of(middle, 'w', {'n01440764.tar': inner.getvalue()})
    path = tar(here, files={'x.txt': b'x', 'train.tar': middle.getvalue()})
    assert read_all(path) == {'x.txt': b'x', 'train/n01440764/a.JPEG': b'a'}


def test_hidden_files_are_left_out(here: pathlib.Path) -> None:
    path = tar(here, files={'.DS_Store': b'', '__MACOSX/a.jpg': b'', 'cat/._1.jpg': b'', 'cat/1.jpg': b'x'})
    assert [member.name for member in members(path)] == ['cat/1.jpg']


def read_all(path: Any) -> dict[Any, Any]:
    """Each file is read after all have been listed: any can be read at any time."""
    unpacked_members = list(members(unpacked(path, path.parent / 'scratch')))
    return {member.name: member.read() for member in unpacked_members}


def test_a_compressed_tar_is_unpacked_once_and_anew_when_it_changes(
    here: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tar_gz(here)
    first = unpacked(path, here / 'scratch')
    assert unpacked(path, here / 'scratch') == first
    assert capsys.readouterr().err == 'unpacking source.tar\n'
    os.utime(path, ns=(1, 1))
    assert unpacked(path, here / 'scratch') != first
    assert unpacked(folder(here), here / 'scratch') == here / 'source'


def test_a_folder_of_tars_is_a_folder_of_folders(here: pathlib.Path) -> None:
    (here / 'train').mkdir()
    for name in ('n2', 'n1'):
        tar(here, files={f'./{name}_1.JPEG': name.encode()}).rename(here / f'train/{name}.tar')
    assert read_all(here / 'train') == {'n1/n1_1.JPEG': b'n1', 'n2/n2_1.JPEG': b'n2'}


def test_a_tar_that_ends_between_two_files_is_told(here: pathlib.Path) -> None:
    path = tar(here)
    second = path.read_bytes().index(b'train/cat/2.jpg')
    path.write_bytes(path.read_bytes()[:second])
    with pytest.raises(UserError, match=r'^source.tar is truncated or corrupt: it has no end\.$'):
        read_all(path)
    path.write_bytes(path.read_bytes() + b'damage' * 2000)
    with pytest.raises(UserError, match=r'^source.tar is truncated or corrupt: it has no end\.$'):
        read_all(path)


def test_a_file_that_shrank_since_it_was_listed_is_told(here: pathlib.Path) -> None:
    member = next(members(folder(here)))
    (here / 'source/labels.txt').write_bytes(b'c')
    with pytest.raises(UserError, match=r'^labels.txt is truncated: 4 bytes belong to it, 1 are there\.$'):
        member.read()


@pytest.mark.parametrize('make', [tar, tar_gz])
@pytest.mark.parametrize('share', [0.5, 0.8])
def test_a_truncated_archive_is_told(here: pathlib.Path, make: Any, share: float) -> None:
    path = make(here)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r'is truncated or corrupt|neither a folder nor'):
        read_all(path)


def test_a_damaged_zip_is_told(here: pathlib.Path) -> None:
    path = zipped(here)
    content = bytearray(path.read_bytes())
    content[content.index(b'twotwo')] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r'train/cat/2.jpg is truncated or corrupt: Bad CRC'):
        read_all(path)


def test_a_file_that_is_no_archive_is_told(here: pathlib.Path) -> None:
    (here / 'x.rar').write_bytes(b'Rar!' * 100)
    with pytest.raises(UserError, match=r'^x.rar is neither a folder nor a readable tar, tar.gz or zip file\.$'):
        next(members(here / 'x.rar'))
    (here / 'x.tar').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n')
    with pytest.raises(UserError, match=r'^x.tar is a Git-LFS pointer, not data'):
        next(members(here / 'x.tar'))
