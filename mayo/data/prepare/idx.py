"""Reader of IDX files, the format of MNIST and its family.

0 0 TYPE RANK   a byte each; TYPE 8 is uint8      then RANK sizes, 4 bytes each, big-endian; then the values
"""

from __future__ import annotations

import math
import pathlib
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mayo.data.class_name import ClassName
from mayo.data.prepare.archive import Member, gunzipped, members
from mayo.data.prepare.raw import Raw, of_pixels, reader, texts
from mayo.util.errors import UserError
from mayo.util.files import shown
from mayo.util.kinds import TEXT, mapping_of
from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')  # `info` asks for the names of readers alone

STANDARD = {
    'train': {'images': 'train-images-idx3-ubyte', 'labels': 'train-labels-idx1-ubyte'},
    'validate': {'images': 't10k-images-idx3-ubyte', 'labels': 't10k-labels-idx1-ubyte'},
}


@reader('idx', splits=mapping_of(images=TEXT, labels=TEXT))
def idx(source: pathlib.Path, split: str, files: Any, classes: Sequence[ClassName] | None) -> Raw:
    """A file of images and a file of their labels, of the names that MNIST has if none are given; with .gz or without."""
    files = files or STANDARD[split]
    images, labels = (_find(source, name) for name in (files['images'], files['labels']))
    if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
        raise UserError(
            f'{shown(source)}: {files["images"]} holds values {images.shape} and {files["labels"]} '
            f'{labels.shape}, expected images (N, H, W) and labels (N,).'
        )
    pixels = images if images.ndim == 4 else images[..., np.newaxis]
    return of_pixels(pixels, labels, texts(classes))


def _find(source: pathlib.Path, name: str) -> np.ndarray:
    name = name.removesuffix('.gz')
    for member in members(source):
        if member.parts[-1].removesuffix('.gz') == name:
            return parse(_content(member, source), f'{shown(source)}: {member.name}')
    raise UserError(f'{shown(source)} holds neither {name} nor {name}.gz.')


def _content(member: Member, source: pathlib.Path) -> bytes:
    content = member.read()
    return gunzipped(content, f'{shown(source)}: {member.name}') if member.name.endswith('.gz') else content


def parse(content: bytes, name: str) -> np.ndarray:
    """The array of uint8 in an IDX file; `name` is for the error message.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), 'labels').tolist()
    [7, 8, 9]
    """
    if len(content) < 4 or content[:3] != b'\0\0\x08':
        raise UserError(f'{name} is not an IDX file of bytes.')
    rank = content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise UserError(f'{name} is truncated: its header is {start} bytes, found {len(content)}.')
    shape = struct.unpack(f'>{rank}I', content[4:start])
    if len(content) != start + math.prod(shape):
        raise UserError(
            f'{name} is truncated or corrupt: {shape} needs {start + math.prod(shape)} bytes, found {len(content)}.'
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
