"""Reader of photographs in a folder for each class: a folder tree, or a tar or zip of one.

    [anything/]SPLIT/CLASS/image.jpg        classes in the order of their folders' names are labels 0, 1, ...
    [anything/]SPLIT/image.jpg              with a file that names each image's class, see `labels.py`

ImageNet's layouts are these with WordNet ids as folder names. Its training archive holds a tar for each class, which
counts as the folder of that class; its validation archive is of the second kind.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import logging
import math
import pathlib
import posixpath
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mayo.data import picture, record
from mayo.data.class_name import ClassName
from mayo.data.files import is_image
from mayo.data.prepare.archive import Member, members, shown_name, stem_of
from mayo.data.prepare.labels import Text, classes_of, shipped_labels
from mayo.data.prepare.raw import Raw, png, reader, texts
from mayo.data.tree import SPLITS, passed_over
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import find, shown
from mayo.util.kinds import TEXT, Kind, either, mapping_of, or_null
from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')  # `info` asks for the names of readers alone

tf = lazy('tensorflow')

STANDARD = {
    'train': (*SPLITS['train'], 'ILSVRC2012_img_train'),
    'validate': ('validation', 'validate', 'valid', 'val', 'ILSVRC2012_img_val', *SPLITS['validate'][4:]),
}

USUAL = {name for names in STANDARD.values() for name in names}  # in any case

PLACE = Kind('a folder or {folder: , labels: }', either(TEXT, mapping_of(folder=TEXT, labels=TEXT, ids=or_null(TEXT))).read)
LARGE = 1 << 22  # bytes, or pixels, of an image that is read alone, so that many side by side do not fill the memory
_LARGE = threading.Lock()
_PACKED = (
    '.zip',
    '.tgz',
    '.tbz',
    '.tbz2',
    '.txz',
    '.7z',
    '.rar',
    '.tar',
    '.tar.gz',
    '.tar.bz2',
    '.tar.xz',
    '.tar.lzma',
    '.tar.zst',
)
_log = logging.getLogger(__name__)
ClassOf = Callable[[Member], str]  # the class of an image of the split


def _absent(place: Any) -> Iterator[str]:
    """The files that a place names and that are not there."""
    for key in ('labels', 'ids') if isinstance(place, Mapping) else ():
        if place.get(key) is not None and find(place[key]) is None:
            yield f'the label file {place[key]} does not exist.'


def _holds_images(files: Iterable[Member]) -> bool:
    return any(is_image(file.name) for file in files)


@reader('folder', splits=PLACE, check=_absent, knows=_holds_images)
def folder(source: pathlib.Path, split: str, place: Any, classes: Sequence[ClassName] | None) -> Raw:
    """Image files in a folder for each class, or with a file that says their classes.

    place: the folder above the class folders; `.` if they lie outermost; null for the first of the usual names of `split`
    that holds images, the source's own name included; or {folder: NAME, labels: FILE} for images without class folders.
    classes: what the folders mean; the source may lack some. None: the folders of this split are the classes.
    """
    files = list(members(source))
    images = [member for member in files if is_image(member.name)]
    _tell_others(source, tuple(member.name for member in files if not is_image(member.name)))
    if isinstance(place, Mapping):
        chosen, class_of = _labelled(source, images, **place)
    else:
        chosen, class_of = _in_folders(source, images, split, place)
    if not chosen:
        raise UserError(
            f'{shown(source)} holds no image as {_shown(place, split)}; dataset.prepare.splits.{split} names '
            'the folder above the class folders.'
        )
    keys = [class_of(member) for member in chosen]
    classes = classes or [ClassName(key, key) for key in sorted(set(keys))]
    labels = _numbers(source, chosen, keys, classes)
    return Raw(
        labels,
        lambda number: checked(chosen[number], source),
        lambda number: f'{chosen[number].name} {chosen[number].size}',
        texts(classes),
    )


@functools.lru_cache(maxsize=16)  # each split reads the source, which is told once
def _tell_others(source: pathlib.Path, names: Sequence[str]) -> None:
    """Say which files are passed over. UserError: an archive lies in an archive, so that images may be missed."""
    packed = [shown_name(name) for name in names if name.lower().endswith(_PACKED)]
    if packed and not source.is_dir():
        more = f' and {len(packed) - 5} more' if len(packed) > 5 else ''
        raise UserError(
            f'{shown(source)} holds archives, {", ".join(packed[:5])}{more}, which are not read inside of another; only an '
            'uncompressed tar in a tar is. Unpack the outer one, and prepare the folder, or what it holds.'
        )
    for name in packed:
        _log.warning('%s: the archive %s is passed over; unpack it if its images belong to the set', shown(source), name)
    others = collections.Counter(posixpath.splitext(name)[1].lower() or 'no suffix' for name in names)
    if others:
        _log.warning('%s%s', shown(source), passed_over(others))


def _in_folders(source: pathlib.Path, images: Sequence[Member], split: str, place: str | None) -> tuple[list[Member], ClassOf]:
    """Images in class folders; or, without a place of the user's, images beside which lies a known file of labels."""
    own = stem_of(source)
    places = STANDARD[split] if place is None else (place,)
    for candidate in places:
        inside = [image for image in images if len(image.parts) > 1 and _lies_in(own, image.parts[:-2], candidate)]
        if inside:
            return inside, lambda member: member.parts[-2]
        direct = [image for image in images if place is None and _lies_in(own, image.parts[:-1], candidate)]
        known = shipped_labels(source) if direct else None
        if known is not None:
            return direct, classes_of(direct, known)
    return [], str


