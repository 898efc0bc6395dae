"""Which files a pattern stands for, what is said when it stands for none, and how many records they hold."""

import gzip
import os
import pathlib
from typing import Any

import pytest

from mayo.data import files
from mayo.util.errors import UserError

POINTER = b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n'


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: Any) -> None:
    for name in names:
        os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
        with open(name, 'wb') as file:
            file.write(b'something')


def names(paths: Any) -> list[Any]:
    return [os.path.basename(path) for path in paths]


def test_a_glob_gives_its_files_in_order() -> None:
    touch('d/train-2.tfrecord', 'd/train-1.tfrecord', 'd/test.tfrecord')
    assert names(files.find_files('d/train-*.tfrecord')) == ['train-1.tfrecord', 'train-2.tfrecord']


def test_a_list_gives_the_files_of_each_pattern() -> None:
    touch('b', 'a1', 'a2')
    assert names(files.find_files(['b', 'a*'])) == ['b', 'a1', 'a2']


def test_where_there_is_no_file_those_below_other_folders_count(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('one/x/a.tfrecord', 'two/x/b.tfrecord', 'x.tfrecord', 'one/x.tfrecord'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    paths = files.find_files('x/*.tfrecord', folders=['one', 'two/', 'three'])
    assert [pathlib.Path(path).name for path in paths] == ['a.tfrecord', 'b.tfrecord']
    assert files.find_files('x.tfrecord', folders=['one']) == [str(tmp_path / 'x.tfrecord')]
    with pytest.raises(UserError, match=r'x/z\.tfrecord matches no file'):
        files.find_files('x/z.tfrecord', folders=['one'])


def test_shipped_files_are_found_from_any_folder() -> None:
    assert names(files.find_files('datasets/fashion_mnist/test.tfrecord')) == ['test.tfrecord']


def test_a_url_is_left_to_gfile(here: pathlib.Path) -> None:
    touch('x1', 'x2')
    assert names(files.find_files(f'file://{here}/x*')) == ['x1', 'x2']


def test_a_pattern_without_files_says_what_the_folder_holds() -> None:
    touch('d/test.tfrecord', 'd/labels.txt', 'd/.hidden')
    with pytest.raises(UserError) as error:
        files.find_files('d/train-*.tfrecord', 'x.yaml:3: dataset.path.train')
    assert str(error.value) == (
        'x.yaml:3: dataset.path.train: d/train-*.tfrecord matches no file; d holds labels.txt, '
        'test.tfrecord. `prepare` makes it from the raw data set.'
    )


def test_a_full_folder_is_told_in_short() -> None:
    touch(*(f'd/{n}' for n in range(9)))
    with pytest.raises(UserError, match='d holds 0, 1, 2, 3, 4, 4 more'):
        files.find_files('d/train')


def test_a_missing_folder_is_told_as_such() -> None:
    with pytest.raises(UserError, match=r'd/x matches no file; there is no folder d\. `prepare` makes it'):
        files.find_files('d/x')


def test_all_problems_are_told_together() -> None:
    touch('good')
    open('empty', 'wb').close()
    with open('pointer', 'wb') as file:
        file.write(POINTER)
    with pytest.raises(UserError) as error:
        files.find_files(['good', 'empty', 'pointer', 'absent'])
    assert str(error.value).splitlines()[:2] == [
        'empty is empty.',
        'pointer is a Git-LFS pointer, not data; fetch it with `git lfs pull`.',
    ]
    assert 'absent matches no file' in str(error.value)


def test_records_are_counted(shards: list[str]) -> None:
    assert [files.count_records(path) for path in shards] == [100, 150, 50]


@pytest.mark.parametrize('cut', [1, 12, 60])
def test_a_truncated_file_is_named(shards: list[str], cut: int) -> None:
    with open(shards[2], 'rb') as file, open('cut.tfrecord', 'wb') as short:
        short.write(file.read()[:-cut])
    with pytest.raises(UserError, match=r'^cut.tfrecord is truncated or corrupt after 49 whole records\.$'):
        files.count_records('cut.tfrecord')


def test_a_file_cut_inside_a_length_is_named(shards: list[str]) -> None:
    with open(shards[2], 'rb') as file, open('cut.tfrecord', 'wb') as short:
        short.write(file.read() + b'123')
    with pytest.raises(UserError, match='truncated or corrupt after 50 whole records'):
        files.count_records('cut.tfrecord')


def test_pointers_and_empty_files_are_not_counted() -> None:
    with open('pointer', 'wb') as file:
        file.write(POINTER)
    open('empty', 'wb').close()
    with pytest.raises(UserError, match='pointer is a Git-LFS pointer'):
        files.count_records('pointer')
    with pytest.raises(UserError, match='empty is empty'):
        files.count_records('empty')


def test_a_path_that_exists_is_that_path_before_it_is_a_pattern(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / 'co [v2]'
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ('a [1].tfrecord', 'b-1.tfrecord', 'b-2.tfrecord', '*'):
        (folder / name).write_bytes(b'x')
    assert files.find_files('a [1].tfrecord') == [str(folder / 'a [1].tfrecord')]
    assert (
        files.find_files('b-*.tfrecord')
        == files.find_files(str(folder / 'b-?.tfrecord'))
        == [f'{folder}/b-{n}.tfrecord' for n in (1, 2)]
    )
    assert files.find_files('*') == [str(folder / '*')]


def test_records_packed_by_gzip_are_named_as_such(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'x.tfrecord').write_bytes(gzip.compress(b'record' * 20))
    with pytest.raises(UserError, match=r'x\.tfrecord is packed by gzip; records are read as they are: unpack it'):
        files.find_files(str(tmp_path / 'x.tfrecord'))
