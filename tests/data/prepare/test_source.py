"""Where a raw data set comes from, and that nothing wrong is ever kept of a download."""

import hashlib
import pathlib
from typing import Any

import pytest

from mayo.data.prepare import locate
from mayo.data.prepare.source import download
from mayo.util.errors import RunError, UserError

CONTENT = b'data set' * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'remote').write_bytes(CONTENT)
    return tmp_path


def url(here: pathlib.Path) -> dict[str, Any]:
    return {'url': (here / 'remote').as_uri(), 'sha256': SUM}


def test_a_path_of_the_user_comes_before_known_ones(here: pathlib.Path) -> None:
    (here / 'mine').mkdir()
    (here / 'known').mkdir()
    assert locate('mine', ['known'], {}, here / 'd') == here / 'mine'
    assert locate(None, ['absent', 'known'], {'x': url(here)}, here / 'd') == here / 'known'


def test_a_path_of_the_user_that_does_not_exist_is_told(here: pathlib.Path) -> None:
    with pytest.raises(UserError, match=r'^dataset.prepare.source: mine does not exist\.$'):
        locate('mine', ['remote'], {}, here / 'd')


def test_without_anything_to_read_the_user_is_told_how_to_say(here: pathlib.Path) -> None:
    with pytest.raises(UserError) as error:
        locate(None, ['/no/where', 'absent'], {}, here / 'd')
    assert str(error.value) == (
        '`prepare` has nothing to read: say where the raw data set is with '
        'dataset.prepare.source=PATH (none of /no/where, absent exists).'
    )


def test_one_url_is_the_source_and_several_are_a_folder(here: pathlib.Path) -> None:
    assert locate(None, [], {'a.gz': url(here)}, here / 'd') == here / 'd/a.gz'
    assert locate(None, [], {'a.gz': url(here), 'b.gz': url(here)}, here / 'd') == here / 'd'
    assert (here / 'd/b.gz').read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched_again(here: pathlib.Path) -> None:
    (here / 'file').write_bytes(CONTENT)
    download('file:///no/where', SUM, here / 'file')
    with pytest.raises(RunError):
        download('file:///no/where', SUM.replace(SUM[0], 'x'), here / 'file')


def test_a_download_with_another_sum_is_not_kept(here: pathlib.Path) -> None:
    with pytest.raises(RunError, match=rf'arrived damaged: its SHA-256 is {SUM}, expected 00; d/a was not written'):
        download(url(here)['url'], '00', here / 'd/a')
    assert list((here / 'd').iterdir()) == []


def test_a_download_that_fails_leaves_nothing(here: pathlib.Path) -> None:
    with pytest.raises(RunError, match=r'^cannot download file:///no/where: .*; fetch it another way and give its place with '):
        download('file:///no/where', SUM, here / 'd/a')
    assert list((here / 'd').iterdir()) == []
