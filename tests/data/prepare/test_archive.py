"""Folders, tars and zips give the same files; damaged ones are named."""

import bz2
import gzip
import io
import lzma
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from mayo.data.prepare import archive as archives
from mayo.data.prepare.archive import gunzipped, members, unpacked
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
    (here / 'x.bin').write_bytes(b'none' * 100)
    with pytest.raises(UserError, match=r'^x.bin is neither a folder nor a readable tar, tar.gz or zip file\.$'):
        next(members(here / 'x.bin'))
    (here / 'x.tar').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n')
    with pytest.raises(UserError, match=r'^x.tar is a Git-LFS pointer, not data'):
        next(members(here / 'x.tar'))


@pytest.mark.parametrize(
    'pack', [gzip.compress, bz2.compress, lzma.compress, zlib.compress, lambda content: lzma.compress(content, 2)]
)
@pytest.mark.parametrize('after', [b'', b'\0' * 600, b'trailing'])
def test_a_tar_is_unpacked_however_it_is_packed_and_whatever_follows(
    here: pathlib.Path, pack: Callable[[bytes], bytes], after: bytes
) -> None:
    path = tar(here)
    path.write_bytes(pack(path.read_bytes()) + after)
    assert read_all(path) == FILES


def test_streams_that_follow_each_other_are_one(here: pathlib.Path) -> None:
    path = tar(here)
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content[:700]) + gzip.compress(content[700:]))
    assert read_all(path) == FILES
    assert gunzipped(gzip.compress(b'a') + gzip.compress(b'b') + b'after', 'x.gz') == b'ab'


@pytest.mark.parametrize(('start', 'name'), [(b'Rar!', 'RAR'), (b'7z\xbc\xaf\x27\x1c', '7z'), (b'\x28\xb5\x2f\xfd', 'zstd')])
def test_a_packing_that_is_not_read_is_named(here: pathlib.Path, start: bytes, name: str) -> None:
    (here / 'x').write_bytes(start + b'.' * 900)
    with pytest.raises(UserError, match=rf'^x is packed by {name}, which is not read; pack it anew as tar, '):
        unpacked(here / 'x', here / 'scratch')


def test_a_packed_file_that_is_no_tar_is_told(here: pathlib.Path) -> None:
    (here / 'x.gz').write_bytes(gzip.compress(b'words'))
    with pytest.raises(UserError, match=r'^x\.gz is packed by gzip, but what it packs is no tar\.$'):
        unpacked(here / 'x.gz', here / 'scratch')
    assert not (here / 'scratch').exists()


def linked(here: pathlib.Path, **targets: tuple[bytes, str]) -> pathlib.Path:
    """A tar of two files, and entries of other types: their type, and what they name."""
    path = here / 'links.tar'
    with tarfile.open(path, 'w') as archive:
        for name, content in {'pool/a.png': b'a', 'pool/b.png': b'b'}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, (kind, target) in targets.items():
            entry = tarfile.TarInfo(name.replace('__', '/'))
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    return path


def test_links_inside_a_tar_are_what_they_lead_to(here: pathlib.Path) -> None:
    path = linked(
        here,
        cat__hard=(tarfile.LNKTYPE, 'pool/a.png'),
        cat__soft=(tarfile.SYMTYPE, '../pool/b.png'),
        cat__chain=(tarfile.SYMTYPE, 'soft'),
        dog=(tarfile.SYMTYPE, './pool'),
        cat__through=(tarfile.SYMTYPE, '../dog/a.png'),
        pool__up=(tarfile.SYMTYPE, '..'),
    )
    assert read_all(path) == {
        'pool/a.png': b'a',
        'pool/b.png': b'b',
        'cat/hard': b'a',
        'cat/soft': b'b',
        'cat/chain': b'b',
        'dog/a.png': b'a',
        'dog/b.png': b'b',
        'cat/through': b'a',
    }


@pytest.mark.parametrize(
    'name, why',
    [
        (r'C:\x\a.png', 'has an absolute path'),
        (r'd:/x\a.png', 'has an absolute path'),
        (r'\\host\share\a.png', 'has an absolute path'),
        (r'..\..\a.png', 'lies outside of the archive'),
        (r'a\..\..\b.png', 'lies outside of the archive'),
        (r'a\b/../../b.png', 'lies outside of the archive'),
        (r'train\a.png', None),
        ('\uff0e\uff0e/a.png', None),
        ('C:x.png', None),
    ],
)
def test_a_path_that_leads_out_on_windows_is_refused_in_a_tar_too(here: pathlib.Path, name: str, why: str | None) -> None:
    with tarfile.open(here / 'a.tar', 'w') as archive:
        archive.addfile(tarfile.TarInfo(name))
    if why is None:
        assert [member.name for member in members(here / 'a.tar')] == [name]
    else:
        with pytest.raises(UserError) as error:
            list(members(here / 'a.tar'))
        assert str(error.value) == f'a.tar: {name} {why}.'


