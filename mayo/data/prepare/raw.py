"""What a reader of raw data sets says of itself, and what it gives for one split.

    @reader('idx', splits=mapping_of(images=TEXT, labels=TEXT))
    def idx(source: pathlib.Path, split: str, place: Any, classes: Sequence[ClassName] | None) -> Raw:
        \"\"\"What it reads, in a line.\"\"\"

source is a folder or an archive; split, `train` or `validate`; place, what dataset.prepare.splits says of the split;
classes, what dataset.prepare.classes says. A file in this folder is found by itself: adding a reader is adding a file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mayo.data.class_name import ClassName
from mayo.util.kinds import Kind, or_null
from mayo.util.lazy import lazy
from mayo.util.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from mayo.data.prepare.archive import Member

tf = lazy('tensorflow')


@dataclasses.dataclass(frozen=True)
class Raw:
    """One split of a raw data set.

    labels: of each image, from 0, in the order of the source. classes: their names, None if the source has no names.
    read: image n as a JPEG or PNG file, known to be readable; UserError if it is not. Threads call it side by side.
    key: text that changes when image n does.
    """

    labels: Sequence[int] | np.ndarray
    read: Callable[[int], bytes]
    key: Callable[[int], str]
    classes: Sequence[str] | None = None


Read = Callable[[pathlib.Path, str, Any, Sequence[ClassName] | None], Raw]


@dataclasses.dataclass(frozen=True)
class Reader:
    """A form in which data sets are distributed, the name of which dataset.prepare.type holds.

    line: what it reads. splits: what dataset.prepare.splits.SPLIT may hold; null is always the usual place.
    check: faults of such a value that can be told before the source is looked at, a line each.
    knows: whether a source with these files is of this form whatever dataset.prepare.type says.
    """

    name: str
    line: str
    read: Read
    splits: Kind
    check: Callable[[Any], Iterable[str]]
    knows: Callable[[Iterable[Member]], bool]


readers: Registry[Reader] = Registry('dataset.prepare.type')


def reader(
    name: str,
    *,
    splits: Kind,
    check: Callable[[Any], Iterable[str]] = lambda place: (),
    knows: Callable[[Iterable[Member]], bool] = lambda members: False,
) -> Callable[[Read], Read]:
    """Decorator that enters a function as the reader `name`; its docstring says what it reads."""

    def enter(read: Read) -> Read:
        line = (read.__doc__ or '').strip().partition('\n')[0]
        if not line:
            raise ValueError(f'the reader {name} has no docstring, which says what it reads')
        readers.register(name)(Reader(name, line, read, or_null(splits), check, knows))
        return read

    return enter


def of_pixels(pixels: Sequence[np.ndarray] | np.ndarray, labels: np.ndarray, classes: Sequence[str] | None) -> Raw:
    """Pictures [H, W, channels], uint8, with their labels [N], as PNG files."""
    content = hashlib.sha256()
    for picture in pixels:
        content.update(picture.tobytes())
    digest = content.hexdigest()
    return Raw(labels, lambda number: png(pixels[number]), lambda number: f'{digest}/{number}', classes)


def png(pixels: np.ndarray) -> bytes:
    """The smallest PNG file of pixels [H, W, channels], uint8."""
    return tf.io.encode_png(pixels, compression=9).numpy()


def texts(classes: Sequence[ClassName] | None) -> list[str] | None:
    """The names to show; None if the classes are not known."""
    return None if classes is None else [name.text for name in classes]
