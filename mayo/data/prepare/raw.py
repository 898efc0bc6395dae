"""What a reader of a raw data set gives for one split: the names of the classes and labelled images."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mayo.data.class_name import ClassName
from mayo.util.lazy import lazy
from mayo.util.registry import Registry

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


# reader(source folder or archive, name of the split, what `dataset.prepare.splits` says of it, classes if they are known)
Reader = Callable[[pathlib.Path, str, Any, Sequence[ClassName] | None], Raw]
readers: Registry[Reader] = Registry('dataset.prepare.type')


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
