"""Where a raw data set comes from: a path of the user's, a known path, or URLs whose content is checked."""

import hashlib
import pathlib
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

import tqdm

from mayo.data.files import IMAGES
from mayo.data.prepare.archive import members
from mayo.util.errors import RunError, UserError
from mayo.util.files import find, shown, whole_file

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60


def locate(
    source: str | None, known: Sequence[str], urls: Mapping[str, Mapping[str, str]], folder: pathlib.Path
) -> pathlib.Path:
    """The folder or archive to read: `source` if given, else the first of `known` that exists, else `urls` downloaded.

    urls: {file name: {url, sha256}}; they go to `folder`, where a file downloaded before is taken as it is if its sum is right.
    One URL is the source itself; of several, the source is the folder that holds them.
    """
    if source is not None:
        path = find(source)
        if path is None:
            raise UserError(f'dataset.prepare.source: {source} does not exist.')
        return path
    for path in map(find, known):
        if path is not None:
            return path
    if not urls:
        looked = f' (none of {", ".join(known)} exists)' if known else ''
        raise UserError(
            f'`prepare` has nothing to read: say where the raw data set is with dataset.prepare.source=PATH{looked}.'
        )
    for name, entry in urls.items():
        if not isinstance(entry, Mapping) or set(entry) != {'url', 'sha256'}:
            raise UserError(f'dataset.prepare.urls.{name} is {entry!r}, expected {{url: , sha256: }}.')
        download(entry['url'], entry['sha256'], folder / name)
    return folder / next(iter(urls)) if len(urls) == 1 else folder


def kind_of(source: pathlib.Path, kind: str) -> str:
    """`folder` for a source with image files, whatever data set they are of; else `kind`, its own format."""
    return 'folder' if any(member.name.lower().endswith(IMAGES) for member in members(source)) else kind


def download(url: str, sha256: str, path: pathlib.Path) -> None:
    """Fetch `url` to `path` unless it is there with the right sum; a partial or wrong download leaves nothing behind."""
    if path.exists() and _sum(path) == sha256:
        return
    print(f'downloading {url}', file=sys.stderr)
    with whole_file(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, temporary.open('wb') as file:
                size = response.headers['Content-Length']
                with tqdm.tqdm(desc=path.name, total=size and int(size), unit='B', unit_scale=True, disable=None) as bar:
                    while chunk := response.read(CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
        except (OSError, urllib.error.URLError) as error:
            raise RunError(
                f'cannot download {url}: {error}; fetch it another way and give its place with dataset.prepare.source=PATH.'
            ) from error
        found = _sum(temporary)
        if found != sha256:
            raise RunError(
                f'{url} has changed or arrived damaged: its SHA-256 is {found}, expected {sha256}; '
                f'{shown(path)} was not written.'
            )


def _sum(path: pathlib.Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
