"""Reader of photographs in a folder for each class: a folder tree, or a tar or zip of one.

    [anything/]SPLIT/CLASS/image.jpg        classes in the order of their folders' names are labels 0, 1, ...
    [anything/]SPLIT/image.jpg              with a file that names each image's class

ImageNet's layout is this one with WordNet ids as folder names. Its training archive holds a tar for each class, which
counts as the folder of that class; its validation archive is of the second kind.
"""
import concurrent.futures
import itertools
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mayo.data.prepare.archive import Member, members
from mayo.data.prepare.raw import ClassName, Raw, png, readers, texts
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import find, shown
from mayo.util.lazy import lazy

tf = lazy('tensorflow')

STANDARD = {'train': ('train', 'training'), 'validate': ('validation', 'validate', 'valid', 'val', 'test')}
IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.gif')
AT_ONCE = 256                   # images read ahead, to be checked side by side

ClassOf = Callable[[Member], str | None]        # the class of an image of the split, None for any other file


@readers.register('folder')
def folder(source: pathlib.Path, split: str, place: Any, classes: Sequence[ClassName] | None) -> Raw:
    """The images of one split.

    place: the folder above the class folders; `.` if they lie outermost; null for the usual names of `split`; or
    {folder: NAME, labels: FILE} for images without class folders, FILE saying in each line `IMAGE CLASS`, or `CLASS` for
    the images in the order of their names.
    classes: what the folders mean; the source may lack some. None: the folders of this split are the classes.
    """
    if place is None:
        class_of = _by_folder(STANDARD.get(split, (split,)))
    elif isinstance(place, str):
        class_of = _by_folder((place,))
    elif isinstance(place, Mapping) and set(place) == {'folder', 'labels'}:
        class_of = _by_file(source, place['folder'], place['labels'])
    else:
        raise UserError(f'dataset.prepare.splits.{split} is {place!r}, expected a folder or {{folder: , labels: }}.')
    total = None
    nothing = (f'{shown(source)} holds no image as {_shown(place, split)}; dataset.prepare.splits.{split} names the folder '
               'above the class folders.')
    if classes is None:
        found = [key for key in map(class_of, members(source)) if key is not None]
        if not found:
            raise UserError(nothing)
        classes, total = [ClassName(key, key) for key in sorted(set(found))], len(found)
    labels = {name.key: label for label, name in enumerate(classes)}
    return Raw(_images(source, class_of, labels, nothing), texts(classes), total)


def _by_folder(places: Sequence[str]) -> ClassOf:
    def class_of(member: Member) -> str | None:
        if _is_image(member) and len(member.parts) > 1 and any(_lies_in(member.parts[:-2], place) for place in places):
            return member.parts[-2]
        return None
    return class_of


def _by_file(source: pathlib.Path, place: str, labels: str) -> ClassOf:
    path = find(labels)
    if path is None:
        raise UserError(f'dataset.prepare.splits: the label file {labels} does not exist.')
    rows = [re.split(r'[\s,]+', line.strip()) for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
    if all(len(row) == 1 for row in rows):
        names = sorted(_stem(m) for m in members(source) if _is_image(m) and _lies_in(m.parts[:-1], place))
        if len(names) != len(rows):
            raise UserError(f'{shown(path)} names the classes of {len(rows)} images, {shown(source)} holds {len(names)}.')
        keys = {name: row[0] for name, row in zip(names, rows, strict=True)}
    else:
        keys = {os.path.splitext(row[0])[0]: row[1] for row in rows if len(row) > 1}

    def class_of(member: Member) -> str | None:
        if not _is_image(member) or not _lies_in(member.parts[:-1], place):
            return None
        if _stem(member) not in keys:
            raise UserError(f'{shown(path)} does not say the class of {member.name}.')
        return keys[_stem(member)]
    return class_of


def _is_image(member: Member) -> bool:
    return os.path.splitext(member.name)[1].lower() in IMAGES


def _stem(member: Member) -> str:
    return os.path.splitext(member.parts[-1])[0]


def _lies_in(folders: Sequence[str], place: str) -> bool:
    above = '/'.join(folders)
    return not above if place == '.' else f'/{above}'.endswith(f'/{place.strip("/")}')


def _shown(place: Any, split: str) -> str:
    if isinstance(place, Mapping):
        return f'{place["folder"]}/image.jpg'
    return f'{place or " or ".join(STANDARD.get(split, (split,)))}/CLASS/image.jpg'


def _images(source: pathlib.Path, class_of: ClassOf, labels: Mapping[str, int],
            nothing: str) -> Iterator[tuple[bytes, int]]:
    wanted = _labelled(source, class_of, labels)
    first = next(wanted, None)
    if first is None:
        raise UserError(nothing)
    wanted = itertools.chain([first], wanted)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        while batch := list(itertools.islice(wanted, AT_ONCE)):
            names, numbers, contents = zip(*batch, strict=True)
            checked = pool.map(_checked, contents, itertools.repeat(source), names)
            yield from zip(checked, numbers, strict=True)


def _labelled(source: pathlib.Path, class_of: ClassOf, labels: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
    for member in members(source):
        key = class_of(member)
        if key is None:
            continue
        if key not in labels:
            hint = did_you_mean(key, labels) or '.'
            raise UserError(f'{shown(source)}: {member.name} is of class {key}, which is none of the {len(labels)} of '
                            f'dataset.prepare.classes{hint}')
        yield member.name, labels[key], member.read()


def _checked(content: bytes, source: pathlib.Path, name: str) -> bytes:
    """`content`, known to be decodable, as a JPEG or PNG file."""
    try:
        pixels = tf.io.decode_image(content, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        raise UserError(f'{shown(source)}: {name} is not a readable image: {error.message.splitlines()[0]}') from error
    return content if content.startswith((b'\xff\xd8\xff', b'\x89PNG')) else png(pixels.numpy())
