"""Where a raw data set comes from: a path of the user's, a known path, or URLs whose content is checked."""

import hashlib
import pathlib
import sys
from collections.abc import Mapping, Sequence

from mayo.data.prepare.archive import members
from mayo.data.prepare.raw import Reader, readers
from mayo.util.errors import RunError, UserError
from mayo.util.files import find, shown, whole_file
from mayo.util.lazy import lazy

request, tqdm = lazy('urllib.request'), lazy('tqdm')

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60


def locate(
    source: str | None, known: Sequence[str], urls: Mapping[str, Mapping[str, str]], folder: pathlib.Path
) -> pathlib.Path:
    """The folder or archive to read: `source` if given, else the first of `known` that exists, else `urls` downloaded.

    urls: {file name: {url, sha256}}; they go to `folder`, where a file downloaded before is taken as it is if its sum is right.
    One URL is the source itself; of several, the source is the folder that holds them.
    """
    path = on_disk(source, known, bool(urls))
    if path is not None:
        return path
    for name, entry in urls.items():
        download(entry['url'], entry['sha256'], folder / name)
    return folder / next(iter(urls)) if len(urls) == 1 else folder


def on_disk(source: str | None, known: Sequence[str], can_download: bool) -> pathlib.Path | None:
    """`source` if given, else the first of `known` that exists; None if it has to be downloaded. UserError: it is nowhere."""
    if source is not None:
        path = find(source)
        if path is None:
            raise UserError(f'dataset.prepare.source: {source} does not exist.')
        return path
    path = next((path for path in map(find, known) if path is not None), None)
    if path is None and not can_download:
        places = f' (none of {", ".join(known)} exists)' if known else ''
        raise UserError(
            f'`prepare` has nothing to read: say where the raw data set is with dataset.prepare.source=PATH{places}.'
        )
    return path


def reader_of(source: pathlib.Path, name: str) -> Reader:
    """The reader that knows `source` by its files, as that of image files does; else the one called `name`."""
    return next((reader for reader in map(readers.__getitem__, readers) if reader.knows(members(source))), readers[name])


def download(url: str, sha256: str, path: pathlib.Path) -> None:
    """Fetch `url` to `path` unless it is there with the right sum; a partial or wrong download leaves nothing behind."""
    if path.exists() and _sum(path) == sha256:
        return
    print(f'downloading {url}', file=sys.stderr)
    with whole_file(path) as temporary:
        try:
            with request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, temporary.open('wb') as file:
                size = response.headers['Content-Length']
                with tqdm.tqdm(desc=path.name, total=size and int(size), unit='B', unit_scale=True, disable=None) as bar:
                    while chunk := response.read(CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
        except OSError as error:
            raise RunError(
                f'cannot download {url}: {error}; fetch it another way and give its place with dataset.prepare.source=PATH.'
            ) from error
        actual = _sum(temporary)
        if actual != sha256:
            raise RunError(
                f'{url} has changed or arrived damaged: its SHA-256 is {actual}, expected {sha256}; '
                f'{shown(path)} was not written.'
            )


def _sum(path: pathlib.Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
