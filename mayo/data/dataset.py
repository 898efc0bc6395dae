"""What one pass over images reads and what becomes of each: it goes whole to the pipeline, and to the search for faults."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mayo.data import faults
from mayo.data.augment import Shape
from mayo.data.examples import ImageFiles, Records


@dataclass(frozen=True)
class Data:
    """Images and their labels, as a network reads them.

    shape: (H, W, C) of an image after `steps`, mappings with the `type` of a step and its keys.
    label_offset: is added to each label; then it is from 0 to num_classes - 1, if that is known.
    num_examples: how many examples there are, if that is known.
    decoded_channels: of an image before `steps`; None: those of `shape`.
    """

    examples: Records | ImageFiles
    shape: Shape
    steps: tuple[Mapping[str, Any], ...] = ()
    label_offset: int = 0
    num_classes: int | None = None
    num_examples: int | None = None
    decoded_channels: int | None = None

    @property
    def channels(self) -> int:
        """Of a decoded image."""
        return self.decoded_channels or self.shape[2]

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Around the iteration over `pipeline.epoch` of these data: bad examples become a `UserError` that names them."""
        with faults.reading(self):
            yield