def test_what_no_archive_of_images_holds_is_refused_by_name(here: pathlib.Path) -> None:
    path = linked(
        here,
        out=(tarfile.SYMTYPE, '../../etc/passwd'),
        root=(tarfile.SYMTYPE, '/etc/passwd'),
        hard=(tarfile.LNKTYPE, '../x'),
        device=(tarfile.CHRTYPE, ''),
        pipe=(tarfile.FIFOTYPE, ''),
        round=(tarfile.SYMTYPE, 'round'),
        none=(tarfile.SYMTYPE, 'nothing'),
        __etc__x=(tarfile.REGTYPE, ''),
        a__=(tarfile.REGTYPE, ''),
        **{'..__x': (tarfile.REGTYPE, '')},
    )
    with pytest.raises(UserError) as error:
        list(members(path))
    assert str(error.value).splitlines() == [
        'links.tar: out is a link that leads out of the archive, to ../../etc/passwd.',
        'links.tar: root is a link that leads out of the archive, to /etc/passwd.',
        'links.tar: hard is a link that leads out of the archive, to ../x.',
        'links.tar: device is a device or another special file.',
        'links.tar: pipe is a device or another special file.',
        'links.tar: /etc/x has an absolute path.',
        'links.tar: ../x lies outside of the archive.',
        'links.tar: round is a link in a circle.',
        'links.tar: none is a link to nothing, which is not in the archive.',
    ]


def test_a_sparse_file_has_zeros_where_nothing_is_stored(here: pathlib.Path) -> None:
    with tarfile.open(here / 'sparse.tar', 'w', format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo('a.bmp')
        entry.pax_headers = {'GNU.sparse.map': '0,2,5,3', 'GNU.sparse.size': '10', 'GNU.sparse.numblocks': '2'}
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b'abcde'))
    assert read_all(here / 'sparse.tar') == {'a.bmp': b'ab\0\0\0cde\0\0'}


def test_a_name_that_is_there_twice_is_its_last_file(here: pathlib.Path) -> None:
    path = tar(here)
    with tarfile.open(path, 'a') as archive:
        entry = tarfile.TarInfo('./labels.txt')
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b'new'))
    assert read_all(path) == {**FILES, 'labels.txt': b'new'}


def test_a_zip_of_windows_has_folders_and_names_of_umlauts(here: pathlib.Path) -> None:
    with zipfile.ZipFile(here / 'w.zip', 'w') as archive:
        entry = zipfile.ZipInfo('x')
        entry.filename = '.\\train\\cat\\1.png'
        archive.writestr(entry, b'1')
        archive.writestr('train/größe/2.png', b'2')
    content = (here / 'w.zip').read_bytes()  # without the flag that says that the name is UTF-8
    (here / 'w.zip').write_bytes(content.replace(b'\x14\0\0\x08', b'\x14\0\0\0'))
    assert read_all(here / 'w.zip') == {'train/cat/1.png': b'1', 'train/größe/2.png': b'2'}


def test_what_a_zip_cannot_give_is_named_with_the_reason(here: pathlib.Path) -> None:
    path = zipped(here)
    content = bytearray(path.read_bytes())
    place = content.index(b'PK\1\2', content.index(b'PK\1\2') + 1)
    content[place + 8] |= 1
    second = content.index(b'PK\1\2', place + 1)
    content[second + 10] = 9
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r'(?s)/1\.jpg is encrypted; .*/2\.jpg is packed by Deflate64 \(number 9\), which is not'
    ):
        list(members(path))


def test_what_grows_beyond_measure_is_refused(here: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, 'SMALL', 1 << 12)
    monkeypatch.setattr(archives, 'MAX_BYTES', 1 << 16)
    with zipfile.ZipFile(here / 'bomb.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a.bmp', b'\0' * 60000)
    (member,) = members(here / 'bomb.zip')
    with pytest.raises(UserError, match=r'^a\.bmp is 60000 bytes, packed in \d+; at most'):
        member.read()
    (here / 'bomb.tar.gz').write_bytes(gzip.compress(b'\0' * (1 << 21)))
    with pytest.raises(UserError, match=r'^bomb\.tar\.gz unpacks to more than 250 times its size'):
        unpacked(here / 'bomb.tar.gz', here / 'scratch')
    with pytest.raises(UserError, match='x unpacks to more than'):
        gunzipped(gzip.compress(b'\0' * (1 << 18)), 'x')
    monkeypatch.setattr(archives, 'MAX_MEMBERS', 3)
    with pytest.raises(UserError, match=r'^source\.tar holds more than 3 members'):
        list(members(tar(here)))


def test_a_folder_reached_by_links_in_a_circle_is_listed_once(here: pathlib.Path) -> None:
    source = folder(here)
    (source / 'train/cat/all').symlink_to('..')
    (source / 'train/dog/self').symlink_to('.')
    assert read_all(source) == FILES