def _labelled(
    source: pathlib.Path, images: Sequence[Member], folder: str, labels: str, ids: str | None = None
) -> tuple[list[Member], ClassOf]:
    """Images directly in `folder`, whose classes the file `labels` says."""
    path, table = find(labels), find(ids) if ids else None
    assert path is not None, 'checked before'
    inside = [image for image in images if _lies_in(stem_of(source), image.parts[:-1], folder)]
    return inside, classes_of(inside, Text(path), table)


def _lies_in(own: str, folders: Sequence[str], place: str) -> bool:
    """Whether `folders`, which lie in the source called `own`, lead to `place`."""
    if place == '.':
        return not folders
    path, wanted = '/'.join(('', own, *folders)), f'/{place.strip("/")}'
    return path.endswith(wanted) or (place in USUAL and path.lower().endswith(wanted.lower()))


def _numbers(source: pathlib.Path, images: Sequence[Member], keys: Sequence[str], classes: Sequence[ClassName]) -> np.ndarray:
    labels = {name.key: label for label, name in enumerate(classes)}
    for image, key in zip(images, keys, strict=True):
        if key not in labels:
            hint = did_you_mean(key, labels) or '.'
            raise UserError(
                f'{shown(source)}: {shown_name(image.name)} is of class {shown_name(key)}, which is none of the {len(labels)} classes '
                f'(those of `train`, or dataset.prepare.classes){hint}'
            )
    return np.array([labels[key] for key in keys], np.int32)


def _shown(place: Any, split: str) -> str:
    if isinstance(place, Mapping):
        return f'{place["folder"]}/image.jpg'
    return f'{place or " or ".join(STANDARD[split])}/CLASS/image.jpg'


def checked(member: Member, source: pathlib.Path) -> bytes:
    """An image file, known to be decodable, as a JPEG or PNG file."""
    try:
        content = member.read()
        with _LARGE if len(content) > LARGE or _pixels(content) > LARGE else contextlib.nullcontext():
            pixels = record.read(content, 3)
            return content if picture.kind_of(content) in ('JPEG', 'PNG') else png(tf.cast(pixels, 'uint8'))
    except picture.Unreadable as error:
        raise UserError(f'{shown(source)}: {shown_name(member.name)} is not a readable image: {error}.') from error
    except UserError as error:
        raise UserError(f'{shown(source)}: {error}') from error


def _pixels(content: bytes) -> int:
    """How many the header of a file says that there are; 0 for what is no picture."""
    try:
        return math.prod(picture.size_of(content))
    except (ValueError, struct.error, IndexError):
        return 0
