"""What a reader of a raw data set gives for one split: the names of the classes and a stream of labelled images."""
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mayo.util.lazy import lazy
from mayo.util.registry import Registry

tf = lazy('tensorflow')


class ClassName(NamedTuple):
    """A class: what the source calls it (the name of its folder), and the name to show."""
    key: str
    text: str


@dataclasses.dataclass(frozen=True)
class Raw:
    """One split of a raw data set.

    images: (JPEG or PNG file, label from 0), one after the other. total: how many, None if only counting would tell.
    classes: their names in label order, None if the source has no names.
    """
    images: Iterable[tuple[bytes, int]]
    classes: Sequence[str] | None = None
    total: int | None = None


# reader(source folder or archive, name of the split, what `dataset.prepare.splits` says of it, classes if they are known)
Reader = Callable[[pathlib.Path, str, Any, Sequence[ClassName] | None], Raw]
readers: Registry[Reader] = Registry('dataset.prepare.type')


def png(pixels: np.ndarray) -> bytes:
    """The smallest PNG file of pixels [H, W, channels], uint8."""
    return tf.io.encode_png(pixels, compression=9).numpy()


def texts(classes: Sequence[ClassName] | None) -> list[str] | None:
    """The names to show; None if the classes are not known."""
    return None if classes is None else [name.text for name in classes]
