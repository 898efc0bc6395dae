"""What is exported, and what a format has to offer: `formats` by name, entered by the modules beside this one."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mayo.util.registry import Registry

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Preprocessing:
    """Steps of mayo.data.augment that an artifact does itself, from bytes [N, height, width, channels] on.

    shape: (height, width, channels) of what the network reads; size: of the images, None for any.
    """

    steps: tuple[Mapping[str, Any], ...]
    shape: tuple[int, int, int]
    size: Size | None = None


@dataclass(frozen=True)
class Subject:
    """A network on its way out. program: mayo.net.tf.compact.Program, with one output; probabilities: it ends in a softmax."""

    name: str
    program: Any
    probabilities: bool = False
    labels: Sequence[str] | None = None
    preprocessing: Preprocessing | None = None
    outside: Sequence[Mapping[str, Any]] = ()  # steps that are left to who uses the artifact
    origin: Mapping[str, str] = field(default_factory=dict)  # for the README: what it is, by name

    @property
    def dims(self) -> Any:
        """(height, width, channels) of an image that an artifact takes; None for any."""
        if self.preprocessing is None:
            return self.program.values[self.program.inputs[0]].dims
        return (*(self.preprocessing.size or (None, None)), self.preprocessing.shape[-1])

    @property
    def dtype(self) -> str:
        """Of the images: float32, or bytes as files of pictures hold them."""
        return 'float32' if self.preprocessing is None else 'uint8'


Classify = Callable[[np.ndarray], np.ndarray]  # images [N, H, W, C] to outputs [N, C]


@dataclass(frozen=True)
class Format:
    """One way to write a network.

    file: its name; to_write, to_run: the packages needed; any_batch: whether it takes several images at once
    refuse(subject): why it cannot hold it; write(subject, path): UserError if that shows only now
    load(path): the artifact in its own runtime; snippet: Python for the README, with `outputs` of `images`
    """

    file: str
    to_write: tuple[str, ...]
    to_run: tuple[str, ...]
    any_batch: bool
    refuse: Callable[[Subject], list[str]]
    write: Callable[[Subject, pathlib.Path], None]
    load: Callable[[pathlib.Path], Classify]
    snippet: str


formats: Registry[Format] = Registry('export format')


@dataclass(frozen=True)
class Artifact:
    """A file or folder that was written. difference: the largest from masked execution, over the largest output."""

    format: str
    file: str
    bytes: int
    difference: float


def fixed_size(subject: Subject) -> list[str]:
    """Why a format of fixed shapes cannot hold it."""
    if subject.preprocessing is not None and subject.preprocessing.size is None:
        return ['preprocesses images of one size only; set export.image_size=[HEIGHT, WIDTH], or export.preprocess=false.']
    return []
