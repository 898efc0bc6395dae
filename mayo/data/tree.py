"""Images as users have them, in a folder for each class: found, labelled and split, to be read without making records.

    DIR/{train,validation}/CLASS/.../image.jpg      train may also be called training; validation also validate, valid, val, test,
                                                    testing, eval, evaluation or dev; either in any case
    DIR/CLASS/.../image.jpg                         some images of each class are held out for validation

Classes are the names of the folders, in their order. Needs no TensorFlow.
"""

import collections
import functools
import hashlib
import logging
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mayo.data.class_name import is_text
from mayo.data.files import images_in, is_image, is_local, walk
from mayo.util.errors import UserError, did_you_mean
from mayo.util.files import find, shown

SPLITS = {
    'train': ('train', 'training'),
    'validate': ('validation', 'validate', 'valid', 'val', 'test', 'testing', 'eval', 'evaluation', 'dev'),
}

_log = logging.getLogger(__name__)


class Tree(NamedTuple):
    """The images below a folder, class after class, by the name of their class."""

    folder: pathlib.Path
    images: Mapping[str, Sequence[str]]  # paths


def folder_of(path: object) -> pathlib.Path | None:
    """The local folder that a value of dataset.path names; None if it names records, or nothing that exists."""
    if not isinstance(path, str) or not is_local(path):
        return None
    folder = find(path)
    return folder if folder is not None and folder.is_dir() else None


@functools.lru_cache(maxsize=16)
def tree_of(folder: pathlib.Path) -> Tree:
    """The images below `folder`, as they are when a process first asks. UserError if no class folder holds any."""
    classes = {}
    others: collections.Counter[str] = collections.Counter()
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith('.'):
            files = list(walk(entry))
            images = [file for file in files if is_image(file)]
            others.update(os.path.splitext(file)[1].lower() or 'no suffix' for file in files if not is_image(file))
            if images and not is_text(entry.name):
                raise UserError(f'{shown(folder)}: the name of the folder {entry.name!r} is no UTF-8 text; rename it.')
            if images:
                classes[entry.name] = images
    if not classes:
        raise UserError(f'{shown(folder)} holds no image as CLASS/image.jpg{passed_over(others)}.')
    if others:
        _log.warning('%s%s', shown(folder), passed_over(others))
    for name, other in alike(classes):
        _log.warning('%s: the classes %s and %s differ in case alone', shown(folder), name, other)
    return Tree(folder, classes)


def passed_over(suffixes: Mapping[str, int]) -> str:
    """How a sentence ends about files that no suffix says to be images; nothing if there is none.

    >>> passed_over({'.txt': 2, '.tiff': 1})
    ' (passed over: 3 files that are no images by their suffixes: 2 .txt, 1 .tiff)'
    """
    if not suffixes:
        return ''
    counted = sorted(suffixes.items(), key=lambda item: -item[1])
    names = [f'{count} {suffix}' for suffix, count in counted[:5]] + ['others'] * (len(counted) > 5)
    return f' (passed over: {sum(suffixes.values())} files that are no images by their suffixes: {", ".join(names)})'


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in case alone."""
    first: dict[str, str] = {}
    return [(first[name.casefold()], name) for name in names if first.setdefault(name.casefold(), name) != name]


def splits_of(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The folders of class folders below `folder` by split; `folder` itself for each split that it has no folder for.

    A validation folder without one for training is the only split. What else lies beside them is ignored, and told.
    """
    entries = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith('.'))
    folders: dict[str, pathlib.Path] = {}
    for split, names in SPLITS.items():
        candidates = [entry for name in names for entry in entries if entry.name.lower() == name]
        own = next((entry for entry in candidates if _holds_classes(entry)), None)
        if own is not None:
            folders[split] = own
    if not folders:
        return dict.fromkeys(SPLITS, folder)
    ignored = [entry.name for entry in entries if entry not in folders.values() and images_in(entry)]
    if ignored:
        used = ' and '.join(path.name for path in folders.values())
        _log.warning('%s: %s are read; beside them, %s is ignored', shown(folder), used, ', '.join(ignored))
    return {split: folders[split] for split in SPLITS if split in folders} | (
        {'validate': folders['train']} if 'validate' not in folders else {}
    )


def _holds_classes(folder: pathlib.Path) -> bool:
    """Whether `folder` has folders that hold images: one that holds them itself is a class that happens to be called so."""
    return folder.is_dir() and any(entry.is_dir() and images_in(entry) for entry in folder.iterdir())


def labelled(tree: Tree, classes: Sequence[str]) -> list[tuple[str, int]]:
    """(path, label) of each image of a tree. UserError: a folder is none of `classes`, which may be more."""
    labels = {name: label for label, name in enumerate(classes)}
    for name, images in tree.images.items():
        if name not in labels:
            hint = did_you_mean(name, labels) or '.'
            raise UserError(
                f'{shown(tree.folder)}: the folder {name} with {len(images)} images is none of the {len(labels)} '
                f'classes of dataset.prepare.classes{hint}'
            )
    return [(image, labels[name]) for name, images in tree.images.items() for image in images]


def without(tree: Tree, other: Tree) -> Tree:
    """The images of `tree` that are not in `other`, a part of it."""
    return Tree(
        tree.folder, {name: sorted(set(images) - set(other.images.get(name, ()))) for name, images in tree.images.items()}
    )


def held_out(tree: Tree, share: float) -> Tree:
    """A `share` of the images of each class, at least one of two: those whose names have the lowest SHA-256."""

    def some(images: Sequence[str]) -> list[str]:
        number = max(round(share * len(images)), 1) if share and len(images) > 1 else 0
        return sorted(sorted(images, key=hashed)[:number])

    def hashed(image: str) -> bytes:
        return hashlib.sha256(os.fsencode(os.path.relpath(image, tree.folder))).digest()

    return Tree(tree.folder, {name: some(images) for name, images in tree.images.items()})
