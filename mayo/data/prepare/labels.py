"""Which class images without class folders are of, as a file says it; the files in which ImageNet's classes come are known.

IMAGE CLASS ...         in each line; or CSV, with commas, semicolons or tabs and with quotes where it needs them, as Kaggle's
                        LOC_val_solution.csv; what follows in boxes of four numbers is passed over
CLASS                   in each line, of the images in the order of their names
NUMBER                  likewise, an ILSVRC id: ILSVRC2012_validation_ground_truth.txt; meta.mat beside it says which class
"""

import csv
import io
import os
import pathlib
import re
import tarfile
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from mayo.data.files import is_image
from mayo.data.prepare.archive import BROKEN, Member, members, shown_name
from mayo.util.errors import UserError
from mayo.util.extras import missing, remedy
from mayo.util.files import shown, text_of

KNOWN = ('LOC_val_solution.csv', 'imagenet_2012_validation_synset_labels.txt', 'ILSVRC2012_validation_ground_truth.txt')
DEVKIT = 'ILSVRC2012_devkit_t12.tar.gz'
IDS = 'meta.mat'


class Text:
    """A text file on disk, or in the development kit of ILSVRC 2012, which is a tar.gz; and the files beside it."""

    def __init__(self, path: pathlib.Path, archive: pathlib.Path | None = None) -> None:
        self.path, self.archive = path, archive

    def __str__(self) -> str:
        return shown(self.path) if self.archive is None else f'{shown(self.archive)}: {self.path}'

    def beside(self, name: str) -> 'Text':
        """The file `name` in the same folder."""
        return Text(self.path.with_name(name), self.archive)

    def read(self) -> bytes | None:
        """Its content; None if it is not there."""
        if self.archive is None:
            return self.path.read_bytes() if self.path.is_file() else None
        try:
            with tarfile.open(self.archive) as archive:
                file = archive.extractfile(str(self.path))
                return file.read() if file else None
        except KeyError:
            return None
        except BROKEN as error:
            raise UserError(f'{shown(self.archive)} is truncated or corrupt: {error}.') from error


def shipped_labels(source: pathlib.Path) -> Text | None:
    """The file in which ImageNet says the classes of its validation images, in or beside `source`; None if there is none."""
    folder = source if source.is_dir() else source.parent
    if (folder / DEVKIT).is_file():
        try:
            with tarfile.open(folder / DEVKIT) as archive:
                names = archive.getnames()
        except BROKEN as error:
            raise UserError(f'{shown(folder / DEVKIT)} is truncated or corrupt: {error}.') from error
        truth = next((name for name in names if name.endswith(f'/{KNOWN[-1]}')), None)
        if truth:
            return Text(pathlib.Path(truth), folder / DEVKIT)
    inside = (pathlib.Path(folder, member.name) for member in members(source)) if source.is_dir() else folder.glob('*')
    paths = {path.name: path for path in inside if path.name in KNOWN and path.is_file()}
    return next((Text(paths[name]) for name in KNOWN if name in paths), None)


def classes_of(images: Sequence[Member], source: Text, ids: pathlib.Path | None = None) -> Callable[[Member], str]:
    """A function from one of `images` to its class, as the file `source` says.

    ids: meta.mat, or a file with an id and its class in each line; None for the meta.mat beside `source`.
    UserError: the file does not fit the images, or an id means nothing.
    """
    keys = _keys(images, source, ids)

    def class_of(image: Member) -> str:
        key = next((key for key in (image.name, image.parts[-1], image.stem) if key in keys), None)
        if key is None:
            raise UserError(f'{source} does not say the class of {shown_name(image.name)}.')
        return keys[key]

    return class_of


def _keys(images: Sequence[Member], source: Text, ids: pathlib.Path | None) -> Mapping[str, str]:
    """Class by image, with and without suffix."""
    lines = [line for line in text_of(source.read() or b'', str(source)).splitlines() if line.strip()]
    rows = _rows(lines, {image.stem for image in images})
    if rows is not None:
        return _by_image(rows, source)
    keys = [line.strip().strip('"') for line in lines]
    if len(images) != len(keys):
        raise UserError(f'{source} names the classes of {len(keys)} images, the source holds {len(images)}.')
    if all(key.isdecimal() for key in keys):
        meaning = _meaning(Text(ids) if ids else source.beside(IDS), source)
        unknown = next((key for key in keys if int(key) not in meaning), None)
        if unknown:
            raise UserError(f'{source} says id {unknown}, which {shown(ids) if ids else IDS} does not know.')
        keys = [meaning[int(key)] for key in keys]
    return dict(zip(sorted(image.stem for image in images), keys, strict=True))


def _rows(lines: Sequence[str], stems: Container[str]) -> list[tuple[str, str]] | None:
    """(image, class) of each line; None if the lines hold classes alone."""
    for delimiter in (',', ';', '\t'):
        rows = [[field.strip() for field in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
        if rows and all(len(row) > 1 for row in rows):
            return [(row[0], _without_boxes(row[1].split()) or row[1]) for row in rows]
    pairs = [line.split(maxsplit=1) for line in lines]
    if any(_stem(pair[0]) in stems or is_image(pair[0]) for pair in pairs):
        return [(pair[0], _without_boxes(pair[1].split()) or pair[1].strip()) for pair in pairs if len(pair) > 1]
    return None


def _without_boxes(words: Sequence[str]) -> str | None:
    """The class alone, where all that there is are classes with the four numbers of a box after each, as Kaggle has them."""
    numbers = [word for place, word in enumerate(words) if place % 5]
    is_boxes = numbers and len(words) % 5 == 0 and all(re.fullmatch(r'-?[0-9.]+', word) for word in numbers)
    return words[0] if is_boxes else None


def _by_image(rows: Iterable[tuple[str, str]], source: Text) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    for image, name in rows:
        image = image.removeprefix('./').replace('\\', '/')
        if keys.get(image, name) != name:
            raise UserError(f'{source} says two classes of {image}: {keys[image]} and {name}.')
        keys[image] = name
    return {**{_stem(image): name for image, name in keys.items()}, **keys}


def _stem(image: str) -> str:
    return os.path.splitext(os.path.basename(image))[0]


def _meaning(table: Text, source: Text) -> Mapping[int, str]:
    """The class of each ILSVRC id."""
    content = table.read()
    if content is None:
        raise UserError(
            f'{source} says classes by ILSVRC id, and {table}, which says what those mean, does not exist; put it '
            'there, or name it as dataset.prepare.splits.validate.ids.'
        )
    if content.startswith(b'MATLAB'):
        return _of_matlab(content)
    rows = [line.split() for line in text_of(content, str(table)).splitlines() if line.strip()]
    if not all(len(row) > 1 and row[0].isdecimal() for row in rows):
        raise UserError(f'{table}: expected lines with an ILSVRC id and its class, or the {IDS} of ILSVRC 2012.')
    return {int(row[0]): row[1] for row in rows}


def _of_matlab(content: bytes) -> Mapping[int, str]:
    if missing(['scipy']):
        raise UserError(f'reading {IDS} needs scipy; `{remedy("imagenet")}` installs it.')
    from scipy.io import loadmat

    synsets = loadmat(io.BytesIO(content), squeeze_me=True, variable_names=['synsets'])['synsets']
    return {int(synset['ILSVRC2012_ID']): str(synset['WNID']) for synset in synsets}
